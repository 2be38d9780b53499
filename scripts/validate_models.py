"""Predict held-out patients with every block and learner of one design, or a part of it."""

import os

# One thread per process: matrices are small, and folds run side by side. Read when numpy loads.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import pandas as pd  # noqa: E402

from bonecast.model.designs import part_of, splits_of  # noqa: E402
from bonecast.model.learners.settings import learner_settings  # noqa: E402
from bonecast.model.validate import Problem, validate  # noqa: E402
from bonecast.runtime import job, read_json, write_json  # noqa: E402

if __name__ == "__main__":
    with job(snakemake) as log:
        settings, wildcards = snakemake.params.settings, snakemake.wildcards
        frame = pd.read_parquet(snakemake.input.analysis_set)
        features = read_json(snakemake.input.features)
        problem = Problem.of(frame, features, settings["blocks"])
        splits = []
        if features["status"] == "ok":
            every = splits_of(wildcards.design, problem, settings, log)
            splits = part_of(every, wildcards.part)
        predictions, facts = validate(
            problem,
            splits,
            settings["learners"],
            learner_settings(settings),
            log,
            snakemake.threads,
        )
        predictions.to_parquet(snakemake.output.predictions, index=False)
        write_json(facts, snakemake.output.facts)
