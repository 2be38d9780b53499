"""Draw how far each block is from the reference block and from supplied scores."""

from bonecast.report.comparison import Comparison
from bonecast.report.figures_model_blocks import block_differences
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        block_differences(
            metrics_path=snakemake.input.metrics,
            compared=Comparison(snakemake.wildcards.endpoint, **snakemake.params.model),
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
