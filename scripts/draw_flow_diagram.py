"""Draw who of the cohort reached each step and why the others did not."""

from bonecast.report.figures_flow import flow_diagram
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        flow_diagram(
            scans_path=snakemake.input.scans or None,
            exclusions_path=snakemake.input.exclusions or None,
            ledger_path=snakemake.input.ledger or None,
            analysis_set_path=snakemake.input.analysis_set or None,
            model_exclusions_path=snakemake.input.model_exclusions or None,
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
