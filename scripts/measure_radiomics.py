"""Compute radiomics features of every vertebral body of one scan."""

from bonecast.measure.radiomics import (
    RadiomicsSettings,
    measure_radiomics,
    radiomics_columns,
    use_compiled_kernels,
)
from bonecast.measure.scan import read_scan
from bonecast.measure.tables import read_reasons, write_table
from bonecast.runtime import job, read_json

if __name__ == "__main__":
    with job(snakemake) as log:
        use_compiled_kernels(snakemake.params.cache)
        settings = RadiomicsSettings(**snakemake.params.radiomics)
        rows = []
        if read_json(snakemake.input.segmentation)["status"] == "ok":
            scan = read_scan(snakemake.input.ct, snakemake.input.vertebrae, snakemake.input.bodies)
            left_out = read_reasons(snakemake.input.density)
            rows = measure_radiomics(
                scan.ct, scan.bodies, snakemake.params.levels, settings, left_out
            )
        write_table(rows, radiomics_columns(settings), snakemake.output.radiomics)
        log.info("%d vertebrae", len(rows))
