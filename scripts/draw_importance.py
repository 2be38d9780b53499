"""Draw what the headline block relies on: blocks, terms, how often each is selected."""

from bonecast.report.comparison import Comparison
from bonecast.report.figures_model_importance import importance
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        importance(
            importance_path=snakemake.input.importance,
            coefficients_path=snakemake.input.coefficients,
            compared=Comparison(snakemake.wildcards.endpoint, **snakemake.params.model),
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
