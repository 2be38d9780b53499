"""Judge another cohort's model: predict this cohort's patients with it."""

import pandas as pd

from bonecast.model.external import validate_external
from bonecast.model.saved import read_model
from bonecast.runtime import job, read_json, write_json

if __name__ == "__main__":
    with job(snakemake) as log:
        predictions, facts = validate_external(
            pd.read_parquet(snakemake.input.analysis_set),
            read_json(snakemake.input.features),
            read_model(snakemake.input.model, snakemake.wildcards.endpoint),
            log,
        )
        predictions.to_parquet(snakemake.output.predictions, index=False)
        write_json(facts, snakemake.output.facts)
