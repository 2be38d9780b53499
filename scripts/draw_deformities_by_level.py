"""Draw the Genant grades of each vertebral level, and the loss of height behind them."""

from bonecast.report.figures_shape import deformities_by_level
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        deformities_by_level(
            vertebrae_path=snakemake.input.vertebrae,
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
