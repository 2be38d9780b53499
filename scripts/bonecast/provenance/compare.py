"""Whether two runs gave the same results, and by how much tables differ.

`python -m bonecast.provenance.compare FIRST SECOND`, or `make compare`, where each is a cohort's
folder of results or a provenance.json of one. The exit code is 0 where all is the same, else 1.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bonecast.provenance.checksums import result_checksums

SAME, VALUES, DIFFERS, FIRST, SECOND = (
    "identical",
    "same values, other bytes",
    "differs",
    "only in the first",
    "only in the second",
)
READERS = {".parquet": pd.read_parquet}
READERS |= {
    # As text: an id 007 is not 7, and a site NA is not a missing one.
    suffix: lambda path, sep=sep: pd.read_csv(path, sep=sep, dtype=str, keep_default_na=False)
    for suffix, sep in ((".tsv", "\t"), (".csv", ","))
}


@dataclass(frozen=True)
class Difference:
    """How one result of two runs differs.

    Attributes:
        name: path from the cohort's folder.
        state: SAME and so on.
        detail: rows, columns and cells that differ, and the largest difference of numbers; empty
            where nothing differs or the files cannot be compared beyond their checksums.
    """

    name: str
    state: str
    detail: str = ""


class NoResults(ValueError):
    """What was named is neither a folder of results nor a provenance.json."""


def compare(first: str | Path, second: str | Path) -> list[Difference]:
    """Compare all results of two runs.

    Args:
        first, second: a cohort's folder of results, or its provenance.json. By a checksum alone
            it cannot be said how much a table differs, only that it does.

    Raises:
        NoResults: one of them is neither.
    """
    sides = [checksums_of(first), checksums_of(second)]
    folders = [Path(path) if Path(path).is_dir() else None for path in (first, second)]
    found = []
    for name in sorted(sides[0].keys() | sides[1].keys()):
        if name not in sides[1]:
            found.append(Difference(name, FIRST))
        elif name not in sides[0]:
            found.append(Difference(name, SECOND))
        elif sides[0][name] == sides[1][name]:
            found.append(Difference(name, SAME))
        elif None in folders:
            found.append(Difference(name, DIFFERS))
        else:
            found.append(_compare_files(name, *(folder / name for folder in folders)))
    return found


def checksums_of(path: str | Path) -> dict[str, str]:
    """SHA-256 of every result by its name, read anew or from a provenance.json.

    Raises:
        NoResults: the path is neither.
    """
    path = Path(path)
    if path.is_dir():
        outputs = result_checksums(path)
    else:
        try:
            outputs = json.loads(path.read_text(encoding="utf-8"))["outputs"]
        except (OSError, ValueError, KeyError, TypeError):
            outputs = {}
    if not outputs:
        raise NoResults(f"{path}: neither a cohort's folder of results nor its provenance.json")
    return {name: facts["sha256"] for name, facts in outputs.items()}


def _compare_files(name: str, first: Path, second: Path) -> Difference:
    reader = READERS.get(first.suffix)
    if reader is None:
        return Difference(name, DIFFERS)
    tables = [reader(path) for path in (first, second)]
    detail = table_difference(*tables)
    return Difference(name, DIFFERS if detail else VALUES, detail)


def table_difference(first: pd.DataFrame, second: pd.DataFrame) -> str:
    """What differs between two tables, in words; empty where all cells are the same.

    Rows are compared in their order. Missing cells are the same as missing ones.
    """
    parts = []
    missing = [f"-{name}" for name in first.columns.difference(second.columns)]
    missing += [f"+{name}" for name in second.columns.difference(first.columns)]
    if missing:
        parts.append(f"columns {', '.join(missing)}")
    shared = [name for name in first.columns if name in second.columns]
    if shared != [name for name in second.columns if name in first.columns]:
        parts.append("columns in another order")
    if types := [name for name in shared if first[name].dtype != second[name].dtype]:
        parts.append(f"another type of {', '.join(map(str, types))}")
    if len(first) != len(second):
        return "; ".join([*parts, f"{len(first)} rows against {len(second)}"])
    cells, worst = 0, (0.0, 0.0, "")
    for name in shared:
        a, b = first[name], second[name]
        unequal = ~((a == b) | (a.isna() & b.isna())).to_numpy(bool)
        cells += int(unequal.sum())
        sides = [pd.to_numeric(side[unequal], errors="coerce").astype(float) for side in (a, b)]
        gap = (sides[0] - sides[1]).abs()
        if gap.notna().any() and gap.max() > 0:
            size = pd.concat([side.abs() for side in sides], axis=1).max(axis=1)
            worst = max(worst, (float((gap / size).max()), float(gap.max()), str(name)))
    if cells:
        parts.append(f"{cells} of {len(first) * len(shared)} cells")
    if worst[2]:
        parts.append(f"at most {worst[1]:.3g} ({worst[0]:.2g} of the value), in {worst[2]}")
    return "; ".join(parts)


def report(found: Sequence[Difference]) -> str:
    """A line per result that is not identical, and how many are."""
    lines = [
        f"{item.state}: {item.name}{f' ({item.detail})' if item.detail else ''}"
        for item in found
        if item.state != SAME
    ]
    same = sum(item.state == SAME for item in found)
    return "\n".join([*lines, f"{same} of {len(found)} results are identical"])


def main(arguments: Sequence[str]) -> int:
    """Print how two runs differ; the exit code."""
    if len(arguments) != 2:
        print(__doc__)
        return 2
    try:
        found = compare(*arguments)
    except NoResults as error:
        print(error)
        return 2
    print(report(found))
    return int(any(item.state not in (SAME, VALUES) for item in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
