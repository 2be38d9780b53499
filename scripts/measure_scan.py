"""Measure every vertebra of one scan: read once, cropped once."""

from bonecast.measure.acquisition import corrections
from bonecast.measure.calibration.calibrate import CalibrationSettings
from bonecast.measure.composition.measure import COMPOSITION_COLUMNS
from bonecast.measure.composition.picture import draw_slice, write_slice
from bonecast.measure.contrast_model import names_all_organs
from bonecast.measure.crops import save_bodies
from bonecast.measure.density import DensitySettings
from bonecast.measure.morphometry.table import MORPHOMETRY_COLUMNS
from bonecast.measure.scan import (
    DENSITY_FILE_COLUMNS,
    NOTHING,
    Known,
    Settings,
    measure_scan,
    read_scan,
)
from bonecast.measure.strength import STRENGTH_COLUMNS
from bonecast.measure.tables import write_table
from bonecast.runtime import job, read_json, write_json

if __name__ == "__main__":
    with job(snakemake) as log:
        files, output, params = snakemake.input, snakemake.output, snakemake.params
        measured, bodies, picture = NOTHING, {}, None
        segmentation = read_json(files.segmentation)
        if segmentation["status"] == "ok":
            scan = read_scan(files.ct, files.vertebrae, files.bodies, files.tissue)
            bodies = scan.bodies
            settings = Settings(
                levels=params.levels,
                density=DensitySettings(**params.density),
                calibration=CalibrationSettings(**params.calibration),
                corrections=corrections(params.contrast_correction),
                strength_law=params.strength_law,
            )
            row = read_json(files.calibration_row) if files.calibration_row else None
            header = read_json(files.facts)["acquisition"]
            known = Known(
                header=header,
                calibration_row=row,
                phase_model=names_all_organs(segmentation),
                **params.known,
            )
            measured = measure_scan(scan, settings, known)
            for level in sorted(known.excluded.keys() - bodies.keys()):
                log.warning("%s is on the list of excluded levels and not in the scan", level)
            if conflicts := measured.calibration["acquisition_conflicts"]:
                log.warning("table, header and scan contradict each other: %s", conflicts)
            picture = draw_slice(scan.ct, scan.vertebrae, bodies, scan.tissue, measured.composition)
        write_table(measured.density, DENSITY_FILE_COLUMNS, output.density)
        write_table(measured.morphometry, MORPHOMETRY_COLUMNS, output.morphometry)
        write_table(measured.strength, STRENGTH_COLUMNS, output.strength)
        write_table(measured.composition, COMPOSITION_COLUMNS, output.composition)
        write_slice(picture, output.slice)
        write_json(measured.calibration, output.calibration)
        save_bodies(bodies, output.bodies)
        log.info("%d vertebrae", len(measured.morphometry))
