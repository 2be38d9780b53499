"""Convert a participant's chosen series to one checked CT volume in Hounsfield units."""

from bonecast.dicom.convert import convert_participant
from bonecast.dicom.identity import id_in_header
from bonecast.dicom.resample import Resample
from bonecast.inputs import cohort_secret, scan_source
from bonecast.private import nothing_quoted
from bonecast.runtime import job, write_json

if __name__ == "__main__":
    with job(snakemake) as log:
        participant, params = snakemake.wildcards.participant, snakemake.params
        cohort = snakemake.config["cohort"]
        source, secret = scan_source(participant, cohort), cohort_secret(cohort)
        with nothing_quoted():
            record = convert_participant(
                participant,
                source,
                snakemake.input.series,
                snakemake.output.ct,
                Resample(**params.resample),
                secret,
                params.days,
            )
            record["id_in_header"] = id_in_header(participant, source)
        if record["id_in_header"]:
            log.warning("the id is what the DICOM header calls the patient, or holds it")
        write_json(record, snakemake.output.facts)
        log.info("%s", " ".join(filter(None, (record[k] for k in ("status", "reason", "detail")))))
