"""Draw every participant's picture on pages, those to be checked first."""

from bonecast.report.contact_sheet import draw_contact_sheet
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        draw_contact_sheet(
            pictures=snakemake.input.pictures,
            segmentations=snakemake.input.segmentations,
            outliers_path=snakemake.input.outliers,
            outputs=dict(snakemake.output),
        )
