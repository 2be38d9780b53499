"""What each rule of a finished run took, from the benchmark files Snakemake wrote."""

import argparse
import csv
from collections import defaultdict
from pathlib import Path


def seconds_by_rule(folder: Path) -> dict[str, list[float]]:
    """Wall times in seconds of every job below a benchmarks folder, by file name."""
    times = defaultdict(list)
    for path in folder.rglob("*.tsv"):
        with path.open(newline="") as stream:
            times[path.stem.rstrip("0123456789_")] += [
                float(row["s"]) for row in csv.DictReader(stream, delimiter="\t")
            ]
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    times = seconds_by_rule(folder)
    if not times:
        print(f"No benchmarks in {folder}: run `make demo` first.")
    for rule, seconds in sorted(times.items(), key=lambda item: -sum(item[1])):
        print(
            f"{rule:24s} {len(seconds):5d} jobs {sum(seconds):8.1f} s  longest {max(seconds):.1f} s"
        )


if __name__ == "__main__":
    main()
