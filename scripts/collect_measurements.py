"""Gather the measurements of every participant into the cohort's tables."""

from pathlib import Path

from bonecast.measure.collect import FAMILIES, ParticipantFiles, collect
from bonecast.measure.composition.summary import Person
from bonecast.runtime import job


def participant_files(participants: dict, inputs) -> list[ParticipantFiles]:
    """Pair the cohort's rows with the files of each, which the rule lists in the same order."""
    families = [family for family in FAMILIES if inputs.get(family)]
    return [
        ParticipantFiles(
            name,
            participants["site"][i],
            Path(inputs.ct[i]),
            Path(inputs.segmentation[i]),
            {family: Path(inputs[family][i]) for family in families},
            Path(inputs.calibration[i]),
            Person(**{key: participants[key][i] for key in ("sex", "height_m", "weight_kg")}),
            **{key: participants[key][i] for key in ("session_id", "days", "baseline")},
        )
        for i, name in enumerate(participants["participant_id"])
    ]


if __name__ == "__main__":
    with job(snakemake) as log:
        params, output = snakemake.params, snakemake.output
        files = participant_files(params.participants, snakemake.input)
        found = collect(files, params.settings, Path(output.scans).parent, log.info)
        log.info("%d vertebrae; %d scans left out", found.vertebrae, found.exclusions)
