"""Convert a participant's chosen series to one checked CT volume in Hounsfield units."""

from bonecast.dicom.acquisition import read_secret
from bonecast.dicom.convert import convert_participant
from bonecast.dicom.resample import Resample
from bonecast.runtime import job, write_json

if __name__ == "__main__":
    with job(snakemake) as log:
        record = convert_participant(
            snakemake.wildcards.participant,
            snakemake.params.source,
            snakemake.input.series,
            snakemake.output.ct,
            Resample(**snakemake.params.resample),
            read_secret(snakemake.params.secret, snakemake.params.cohort),
            snakemake.params.days,
        )
        write_json(record, snakemake.output.facts)
        log.info("%s", " ".join(filter(None, (record[k] for k in ("status", "reason", "detail")))))
