"""Write the chosen series of a scan as de-identified DICOM."""

from pathlib import Path

from bonecast.dicom.deidentify import export_scan
from bonecast.inputs import cohort_secret, scan_source
from bonecast.private import nothing_quoted
from bonecast.runtime import job, read_json, write_json

if __name__ == "__main__":
    with job(snakemake) as log:
        participant = snakemake.wildcards.participant
        cohort = snakemake.config["cohort"]
        source, secret = scan_source(participant, cohort), cohort_secret(cohort)
        folder = Path(snakemake.output.folder)
        folder.mkdir()
        with nothing_quoted():
            about = export_scan(
                participant,
                source,
                snakemake.input.series,
                read_json(snakemake.input.facts),
                secret,
                folder,
            )
        write_json(about, folder / "about.json")
        log.info("%s", about)
