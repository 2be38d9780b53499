"""Put one scan and its masks where a person can correct them, with names and colours."""

from pathlib import Path

from bonecast.runtime import job
from bonecast.segment.editing import write_editing_folder

if __name__ == "__main__":
    with job(snakemake):
        participant = snakemake.wildcards.participant
        write_editing_folder(
            Path(snakemake.output.folder),
            participant,
            Path(snakemake.input.ct),
            Path(snakemake.input.vertebrae),
            Path(snakemake.input.bodies),
            snakemake.params.corrections,
        )
