"""Fit, validate and judge the risk models of one endpoint on a cohort or a table of one's own."""

import os

# One thread per process: matrices are small, and folds run side by side. Read when numpy loads.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

from bonecast.model.cohort import admit  # noqa: E402
from bonecast.model.study import run_study, study_settings  # noqa: E402
from bonecast.runtime import job  # noqa: E402

if __name__ == "__main__":
    with job(snakemake) as log:
        results = run_study(
            admit(dict(snakemake.input), snakemake.params.settings, snakemake.params.set_aside),
            snakemake.wildcards.endpoint,
            study_settings(snakemake.params.settings, jobs=snakemake.threads),
            log,
        )
        results.write(dict(snakemake.output))
        log.info("%d exclusions", len(results.exclusions))
