"""Gather the measurements of every participant into the cohort's tables."""

from pathlib import Path

from bonecast.measure.collect import ParticipantFiles, collect
from bonecast.runtime import job


def participant_files(participants: dict, inputs) -> list[ParticipantFiles]:
    """Pair the cohort's rows with the files of each, which the rule lists in the same order."""
    radiomics = [Path(path) for path in inputs.radiomics] or [None] * len(inputs.ct)
    return [
        ParticipantFiles(name, site, Path(ct), Path(segmentation), Path(hu), Path(shape), texture)
        for name, site, ct, segmentation, hu, shape, texture in zip(
            participants["participant_id"],
            participants["site"],
            inputs.ct,
            inputs.segmentation,
            inputs.density,
            inputs.morphometry,
            radiomics,
            strict=True,
        )
    ]


if __name__ == "__main__":
    with job(snakemake) as log:
        tables = collect(
            participant_files(snakemake.params.participants, snakemake.input),
            snakemake.params.settings,
        )
        tables.write(
            snakemake.output.vertebrae,
            snakemake.output.scans,
            snakemake.output.exclusions,
            snakemake.output.dictionary,
            snakemake.output.sensitivity,
        )
        log.info("%d scans, %d left out", tables.scans.num_rows, len(tables.exclusions))
