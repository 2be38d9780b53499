"""Whether two runs of a cohort came to the same results: byte for byte, parquet by content.

What a run tells about itself (logs, benchmarks, the report's times, the times of segmentation) is
left out.

    python workflow_tests/cluster/compare.py results/demo /elsewhere/results/demo
"""

import json
import sys
from pathlib import Path

import pandas as pd

NO_RESULTS = {"logs", "benchmarks", "cache"}
"""Folders that say when and how fast."""

OF_THE_RUN = {"report.html", "summary.txt", "provenance.json"}
"""Files that do."""

TIMES = {"seconds", "network_seconds"}
"""Values of records of segmentation that do."""


def results(folder: Path) -> dict[str, Path]:
    """The files of results/<cohort> that must not depend on where they were made, by name."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: path
        for name, path in files.items()
        if NO_RESULTS.isdisjoint(Path(name).parts)
        and path.name not in OF_THE_RUN
        and not (path.parent.name == "segmentation" and path.name.startswith("batch_"))
    }


def same(one: Path, other: Path) -> bool:
    """Whether two files hold the same results."""
    if one.suffix == ".parquet":
        return pd.read_parquet(one).equals(pd.read_parquet(other))
    if one.name == "segmentation.json" or one.parent.name == "raw" and one.suffix == ".json":
        first, second = (json.loads(path.read_text(encoding="utf-8")) for path in (one, other))
        return all(
            first.get(key) == second.get(key) for key in (first.keys() | second.keys()) - TIMES
        )
    return one.read_bytes() == other.read_bytes()


def differing(one: Path, other: Path) -> list[str]:
    """Names of files that differ, or that only one of the two has."""
    first, second = results(one), results(other)
    alone = first.keys() ^ second.keys()
    both = first.keys() & second.keys()
    return sorted(alone | {name for name in both if not same(first[name], second[name])})


def main() -> int:
    """Compare two folders; 1 where anything differs."""
    one, other = map(Path, sys.argv[1:])
    wrong = differing(one, other)
    print(f"{len(results(one))} files compared, {len(wrong)} differ")
    print("".join(f"  {name}\n" for name in wrong), end="")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
