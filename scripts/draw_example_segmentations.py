"""Draw the segmentations of a few participants of each site, chosen by their density."""

from bonecast.report.figures_measure import example_segmentations
from bonecast.results import files_of_scans
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        table, scans = snakemake.input.scans, snakemake.params.participants
        example_segmentations(
            scans_path=table,
            pictures=files_of_scans(table, scans, "qc.png"),
            roi=snakemake.params.roi,
            levels=snakemake.params.levels,
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
