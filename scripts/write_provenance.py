"""Write where a cohort's results come from: code, environment, options, input and checksums."""

from pathlib import Path

from bonecast.inputs import cohort_secret
from bonecast.provenance.checksums import input_digests
from bonecast.provenance.record import Cohort, record
from bonecast.runtime import job, write_json

if __name__ == "__main__":
    results = Path(snakemake.output[0]).parent
    with job(snakemake):
        params, settings = snakemake.params, snakemake.config
        secret = cohort_secret(settings["cohort"])
        made = {"cohort.clinical": snakemake.input.clinical} if snakemake.input.clinical else {}
        cohort = Cohort(
            name=params.config["cohort"]["name"],
            results=results,
            config=params.config,
            secret=secret,
            scans=params.scans,
            inputs=dict(params.inputs) | input_digests(made, secret),
            corrections=params.corrections,
        )
        write_json(record(cohort), snakemake.output[0])
