"""Measure every vertebra of one scan: read once, cropped once."""

from bonecast.measure.acquisition import corrections
from bonecast.measure.calibration.calibrate import CalibrationSettings
from bonecast.measure.crops import save_bodies
from bonecast.measure.density import DensitySettings
from bonecast.measure.morphometry import MORPHOMETRY_COLUMNS
from bonecast.measure.scan import (
    DENSITY_FILE_COLUMNS,
    NOTHING,
    DensityOptions,
    acquisition_of,
    measure_scan,
    read_scan,
)
from bonecast.measure.strength import STRENGTH_COLUMNS
from bonecast.measure.tables import write_table
from bonecast.runtime import job, read_json, write_json

if __name__ == "__main__":
    with job(snakemake) as log:
        files, output, params = snakemake.input, snakemake.output, snakemake.params
        measured, bodies = NOTHING, {}
        if read_json(files.segmentation)["status"] == "ok":
            scan = read_scan(files.ct, files.vertebrae, files.bodies, files.tissue)
            bodies = scan.bodies
            facts = read_json(files.facts)["acquisition"]
            measured = measure_scan(
                scan,
                params.levels,
                DensitySettings(**params.density),
                acquisition_of(scan, facts, params.contrast_phase, params.kvp),
                DensityOptions(
                    CalibrationSettings(**params.calibration),
                    corrections(params.contrast_correction),
                    params.strength_law,
                    params.rods,
                    read_json(files.calibration_row) if files.calibration_row else None,
                ),
            )
        write_table(measured.density, DENSITY_FILE_COLUMNS, output.density)
        write_table(measured.morphometry, MORPHOMETRY_COLUMNS, output.morphometry)
        write_table(measured.strength, STRENGTH_COLUMNS, output.strength)
        write_json(measured.calibration, output.calibration)
        save_bodies(bodies, output.bodies)
        log.info("%d vertebrae", len(measured.morphometry))
