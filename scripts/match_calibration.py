"""Find the row of the scanners' table that a scan is calibrated by, from one of its headers."""

from bonecast.inputs import scan_source
from bonecast.measure.calibration.match import match_participant
from bonecast.private import nothing_quoted
from bonecast.runtime import job, write_json

if __name__ == "__main__":
    with job(snakemake) as log:
        params = snakemake.params
        source = scan_source(snakemake.wildcards.participant, snakemake.config["cohort"])
        with nothing_quoted():
            facts = match_participant(
                source,
                snakemake.input.series,
                snakemake.input.table,
                params.standard,
                params.drift_limit_hu_per_year,
                params.row,
            )
        write_json(facts, snakemake.output.row)
        log.info("%s", facts["reason"] or f"row {facts['row']}")
