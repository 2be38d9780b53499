"""Draw the net benefit of treating by forecast risk."""

from bonecast.report.comparison import Comparison
from bonecast.report.figures_model_decision import decision_curves
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        decision_curves(
            curves_path=snakemake.input.curves,
            metrics_path=snakemake.input.metrics,
            compared=Comparison(snakemake.wildcards.endpoint, **snakemake.params.model),
            thresholds=snakemake.params.thresholds,
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
