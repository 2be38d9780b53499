"""Draw the segmentations of a few participants of each site, chosen by their density."""

from bonecast.report.figures_measure import example_segmentations
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        example_segmentations(
            scans_path=snakemake.input.scans,
            pictures=snakemake.input.pictures,
            roi=snakemake.params.roi,
            levels=snakemake.params.levels,
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )
