"""Robustness of radiomics features over the perturbed vertebrae of a cohort."""

from bonecast.measure.radiomics.names import perturbed_columns
from bonecast.measure.radiomics.robustness import ROBUSTNESS_COLUMNS, summarise_robustness
from bonecast.measure.radiomics.settings import settings_of
from bonecast.measure.tables import read_table, write_table
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake) as log:
        params = snakemake.params
        features = settings_of(params.radiomics).columns
        columns = perturbed_columns(features)
        scans = {
            participant: read_table(path, columns)
            for participant, path in zip(
                params.participants, snakemake.input.perturbed, strict=True
            )
        }
        rows = summarise_robustness(scans, features, params.summary_levels, params.min_levels)
        write_table(rows, ROBUSTNESS_COLUMNS, snakemake.output.robustness)
        log.info("%d features, %d scans", len(features), sum(map(bool, scans.values())))
