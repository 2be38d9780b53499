"""Account for every file, series, scan and vertebra of the cohort."""

from bonecast.measure.ledger import write_ledger
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake) as log:
        inputs, output = snakemake.input, snakemake.output
        counts = write_ledger(
            inputs.series,
            inputs.scans,
            inputs.exclusions,
            inputs.vertebrae,
            snakemake.params.roi,
            output.series,
            output.ledger,
        )
        log.info("%s", ", ".join(f"{n} of {unit}" for unit, n in counts.items()))
