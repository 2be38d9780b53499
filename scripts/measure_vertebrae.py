"""Measure trabecular attenuation and heights of every vertebra of one scan."""

from bonecast.measure.density import DENSITY_COLUMNS, DensitySettings
from bonecast.measure.morphometry import MORPHOMETRY_COLUMNS
from bonecast.measure.scan import measure_scan, read_scan
from bonecast.measure.tables import write_table
from bonecast.runtime import job, read_json

if __name__ == "__main__":
    with job(snakemake) as log:
        density, morphometry = [], []
        if read_json(snakemake.input.segmentation)["status"] == "ok":
            scan = read_scan(snakemake.input.ct, snakemake.input.vertebrae, snakemake.input.bodies)
            settings = DensitySettings(**snakemake.params.density)
            density, morphometry = measure_scan(scan, snakemake.params.levels, settings)
        write_table(density, DENSITY_COLUMNS, snakemake.output.density)
        write_table(morphometry, MORPHOMETRY_COLUMNS, snakemake.output.morphometry)
        log.info("%d vertebrae", len(morphometry))
