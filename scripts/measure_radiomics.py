"""Compute radiomics features of every vertebral body of one scan."""

from bonecast.measure.crops import load_bodies
from bonecast.measure.radiomics import (
    RadiomicsSettings,
    measure_radiomics,
    radiomics_columns,
    use_compiled_kernels,
)
from bonecast.measure.tables import read_reasons, write_table
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake) as log:
        use_compiled_kernels(snakemake.params.cache)
        settings = RadiomicsSettings(**snakemake.params.radiomics)
        bodies = load_bodies(snakemake.input.crops)
        left_out = read_reasons(snakemake.input.density)
        rows = measure_radiomics(bodies, snakemake.params.levels, settings, left_out)
        write_table(rows, radiomics_columns(settings), snakemake.output.radiomics)
        log.info("%d vertebrae", len(rows))
