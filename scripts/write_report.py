"""Write the report of the cohort as one self-contained page, and its summary in ten lines."""

from pathlib import Path

from bonecast.report.facts import Paths
from bonecast.report.page import write_report
from bonecast.runtime import job

if __name__ == "__main__":
    place = snakemake.output.report
    with job(snakemake):
        write_report(
            Paths(
                **{
                    name: files
                    for name, files in snakemake.input.items()
                    # The tables of the models are found beside their settings.
                    if files and name not in ("model_tables", "publication")
                },
                benchmarks=Path(place).parent / "benchmarks",
            ),
            report_path=snakemake.output.report,
            summary_path=snakemake.output.summary,
            place=place,
            cohort=snakemake.params.cohort,
            synthetic=snakemake.params.synthetic,
            config=snakemake.params.config,
        )
