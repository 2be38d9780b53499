"""Run the network over the scans of one batch, loading it once."""

from pathlib import Path

from bonecast.runtime import job
from bonecast.segment.batch import segment_batch, write_rows

if __name__ == "__main__":
    with job(snakemake) as log:
        table = Path(snakemake.output[0])
        rows = segment_batch(
            dict(zip(snakemake.params.participants, snakemake.input.scans, strict=True)),
            table.parent / "raw",
            settings=snakemake.params.settings | {"threads": snakemake.threads},
            tell=log.info,
        )
        write_rows(rows, table)
