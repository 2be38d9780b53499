"""Correct the apparent performance of the main learner for its optimism."""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import pandas as pd  # noqa: E402

from bonecast.model.learners.settings import learner_settings  # noqa: E402
from bonecast.model.metrics import METRIC_COLUMNS  # noqa: E402
from bonecast.model.optimism import bootstrap_optimism  # noqa: E402
from bonecast.model.validate import Problem  # noqa: E402
from bonecast.runtime import job, read_json  # noqa: E402

if __name__ == "__main__":
    with job(snakemake) as log:
        settings = snakemake.params.settings
        frame = pd.read_parquet(snakemake.input.analysis_set)
        features = read_json(snakemake.input.features)
        table = pd.DataFrame(columns=METRIC_COLUMNS)
        if features["status"] == "ok":
            table = bootstrap_optimism(
                Problem.of(frame, features, settings["blocks"]),
                settings["learners"][0],
                learner_settings(settings),
                settings,
                settings["seed"],
                log,
                snakemake.threads,
            )
        table.to_csv(snakemake.output.optimism, sep="\t", index=False, lineterminator="\n")
