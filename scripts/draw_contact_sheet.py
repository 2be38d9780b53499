"""Draw participants' pictures on pages, those to be checked first."""

from bonecast.report.contact_sheet import draw_contact_sheet
from bonecast.results import files_of_scans
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        outliers, scans = snakemake.input.outliers, snakemake.params.participants
        draw_contact_sheet(
            pictures=snakemake.input.pictures,
            segmentations=files_of_scans(outliers, scans, "segmentation.json"),
            outliers_path=outliers,
            outputs=dict(snakemake.output),
        )
