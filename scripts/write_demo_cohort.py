"""Write the demo cohort: DICOM folders, the clinical table, and the planted truth."""

from pathlib import Path

from bonecast.phantom.demo import write_demo_cohort
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake) as log:
        output = snakemake.output
        write_demo_cohort(
            Path(output.dicom[0]).parent,
            Path(output.clinical),
            Path(output.truth),
            seed=snakemake.params.seed,
            workers=snakemake.threads,
            participants=snakemake.params.participants,
        )
