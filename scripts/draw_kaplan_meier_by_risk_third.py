"""Draw the outcome of participants by third of their out-of-fold risk."""

from bonecast.report.figures_model import kaplan_meier_by_risk_third
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        kaplan_meier_by_risk_third(
            predictions_path=snakemake.input.predictions,
            blocks=snakemake.params.blocks,
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
