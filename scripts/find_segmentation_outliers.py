"""Compare size and shape of every vertebra with the same level of the cohort's other scans."""

import pandas as pd

from bonecast.measure.outliers import (
    OUTLIER_COLUMNS,
    REFERENCE_COLUMNS,
    find_outliers,
    measured_columns,
    size_table,
)
from bonecast.measure.tables import write_table
from bonecast.results import files_of_scans
from bonecast.runtime import job, read_json
from bonecast.sessions import scan_id

if __name__ == "__main__":
    with job(snakemake) as log:
        table, roi = snakemake.input.vertebrae, snakemake.params.roi
        people = [snakemake.params.participants[key] for key in ("participant_id", "session_id")]
        names = list(map(scan_id, *people))
        files = (files_of_scans(table, names, f) for f in ("segmentation.json", "ct.json"))
        scans = zip(*people, *(map(read_json, paths) for paths in files), strict=True)
        vertebrae = pd.read_parquet(table, columns=measured_columns(roi))
        outliers, reference = find_outliers(size_table(scans, vertebrae, roi))
        write_table(outliers, OUTLIER_COLUMNS, snakemake.output.outliers)
        write_table(reference, REFERENCE_COLUMNS, snakemake.output.reference)
        log.info("%d values far from the cohort's", len(outliers))
