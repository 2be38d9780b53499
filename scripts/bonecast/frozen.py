"""A study whose scans are gone: what was measured is taken as it is.

Read while the workflow is parsed, so: standard library only.
"""

import csv
from collections.abc import MutableMapping
from pathlib import Path

from bonecast.cohort import CohortError, Participant

SECTIONS = {
    "cohort": (
        "participants",
        "clinical",
        "corrections",
        "exclude_levels",
        "calibration",
        "secret",
    ),
    "export": ("input", "private"),
    "segment": ("masks", "bodies", "tissue"),
    "predict": ("model", "table", "vertebra_table"),
}
"""Options that name files which only measuring and admitting patients read."""


def forget_input(config: MutableMapping) -> None:
    """Set the options that name files of the input to null, in place."""
    for section, names in SECTIONS.items():
        for name in names:
            config[section][name] = None


def frozen_cohort(results: str, tabular: bool) -> list[Participant]:
    """The scans of a study as its own tables tell them; none where a table was modelled.

    Args:
        results: the cohort's folder of results.

    Raises:
        CohortError: the table of scans is not there.
    """
    if tabular:
        return []
    path = Path(results, "tables", "scans.tsv")
    if not path.is_file():
        raise CohortError(
            f"cohort.frozen: {path} is not there. Only a study that was measured can be frozen: "
            "unpack its archive here, or leave the option out and measure the scans."
        )
    with path.open(newline="", encoding="utf-8") as stream:
        return [
            Participant(
                participant_id=row["participant_id"],
                session_id=row.get("session_id", ""),
                site=row.get("site", ""),
                baseline=row.get("baseline", "true").lower() != "false",
            )
            for row in csv.DictReader(stream, delimiter="\t")
        ]
