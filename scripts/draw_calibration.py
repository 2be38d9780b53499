"""Draw what was observed against what was forecast, for each block."""

from bonecast.report.comparison import Comparison
from bonecast.report.figures_model_calibration import calibration
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        calibration(
            curves_path=snakemake.input.curves,
            metrics_path=snakemake.input.metrics,
            compared=Comparison(snakemake.wildcards.endpoint, **snakemake.params.model),
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
