"""Draw two metrics of every block of features, of all learners and designs."""

from bonecast.report.comparison import Comparison
from bonecast.report.figures_model_blocks import block_comparison
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        block_comparison(
            metrics_path=snakemake.input.metrics,
            compared=Comparison(snakemake.wildcards.endpoint, **snakemake.params.model),
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
