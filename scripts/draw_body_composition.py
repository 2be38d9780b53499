"""Draw a slice with its compartments, and muscle and fat of the cohort by age and sex."""

from bonecast.report.figures_composition import body_composition
from bonecast.results import files_of_scans
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        table, scans = snakemake.input.scans, snakemake.params.participants
        body_composition(
            scans_path=table,
            analysis_set_path=snakemake.input.analysis_set or None,
            pictures=files_of_scans(table, scans, "composition.png"),
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
