"""Run the network over the scans of one batch, loading it once."""

from pathlib import Path

from bonecast.runtime import job
from bonecast.segment.batch import segment_batch, write_rows

if __name__ == "__main__":
    # The cache outlives a run that is cut off, so it is not part of what appears at the end.
    raw = Path(snakemake.output[0]).parent / "raw"
    with job(snakemake) as log:
        rows = segment_batch(
            dict(zip(snakemake.params.participants, snakemake.input.scans, strict=True)),
            raw,
            settings=snakemake.params.settings | {"threads": snakemake.threads},
            tell=log.info,
        )
        write_rows(rows, Path(snakemake.output[0]))
