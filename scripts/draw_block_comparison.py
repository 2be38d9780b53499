"""Draw the discrimination of every block of features, with intervals."""

from bonecast.report.figures_model import block_comparison
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        block_comparison(
            metrics_path=snakemake.input.metrics,
            blocks=snakemake.params.blocks,
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
