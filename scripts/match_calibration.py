"""Find the row of the scanners' table that a scan is calibrated by, from one of its headers."""

from bonecast.measure.calibration.match import match_participant
from bonecast.runtime import job, write_json

if __name__ == "__main__":
    with job(snakemake) as log:
        params = snakemake.params
        facts = match_participant(
            params.source,
            snakemake.input.series,
            snakemake.input.table,
            params.standard,
            params.drift_limit_hu_per_year,
            params.row,
        )
        write_json(facts, snakemake.output.row)
        log.info("%s", facts["reason"] or f"row {facts['row']}")
