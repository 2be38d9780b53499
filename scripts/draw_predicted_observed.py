"""Draw forecast against observed values, and their limits of agreement."""

from bonecast.report.comparison import Comparison
from bonecast.report.figures_model_agreement import predicted_observed
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        predicted_observed(
            predictions_path=snakemake.input.predictions,
            metrics_path=snakemake.input.metrics,
            compared=Comparison(snakemake.wildcards.endpoint, **snakemake.params.model),
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
