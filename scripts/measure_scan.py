"""Measure every vertebra of one scan and draw it: read once, cropped once."""

from bonecast.measure.acquisition import corrections
from bonecast.measure.calibration.calibrate import CalibrationSettings
from bonecast.measure.composition.measure import COMPOSITION_COLUMNS
from bonecast.measure.composition.picture import draw_slice, write_slice
from bonecast.measure.contrast_model import names_all_organs
from bonecast.measure.density import DensitySettings
from bonecast.measure.morphometry.table import MORPHOMETRY_COLUMNS
from bonecast.measure.radiomics.features import use_compiled_kernels
from bonecast.measure.radiomics.names import radiomics_columns
from bonecast.measure.radiomics.settings import settings_of
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
from bonecast.report.qc import draw_qc, regions_in_scan
from bonecast.report.qc_page import draw_why_left_out, read_remarks, write_png
from bonecast.runtime import job, read_json, write_json


def settings_from(params) -> Settings:
    """How scans are measured."""
    return Settings(
        levels=params.levels,
        density=DensitySettings(**params.density),
        calibration=CalibrationSettings(**params.calibration),
        corrections=corrections(params.contrast_correction),
        strength_law=params.strength_law,
        radiomics=settings_of(params.radiomics) if params.radiomics else None,
    )


def known_from(snakemake, segmentation: dict) -> Known:
    """What is known of the scan beside its images."""
    files = snakemake.input
    return Known(
        header=read_json(files.facts)["acquisition"],
        calibration_row=read_json(files.calibration_row) if files.calibration_row else None,
        phase_model=names_all_organs(segmentation),
        **snakemake.params.known,
    )


if __name__ == "__main__":
    with job(snakemake) as log:
        participant = snakemake.wildcards.participant
        files, output = snakemake.input, snakemake.output
        settings = settings_from(snakemake.params)
        segmentation = read_json(files.segmentation)
        if segmentation["status"] == "ok":
            use_compiled_kernels(snakemake.params.cache)
            known = known_from(snakemake, segmentation)
            scan = read_scan(files.ct, files.vertebrae, files.bodies, files.tissue)
            measured = measure_scan(scan, settings, known)
            for level in sorted(known.excluded.keys() - scan.bodies.keys()):
                log.warning("%s is on the list of excluded levels and not in the scan", level)
            if conflicts := measured.calibration["acquisition_conflicts"]:
                log.warning("table, header and scan contradict each other: %s", conflicts)
            picture = draw_slice(
                scan.ct, scan.vertebrae, scan.bodies, scan.tissue, measured.composition
            )
            regions = regions_in_scan(
                scan.ct.data.shape, scan.bodies, measured.regions, settings.density.rois
            )
            remarks = read_remarks(segmentation)
            page = draw_qc(scan.ct, scan.vertebrae, scan.inner, participant, remarks, regions)
        else:
            measured, picture = NOTHING, None
            page = draw_why_left_out(participant, segmentation)
        write_table(measured.density, DENSITY_FILE_COLUMNS, output.density)
        write_table(measured.morphometry, MORPHOMETRY_COLUMNS, output.morphometry)
        write_table(measured.strength, STRENGTH_COLUMNS, output.strength)
        write_table(measured.composition, COMPOSITION_COLUMNS, output.composition)
        if settings.radiomics:
            columns = radiomics_columns(settings.radiomics.columns)
            write_table(measured.radiomics, columns, output.radiomics)
        write_slice(picture, output.slice)
        write_png(page, output.picture)
        write_json(measured.calibration, output.calibration)
        log.info("%d vertebrae", len(measured.morphometry))
