"""Where the files of a scan are among a cohort's results."""

from collections.abc import Iterable
from pathlib import Path


def files_of_scans(table: str | Path, scans: Iterable[str], name: str) -> list[Path]:
    """One file of every scan, for jobs that are given a table made of all of them.

    Snakemake would follow and look up each of them once per rule and scan, which in a cohort of
    thousands takes longer than anything else it plans.

    Args:
        table: of the cohort, `<results>/tables/<table>`.
        scans: names, in the order wanted.
        name: of the file, such as segmentation.json.
    """
    folder = Path(table).parents[1] / "participants"
    return [folder / scan / name for scan in scans]
