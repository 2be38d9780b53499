"""Make participants.tsv and a list of files per scan from an export of many patients' files."""

import os
import sys
import time

from bonecast.dicom.export.build import build_participants
from bonecast.private import nothing_quoted
from bonecast.refusal import Refusal
from bonecast.runtime import job

NEXT = (
    "next: look at participants.tsv in the private folder, then run the workflow:",
    "      snakemake --configfile ... (the same, without a target)",
)

if __name__ == "__main__":
    # As it takes long, progress goes to the terminal as well, which is closed to libraries.
    with job(snakemake) as log, os.fdopen(os.dup(sys.stderr.fileno()), "w") as terminal:
        settings = snakemake.params.settings
        if not settings["input"]:
            raise Refusal("export.input: name the folder of the export in your --configfile.")

        def tell(line: str) -> None:
            """One line for log and terminal."""
            log.info("%s", line)
            print(time.strftime("%H:%M:%S"), line, file=terminal, flush=True)

        with nothing_quoted():
            summary = build_participants(
                settings["input"],
                settings["private"],
                settings["sessions"],
                snakemake.threads,
                tell,
            )
        for line in (*summary.lines(), *NEXT):
            tell(line)
