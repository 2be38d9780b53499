"""Measure every vertebra of one scan: read once, cropped once."""

from bonecast.measure.crops import save_bodies
from bonecast.measure.density import DENSITY_COLUMNS, DensitySettings
from bonecast.measure.morphometry.table import MORPHOMETRY_COLUMNS
from bonecast.measure.scan import NOTHING, measure_scan, read_scan
from bonecast.measure.tables import write_table
from bonecast.runtime import job, read_json

if __name__ == "__main__":
    with job(snakemake) as log:
        files, output, params = snakemake.input, snakemake.output, snakemake.params
        measured, bodies = NOTHING, {}
        if read_json(files.segmentation)["status"] == "ok":
            scan = read_scan(files.ct, files.vertebrae, files.bodies, files.tissue)
            bodies = scan.bodies
            measured = measure_scan(scan, params.levels, DensitySettings(**params.density))
        write_table(measured.density, DENSITY_COLUMNS, output.density)
        write_table(measured.morphometry, MORPHOMETRY_COLUMNS, output.morphometry)
        save_bodies(bodies, output.bodies)
        log.info("%d vertebrae", len(measured.morphometry))
