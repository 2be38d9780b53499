"""Runs every part of the benchmarks, then writes docs/benchmarks.md: `make bench`.

A part that fails is told about and the rest goes on. What was measured lies in results/bench;
a part whose table is there, of the same commit and with as many rounds, is not run again unless
--again is given, so an interrupted run goes on where it was.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from contest import RESULTS, ROUNDS, bonecast_version, read_rows, say

HERE = Path(__file__).resolve().parent
PARTS = ("ingest", "segmentation", "measure", "radiomics", "models", "pipeline")


def is_measured(part: str, rounds: int) -> bool:
    """Whether the part's table is there, of this commit and with at least so many rounds."""
    rows = read_rows(RESULTS / f"{part}.tsv")
    if not any(row["version"].startswith(bonecast_version()) for row in rows):
        return False
    return len({row["round"] for row in rows}) >= rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="default: %(default)s")
    parser.add_argument("--again", action="store_true", help="also what is measured already")
    parser.add_argument("parts", nargs="*", default=PARTS, help=", ".join(PARTS))
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    failed = []
    for part in options.parts:
        if not options.again and is_measured(part, options.rounds):
            say(f"{part}: measured already")
            continue
        started = time.monotonic()
        script = HERE / f"bench_{part}.py"
        done = subprocess.run([sys.executable, str(script), "--rounds", str(options.rounds)])
        say(f"{part}: {time.monotonic() - started:.0f} s")
        if done.returncode:
            failed.append(part)
    tables = [str(path) for part in PARTS if (path := RESULTS / f"{part}.tsv").exists()]
    subprocess.run([sys.executable, str(HERE / "page.py"), *tables], check=True)
    if failed:
        raise SystemExit(f"FAILED: {', '.join(failed)}; run again for these alone")


if __name__ == "__main__":
    main()
