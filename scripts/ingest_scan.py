"""List every series in a participant's input and make the chosen one a checked CT volume."""

from bonecast.dicom.ingest import ingest_scan
from bonecast.dicom.select import Settings
from bonecast.inputs import cohort_secret, scan_source
from bonecast.private import nothing_quoted
from bonecast.runtime import job, write_json

if __name__ == "__main__":
    with job(snakemake) as log:
        participant, params = snakemake.wildcards.participant, snakemake.params
        cohort = snakemake.config["cohort"]
        source, secret = scan_source(participant, cohort), cohort_secret(cohort)
        with nothing_quoted():
            found = ingest_scan(
                participant,
                source,
                snakemake.output.series,
                snakemake.output.ct,
                Settings(**params.settings),
                params.override,
                params.days,
                secret,
                snakemake.threads,
            )
        write_json(found.record, snakemake.output.facts)
        log.info(
            "%d series, %d files outside any series, %s",
            len(found.decisions),
            sum(map(len, found.index.others.values())),
            "one chosen" if any(d.chosen for d in found.decisions) else "none chosen",
        )
        if found.record["id_in_header"]:
            log.warning("the id is what the DICOM header calls the patient, or holds it")
        outcome = (found.record[key] for key in ("status", "reason", "detail"))
        log.info("%s", " ".join(filter(None, outcome)))
