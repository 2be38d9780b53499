"""Draw the performance of the headline block by subgroup."""

from bonecast.report.comparison import Comparison
from bonecast.report.figures_model_subgroups import subgroup_performance
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        subgroup_performance(
            subgroups_path=snakemake.input.subgroups,
            metrics_path=snakemake.input.metrics,
            compared=Comparison(snakemake.wildcards.endpoint, **snakemake.params.model),
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
