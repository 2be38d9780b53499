"""Draw the ROC curves of the blocks at each horizon."""

from bonecast.report.comparison import Comparison
from bonecast.report.figures_model_roc import roc_by_horizon
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        roc_by_horizon(
            curves_path=snakemake.input.curves,
            metrics_path=snakemake.input.metrics,
            compared=Comparison(snakemake.wildcards.endpoint, **snakemake.params.model),
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
