"""Compare a finished demo run with the truth planted in it."""

from pathlib import Path

import pandas as pd

from bonecast.phantom.agreement import measure_agreement
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake) as log:
        tables = Path(snakemake.input.vertebrae).parent
        table = measure_agreement(
            pd.read_parquet(snakemake.input.vertebrae),
            pd.read_csv(snakemake.input.metrics, sep="\t"),
            tables.parent / "participants",
            Path(snakemake.input.truth),
        )
        table.to_csv(snakemake.output.table, sep="\t", index=False)
        for row in table.itertuples():
            log.info("%s: %s (n = %d)", row.quantity, row.value, row.n)
