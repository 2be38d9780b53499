"""Write what goes with a paper: Table 1, sample size, TRIPOD+AI and METRICS lists, model card."""

from bonecast.report.publication import write_publication
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        write_publication(
            inputs=dict(snakemake.input),
            outputs=dict(snakemake.output),
            endpoint=snakemake.wildcards.endpoint,
            config=snakemake.params.config,
            code=snakemake.params.models,
        )
