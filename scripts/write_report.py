"""Write the report of the cohort as one self-contained page, and its summary in ten lines."""

from pathlib import Path

from bonecast.report.facts import Paths
from bonecast.report.page import write_report
from bonecast.results import files_of_scans
from bonecast.runtime import job

if __name__ == "__main__":
    place = snakemake.output.report
    with job(snakemake):
        # The tables of the models are found beside their settings, files of scans by their names.
        beside = ("model_tables", "publication")
        paths = {name: files for name, files in snakemake.input.items() if name not in beside}
        of_scans = {"segmentations": "segmentation.json", "ct": "ct.json", "pictures": "qc.png"}
        if paths["scans"]:
            for name, file in of_scans.items():
                paths[name] = files_of_scans(paths["scans"], snakemake.params.participants, file)
            if snakemake.params.frozen:
                # Where nothing is measured, those that were kept.
                paths["pictures"] = [path for path in paths["pictures"] if path.exists()]
        write_report(
            Paths(
                **{name: files for name, files in paths.items() if files},
                benchmarks=Path(place).parent / "benchmarks",
            ),
            report_path=snakemake.output.report,
            summary_path=snakemake.output.summary,
            place=place,
            cohort=snakemake.params.cohort,
            synthetic=snakemake.params.synthetic,
            config=snakemake.params.config,
        )
