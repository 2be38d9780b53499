"""Draw a slice with its compartments, and muscle and fat of the cohort by age and sex."""

from bonecast.report.figures_composition import body_composition
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        body_composition(
            scans_path=snakemake.input.scans,
            analysis_set_path=snakemake.input.analysis_set or None,
            pictures=snakemake.input.pictures,
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
