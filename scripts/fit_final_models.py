"""Fit the main learner on all patients: coefficients, hazard ratios, and a file that predicts."""

import hashlib
import os
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import pandas as pd  # noqa: E402

from bonecast.model.final import final_models  # noqa: E402
from bonecast.runtime import job, read_json, write_json  # noqa: E402

if __name__ == "__main__":
    with job(snakemake) as log:
        model, coefficients, ratios = final_models(
            pd.read_parquet(snakemake.input.analysis_set),
            read_json(snakemake.input.features),
            [fact for path in snakemake.input.facts for fact in read_json(path)],
            snakemake.params.settings,
            hashlib.sha256(Path(snakemake.input.analysis_set).read_bytes()).hexdigest(),
            log,
            snakemake.threads,
        )
        write_json(model, snakemake.output.model)
        for table, path in (
            (coefficients, snakemake.output.coefficients),
            (ratios, snakemake.output.hazard_ratios),
        ):
            table.to_csv(path, sep="\t", index=False, lineterminator="\n")
