"""Compare size and shape of every vertebra with the same level of the cohort's other scans."""

import pandas as pd

from bonecast.measure.outliers import (
    OUTLIER_COLUMNS,
    REFERENCE_COLUMNS,
    find_outliers,
    size_table,
)
from bonecast.measure.tables import write_table
from bonecast.runtime import job, read_json

if __name__ == "__main__":
    with job(snakemake) as log:
        scans = zip(
            *(snakemake.params.participants[key] for key in ("participant_id", "session_id")),
            map(read_json, snakemake.input.segmentations),
            map(read_json, snakemake.input.facts),
            strict=True,
        )
        vertebrae = pd.read_parquet(snakemake.input.vertebrae)
        outliers, reference = find_outliers(size_table(scans, vertebrae, snakemake.params.roi))
        write_table(outliers, OUTLIER_COLUMNS, snakemake.output.outliers)
        write_table(reference, REFERENCE_COLUMNS, snakemake.output.reference)
        log.info("%d values far from the cohort's", len(outliers))
