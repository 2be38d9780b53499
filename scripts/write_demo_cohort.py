"""Write the demo cohort: DICOM folders, the clinical table, and the planted truth."""

from pathlib import Path

from bonecast.phantom.demo import write_demo_cohort
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake) as log:
        clinical = Path(snakemake.output.clinical)
        write_demo_cohort(
            clinical.parent / "dicom",
            clinical,
            Path(snakemake.output.truth),
            seed=snakemake.params.seed,
            workers=snakemake.threads,
            participants=snakemake.params.participants,
        )
