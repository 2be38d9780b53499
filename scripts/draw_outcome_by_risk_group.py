"""Draw the outcome of patients by group of their held-out risk."""

from bonecast.report.comparison import Comparison
from bonecast.report.figures_model_outcome import outcome_by_risk_group
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        outcome_by_risk_group(
            predictions_path=snakemake.input.predictions,
            compared=Comparison(snakemake.wildcards.endpoint, **snakemake.params.model),
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
