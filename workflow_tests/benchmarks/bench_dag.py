"""Times the planning of cohorts of growing size: `make bench`."""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[2]


def plan_seconds(participants: int) -> float:
    """Wall time in seconds of a dry run over a cohort of that many participants with masks."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "participants.tsv")
        Path(folder, "p000000").mkdir()
        rows = (f"p{number:06d}" for number in range(participants))
        table.write_text("\n".join(["participant_id", *rows]))
        config = Path(folder, "config.yaml")
        cohort = {"name": "bench", "input": folder, "participants": str(table)}
        config.write_text(yaml.safe_dump({"cohort": cohort, "segment": {"backend": "masks"}}))
        command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "all"]
        command += ["--snakefile", str(PROJECT / "Snakefile"), "--directory", folder]
        started = time.perf_counter()
        subprocess.run([*command, "--configfile", str(config)], check=True)
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[40, 1000])
    print("participants  seconds  peak_mb")
    for size in parser.parse_args().sizes:
        seconds = plan_seconds(size)
        peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{size:12d}  {seconds:7.1f}  {peak_mb:7.0f}")


if __name__ == "__main__":
    main()
