"""What a user can do about each reason why something was left out.

Beside the sentence of the reason (bonecast.reasons), which says what was found.
"""

from bonecast.reasons import Reason

NOTHING = "Nothing needs doing."

CHOOSE_SERIES = "To measure it all the same, name it in column series of the participants table."

LIST = "Take the level off the list of cohort.exclude_levels if it was listed by mistake."

LOOK = "Look at qc.png; a mask can be corrected by hand (docs/corrections.md)."

CALIBRATION_TABLE = "Complete the calibration table (docs/calibration.md)."

CLINICAL_TABLE = "Complete the participant's row of the clinical table."

PARTICIPANTS_TABLE = "Fill the column in the participants table."

REMEDIES: dict[Reason, str] = {
    Reason.NO_INPUT: "Correct column path of the participants table, or take the row out.",
    Reason.EMPTY_FOLDER: "Export the scan again, or take the participant out.",
    Reason.SET_ASIDE: "Take it off the list cohort.set_aside to have it measured.",
    Reason.COPY: NOTHING,
    Reason.NO_READABLE_IMAGE: (
        "Open a file in a DICOM viewer; if it opens, please report it, otherwise export again."
    ),
    Reason.NO_AXIAL_CT: (
        "See the reasons of each series in series.tsv; export the original axial series as well."
    ),
    Reason.AMBIGUOUS_INPUT: "Leave one image in the folder, or name it in column series or path.",
    Reason.MIXED_PATIENTS: (
        "Give each patient a folder, or let `snakemake participants` sort the export "
        "(docs/export.md)."
    ),
    Reason.DICOMDIR: NOTHING,
    Reason.NOT_DICOM: "Nothing, unless it is an archive: unpack it and run the target again.",
    Reason.UNREADABLE: "Export the file again.",
    Reason.NO_PATIENT: (
        "Put each patient's files into a folder of its own and name the folder in a row of the "
        "participants table."
    ),
    Reason.NO_CT: "Nothing, unless CT of the patient is missing from the export.",
    Reason.ODD_FILE_NAME: "Rename the file.",
    Reason.REMOVED_BY_HAND: (
        "Nothing. To have the row again, delete it from written.tsv in the private folder too and "
        "run the target again."
    ),
    Reason.NOT_CT: NOTHING,
    Reason.LOCALIZER: NOTHING,
    Reason.PROJECTION: NOTHING,
    Reason.NO_GEOMETRY: "Export the original series; copies made by a viewer often lose positions.",
    Reason.NOT_A_VOLUME: "Convert the scan again to one 3-D NIfTI file, or give its DICOM.",
    Reason.NOT_AXIAL: "Export the axial series; a reformat has lost what lies between its slices.",
    Reason.TOO_FEW_SLICES: "Export the whole series, or lower ingest.min_slices.",
    Reason.TOO_LITTLE_COVERAGE: "Export the whole series, or lower ingest.min_coverage_mm.",
    Reason.TOO_THICK: (
        "Ask for a thinner reconstruction, or raise ingest.max_thickness_mm and report it."
    ),
    Reason.DUPLICATE_SLICES: (
        "Export the series alone: several acquisitions or phases seem to share its identifier."
    ),
    Reason.NOT_PREFERRED: CHOOSE_SERIES,
    Reason.USER_CHOSE_ANOTHER: "Nothing, or empty the cell of column series.",
    Reason.USER_SERIES_MISSING: "Correct column series by the names in series.tsv.",
    Reason.OTHER_STUDY: (
        "Set ingest.study, or give each study a row of its own with a session_id (docs/ingest.md)."
    ),
    Reason.UNKNOWN_CODING: "Export the series uncompressed or in a lossless coding.",
    Reason.CORRUPT_PIXELS: "Export the series again.",
    Reason.UNEVEN_SLICES: (
        "Export the series again; if slices are truly missing, raise ingest.resample.max_gap_mm."
    ),
    Reason.GANTRY_TILT: "Switch ingest.resample.tilt on, or choose a series without tilt.",
    Reason.CONVERSION_FAILED: "Export the series again; if a viewer shows it, please report it.",
    Reason.GEOMETRY_MISMATCH: "Compare ct.json with the headers, and please report it.",
    Reason.NOT_HU: (
        "Export the original CT values; maps, windowed copies and values without offset are not HU."
    ),
    Reason.SCALING_VARIES: "Export the original series again.",
    Reason.NO_MASK: "Put a mask of the scan's name into segment.masks, or fill column mask.",
    Reason.MASK_GRID_MISMATCH: "Resample the mask onto the CT that Bonecast wrote (ct.nii.gz).",
    Reason.NO_VERTEBRA: LOOK,
    Reason.IMPLAUSIBLE_SPINE: LOOK,
    Reason.LEVELS_NOT_ANCHORED: (
        "Name the levels by hand: column level_shift of the participants table (0: names are "
        "right), or a corrected mask."
    ),
    Reason.LEVEL_SHIFT_IMPOSSIBLE: "Correct column level_shift of the participants table.",
    Reason.SEGMENTATION_FAILED: "Read the log of the batch; give the scan a mask by hand.",
    Reason.CORRECTION_UNUSABLE: (
        "Save the correction again from the exported mask (docs/corrections.md)."
    ),
    Reason.LISTED_HAEMANGIOMA: LIST,
    Reason.LISTED_METASTASIS: LIST,
    Reason.LISTED_SCLEROSIS: LIST,
    Reason.LISTED_IMPLANT: LIST,
    Reason.LISTED_CEMENT: LIST,
    Reason.LISTED_FRACTURE: LIST,
    Reason.LISTED_OTHER: LIST,
    Reason.TOUCHES_BORDER: NOTHING,
    Reason.TOO_SMALL: LOOK,
    Reason.DEFORMED: "Nothing: density of a deformed body is not that of the spine.",
    Reason.METAL: NOTHING,
    Reason.CEMENT: NOTHING,
    Reason.IMPLAUSIBLE_SD: LOOK,
    Reason.OUTLIER: LOOK,
    Reason.L1_NOT_INCLUDED: NOTHING,
    Reason.NO_BODY: LOOK,
    Reason.HEIGHT_NOT_MEASURABLE: LOOK,
    Reason.LEVEL_NOT_ANALYSED: "Add the level to measure.levels.",
    Reason.NOT_CALIBRATED: "Set measure.calibration.method (docs/calibration.md).",
    Reason.CALIBRATION_TOO_FEW_RODS: CALIBRATION_TABLE,
    Reason.CALIBRATION_NO_SCANNER: CALIBRATION_TABLE,
    Reason.CALIBRATION_NO_PROTOCOL: CALIBRATION_TABLE,
    Reason.CALIBRATION_DATE_GAP: CALIBRATION_TABLE,
    Reason.CALIBRATION_DATE_OVERLAP: (
        "Correct the dates of the calibration table, or name its row in column calibration of the "
        "participants table."
    ),
    Reason.CALIBRATION_TOO_FEW_TISSUES: "Use a table of scanners or a phantom for such scans.",
    Reason.CALIBRATION_TISSUE_MISSING: "Use a table of scanners or a phantom for such scans.",
    Reason.CALIBRATION_IMPLAUSIBLE: "Check the HU of rods or tissues in calibration.json.",
    Reason.TISSUE_NOT_FOUND: "Give a tissue mask (segment.tissue), or calibrate by a table.",
    Reason.TISSUE_IMPLAUSIBLE: "Look at the tissue mask, or calibrate by a table.",
    Reason.CONTRAST: "Choose a native series if there is one.",
    Reason.KVP_NOT_120: "Calibrate to density, which allows for the tube voltage.",
    Reason.KVP_UNKNOWN: "Fill column kvp of the participants table.",
    Reason.OTHER_STANDARD: "Set measure.calibration.standard to k2hpo4 if the phantom is.",
    Reason.OTHER_SCALE: NOTHING,
    Reason.NO_TISSUE_MASK: "Give tissue masks (segment.tissue), or a backend that makes them.",
    Reason.AREA_NOT_DERIVED: "Give tissue masks (segment.tissue), or a backend that makes them.",
    Reason.CUT_BY_FIELD_OF_VIEW: "Choose a series with a wider field of view if there is one.",
    Reason.PHASE_UNKNOWN: "Fill column contrast_phase of the participants table.",
    Reason.KVP_NOT_TABULATED: "Fill column kvp of the participants table if the header lacks it.",
    Reason.TOO_NOISY: NOTHING,
    Reason.NO_SEX: PARTICIPANTS_TABLE,
    Reason.NO_HEIGHT: PARTICIPANTS_TABLE,
    Reason.NO_WEIGHT: PARTICIPANTS_TABLE,
    Reason.NOT_AT_L3: NOTHING,
    Reason.NOT_BASELINE: "Nothing, or set cohort.baseline.",
    Reason.SAME_SCAN: "Find out whose scan it is, and take the other row out.",
    Reason.NO_CLINICAL_ROW: "Add the participant to the clinical table.",
    Reason.CHOSE_FEATURES: NOTHING,
    Reason.NO_SCAN: "Add the scan to the cohort, or leave it.",
    Reason.SCAN_EXCLUDED: "See the reason given at the earlier stage.",
    Reason.NO_OUTCOME: CLINICAL_TABLE,
    Reason.NO_FOLLOW_UP: CLINICAL_TABLE,
    Reason.WASHOUT: "Nothing, or set model.washout_years.",
    Reason.TOO_FEW_LEVELS: "Look at the levels in density.tsv, or lower measure.min_levels.",
}
