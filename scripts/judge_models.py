"""Judge held-out predictions: metrics with intervals, subgroups, curves, importance."""

import os

# The last digits of a product of matrices depend on how many threads it is shared by.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import pandas as pd  # noqa: E402

from bonecast.model.facts import study_facts  # noqa: E402
from bonecast.model.importance import importance_table  # noqa: E402
from bonecast.model.metrics import judge_predictions  # noqa: E402
from bonecast.runtime import job, read_json, write_json  # noqa: E402

if __name__ == "__main__":
    with job(snakemake) as log:
        settings = snakemake.params.settings
        frame = pd.read_parquet(snakemake.input.analysis_set)
        features = read_json(snakemake.input.features)
        parts = [pd.read_parquet(path) for path in snakemake.input.predictions]
        facts = [fact for path in snakemake.input.facts for fact in read_json(path)]
        predictions, tables = judge_predictions(
            frame, parts, features, settings, log, snakemake.threads
        )
        if snakemake.input.optimism:
            corrected = pd.read_csv(snakemake.input.optimism, sep="\t")
            tables["metrics"] = pd.concat([tables["metrics"], corrected], ignore_index=True)
        predictions.to_parquet(snakemake.output.predictions, index=False)
        tables["importance"] = importance_table(features["endpoint"], facts)
        for name, table in tables.items():
            table.to_csv(snakemake.output[name], sep="\t", index=False, lineterminator="\n")
        write_json(study_facts(frame, features, predictions, settings), snakemake.output.settings)
