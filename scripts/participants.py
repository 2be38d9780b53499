"""Make participants.tsv and a list of files per scan from an export of many patients' files."""

import sys
import time
from typing import TextIO

from bonecast.dicom.export.build import build_participants
from bonecast.private import nothing_quoted
from bonecast.refusal import Refusal
from bonecast.runtime import job

NEXT = (
    "next: look at participants.tsv in the private folder, then run the workflow:",
    "      snakemake --configfile ... (the same, without a target)",
)

if __name__ == "__main__":
    with job(snakemake) as log:
        settings = snakemake.params.settings
        if not settings["input"]:
            raise Refusal("export.input: name the folder of the export in your --configfile.")

        def tell(line: str, terminal: TextIO = sys.stderr) -> None:
            """To the log and, as it takes long, to the terminal."""
            log.info("%s", line)
            print(time.strftime("%H:%M:%S"), line, file=terminal, flush=True)

        with nothing_quoted() as terminal:
            summary = build_participants(
                settings["input"],
                settings["private"],
                settings["sessions"],
                snakemake.threads,
                lambda line: tell(line, terminal),
            )
        for line in (*summary.lines(), *NEXT):
            tell(line)
