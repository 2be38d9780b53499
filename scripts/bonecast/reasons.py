"""The one vocabulary of reasons why something was left out.

Every table that leaves a value empty carries one of these codes beside it, and
the report prints the sentence. A code is never renamed once released: published
tables refer to it.
"""

from enum import StrEnum


class Reason(StrEnum):
    """A reason code; its `sentence` is what a person reads."""

    # A participant's input folder
    NO_INPUT = "no_input"
    EMPTY_FOLDER = "empty_folder"
    SET_ASIDE = "set_aside"
    COPY = "copy"
    NO_READABLE_IMAGE = "no_readable_image"
    NO_AXIAL_CT = "no_axial_ct"
    AMBIGUOUS_INPUT = "ambiguous_input"
    MIXED_PATIENTS = "mixed_patients"
    # Files of an export that are in nobody's list
    DICOMDIR = "dicomdir"
    NOT_DICOM = "not_dicom"
    UNREADABLE = "unreadable"
    NO_PATIENT = "no_patient"
    NO_CT = "no_ct"
    ODD_FILE_NAME = "odd_file_name"
    REMOVED_BY_HAND = "removed_by_hand"
    # A series
    NOT_CT = "not_ct"
    LOCALIZER = "localizer"
    PROJECTION = "projection"
    NO_GEOMETRY = "no_geometry"
    NOT_A_VOLUME = "not_a_volume"
    NOT_AXIAL = "not_axial"
    TOO_FEW_SLICES = "too_few_slices"
    TOO_LITTLE_COVERAGE = "too_little_coverage"
    TOO_THICK = "too_thick"
    DUPLICATE_SLICES = "duplicate_slices"
    NOT_PREFERRED = "not_preferred"
    USER_CHOSE_ANOTHER = "user_chose_another"
    USER_SERIES_MISSING = "user_series_missing"
    OTHER_STUDY = "other_study"
    UNKNOWN_CODING = "unknown_coding"
    # Conversion
    CORRUPT_PIXELS = "corrupt_pixels"
    UNEVEN_SLICES = "uneven_slices"
    GANTRY_TILT = "gantry_tilt"
    CONVERSION_FAILED = "conversion_failed"
    GEOMETRY_MISMATCH = "geometry_mismatch"
    NOT_HU = "not_hu"
    SCALING_VARIES = "scaling_varies"
    # Segmentation
    NO_MASK = "no_mask"
    MASK_GRID_MISMATCH = "mask_grid_mismatch"
    NO_VERTEBRA = "no_vertebra"
    IMPLAUSIBLE_SPINE = "implausible_spine"
    LEVELS_NOT_ANCHORED = "levels_not_anchored"
    LEVEL_SHIFT_IMPOSSIBLE = "level_shift_impossible"
    SEGMENTATION_FAILED = "segmentation_failed"
    CORRECTION_UNUSABLE = "correction_unusable"
    # A vertebra
    LISTED_HAEMANGIOMA = "listed_haemangioma"
    LISTED_METASTASIS = "listed_metastasis"
    LISTED_SCLEROSIS = "listed_sclerosis"
    LISTED_IMPLANT = "listed_implant"
    LISTED_CEMENT = "listed_cement"
    LISTED_FRACTURE = "listed_fracture"
    LISTED_OTHER = "listed_other"
    TOUCHES_BORDER = "touches_border"
    TOO_SMALL = "too_small"
    DEFORMED = "deformed"
    METAL = "metal"
    CEMENT = "cement"
    IMPLAUSIBLE_SD = "implausible_sd"
    OUTLIER = "outlier"
    L1_NOT_INCLUDED = "l1_not_included"
    NO_BODY = "no_body"
    HEIGHT_NOT_MEASURABLE = "height_not_measurable"
    LEVEL_NOT_ANALYSED = "level_not_analysed"
    # A density
    NOT_CALIBRATED = "not_calibrated"
    CALIBRATION_TOO_FEW_RODS = "calibration_too_few_rods"
    CALIBRATION_NO_SCANNER = "calibration_no_scanner"
    CALIBRATION_NO_PROTOCOL = "calibration_no_protocol"
    CALIBRATION_DATE_GAP = "calibration_date_gap"
    CALIBRATION_DATE_OVERLAP = "calibration_date_overlap"
    CALIBRATION_TOO_FEW_TISSUES = "calibration_too_few_tissues"
    CALIBRATION_TISSUE_MISSING = "calibration_tissue_missing"
    CALIBRATION_IMPLAUSIBLE = "calibration_implausible"
    TISSUE_NOT_FOUND = "tissue_not_found"
    TISSUE_IMPLAUSIBLE = "tissue_implausible"
    CONTRAST = "contrast"
    KVP_NOT_120 = "kvp_not_120"
    KVP_UNKNOWN = "kvp_unknown"
    OTHER_STANDARD = "other_standard"
    OTHER_SCALE = "other_scale"
    # Muscle, fat and aortic calcium
    NO_TISSUE_MASK = "no_tissue_mask"
    AREA_NOT_DERIVED = "area_not_derived"
    CUT_BY_FIELD_OF_VIEW = "cut_by_field_of_view"
    PHASE_UNKNOWN = "phase_unknown"
    KVP_NOT_TABULATED = "kvp_not_tabulated"
    TOO_NOISY = "too_noisy"
    NO_SEX = "no_sex"
    NO_HEIGHT = "no_height"
    NO_WEIGHT = "no_weight"
    NOT_AT_L3 = "not_at_l3"
    # A participant in the models
    NOT_BASELINE = "not_baseline"
    SAME_SCAN = "same_scan"
    NO_CLINICAL_ROW = "no_clinical_row"
    CHOSE_FEATURES = "chose_features"
    NO_SCAN = "no_scan"
    SCAN_EXCLUDED = "scan_excluded"
    NO_OUTCOME = "no_outcome"
    NO_FOLLOW_UP = "no_follow_up"
    WASHOUT = "washout"
    TOO_FEW_LEVELS = "too_few_levels"

    @property
    def sentence(self) -> str:
        """One sentence for the report."""
        return SENTENCES[self]


SENTENCES: dict[Reason, str] = {
    Reason.NO_INPUT: "The input folder or file named for this participant does not exist.",
    Reason.EMPTY_FOLDER: "The input folder holds no files.",
    Reason.SET_ASIDE: "The scan was set aside by the user (cohort.set_aside) and not read.",
    Reason.COPY: "The file holds an image that another file holds too.",
    Reason.NO_READABLE_IMAGE: "No file in the input folder could be read as DICOM or NIfTI.",
    Reason.NO_AXIAL_CT: "No axial CT series suited to measuring was found.",
    Reason.AMBIGUOUS_INPUT: (
        "The input folder holds several images and nothing says which one to use."
    ),
    Reason.MIXED_PATIENTS: "The input folder holds scans of more than one patient.",
    Reason.DICOMDIR: "The file is the directory of a DICOM medium; it has no image.",
    Reason.NOT_DICOM: "The file is not DICOM.",
    Reason.UNREADABLE: "The DICOM header of the file is damaged.",
    Reason.NO_PATIENT: "The header identifies neither a patient nor a study nor a series.",
    Reason.NO_CT: "The patient, or the session, has no CT in the export.",
    Reason.ODD_FILE_NAME: "The file's name has a line break, so no list can name it.",
    Reason.REMOVED_BY_HAND: "The row was deleted from the participants table by hand.",
    Reason.NOT_CT: "The series is not CT.",
    Reason.LOCALIZER: "The series is a localizer (scout view).",
    Reason.PROJECTION: "The images are projections or renderings, not slices.",
    Reason.NO_GEOMETRY: "The images carry no usable position or orientation.",
    Reason.NOT_A_VOLUME: "The file does not hold one readable 3-D volume.",
    Reason.NOT_AXIAL: "The series is not axial.",
    Reason.TOO_FEW_SLICES: "The series has too few slices.",
    Reason.TOO_LITTLE_COVERAGE: "The series covers too little of the body along its axis.",
    Reason.DUPLICATE_SLICES: "Several slices of the series lie at the same position.",
    Reason.TOO_THICK: "The slices are thicker than the configured limit.",
    Reason.NOT_PREFERRED: "Another series of the same participant suits measuring better.",
    Reason.USER_CHOSE_ANOTHER: "The participants table names another series of this participant.",
    Reason.USER_SERIES_MISSING: "The series named in the participants table is not in the input.",
    Reason.OTHER_STUDY: "The series belongs to another study than the one that ingest.study takes.",
    Reason.UNKNOWN_CODING: "The pixel data are coded in a way that nothing here decodes.",
    Reason.CORRUPT_PIXELS: "The pixel data of the chosen series could not be decoded.",
    Reason.UNEVEN_SLICES: "The distance between slices varies or slices are missing.",
    Reason.GANTRY_TILT: "The gantry was tilted and the slices do not form a rectangular volume.",
    Reason.CONVERSION_FAILED: "dcm2niix could not convert the chosen series.",
    Reason.GEOMETRY_MISMATCH: "The converted volume disagrees with the DICOM headers.",
    Reason.NOT_HU: "The values are not Hounsfield units.",
    Reason.SCALING_VARIES: "Slices of the series are scaled to HU in contradicting ways.",
    Reason.NO_MASK: "No mask was supplied for this participant.",
    Reason.MASK_GRID_MISMATCH: "The supplied mask is not on the grid of the CT.",
    Reason.NO_VERTEBRA: "No vertebra was found in the scan.",
    Reason.IMPLAUSIBLE_SPINE: "What was found does not line up as the bodies of a spine do.",
    Reason.LEVELS_NOT_ANCHORED: (
        "Vertebrae were found, but neither sacrum nor lowest rib is in view to name them."
    ),
    Reason.LEVEL_SHIFT_IMPOSSIBLE: (
        "The shift of levels asked for in the participants table leaves a vertebra without a name."
    ),
    Reason.SEGMENTATION_FAILED: "The segmentation backend failed on this scan.",
    Reason.CORRECTION_UNUSABLE: (
        "The mask placed in the corrections folder for this participant cannot be used."
    ),
    Reason.LISTED_HAEMANGIOMA: "The list of excluded levels says: haemangioma.",
    Reason.LISTED_METASTASIS: "The list of excluded levels says: metastasis.",
    Reason.LISTED_SCLEROSIS: "The list of excluded levels says: sclerosis.",
    Reason.LISTED_IMPLANT: "The list of excluded levels says: implant.",
    Reason.LISTED_CEMENT: "The list of excluded levels says: cement.",
    Reason.LISTED_FRACTURE: "The list of excluded levels says: fracture.",
    Reason.LISTED_OTHER: "The list of excluded levels names it without a reason of the vocabulary.",
    Reason.TOUCHES_BORDER: "The vertebra is cut by the border of the scan.",
    Reason.TOO_SMALL: "Too few voxels remain to measure.",
    Reason.DEFORMED: "The vertebra is deformed (Genant grade 1 or more).",
    Reason.METAL: "A spot as bright as metal lies beside the vertebral body or reaches out of it.",
    Reason.CEMENT: "A spot as bright as bone cement or metal lies wholly inside the body.",
    Reason.IMPLAUSIBLE_SD: (
        "The values in the region differ among themselves far more than in the other vertebrae."
    ),
    Reason.OUTLIER: "The value lies far from those of the neighbouring vertebrae.",
    Reason.L1_NOT_INCLUDED: (
        "L1, at which the thresholds were set, was not measured or is not included."
    ),
    Reason.NO_BODY: "The vertebral body could not be separated from the posterior elements.",
    Reason.HEIGHT_NOT_MEASURABLE: "Too few columns of the body reach both end-plates.",
    Reason.LEVEL_NOT_ANALYSED: "The level is outside those configured for analysis.",
    Reason.NOT_CALIBRATED: "No calibration of HU to density was asked for.",
    Reason.CALIBRATION_TOO_FEW_RODS: (
        "Fewer than three different rods of the calibration phantom could be read for this scan."
    ),
    Reason.CALIBRATION_NO_SCANNER: "The calibration table has no row for the scanner.",
    Reason.CALIBRATION_NO_PROTOCOL: (
        "The calibration table has the scanner, but no row for the scan's kVp and kernel."
    ),
    Reason.CALIBRATION_DATE_GAP: "No calibration of the scanner holds on the day of the scan.",
    Reason.CALIBRATION_DATE_OVERLAP: (
        "Several calibrations of the scanner hold on the day of the scan."
    ),
    Reason.CALIBRATION_TOO_FEW_TISSUES: "Fewer than three tissues could be sampled.",
    Reason.CALIBRATION_TISSUE_MISSING: (
        "Air or compact bone could not be sampled, which decide the energy of the calibration."
    ),
    Reason.CALIBRATION_IMPLAUSIBLE: "The calibration's fit is too poor, or it falls with HU.",
    Reason.TISSUE_NOT_FOUND: "Too little of the tissue is in the slices looked at.",
    Reason.TISSUE_IMPLAUSIBLE: "The tissue's HU lie outside its range.",
    Reason.CONTRAST: "The scan was made with contrast medium.",
    Reason.KVP_NOT_120: "The scan's tube voltage is not the 120 kV that the threshold assumes.",
    Reason.KVP_UNKNOWN: "The scan's tube voltage is not known, and the threshold assumes 120 kV.",
    Reason.OTHER_STANDARD: "The classes are defined for K2HPO4-equivalent density.",
    Reason.OTHER_SCALE: (
        "Densities by this method are on a scale of their own, to which the classes do not apply."
    ),
    Reason.NO_TISSUE_MASK: "No mask of this tissue, and the CT alone does not tell it well enough.",
    Reason.AREA_NOT_DERIVED: (
        "Only a part of the muscle is found without a mask: its attenuation is given, no area."
    ),
    Reason.CUT_BY_FIELD_OF_VIEW: "The structure goes on beyond the field of view.",
    Reason.PHASE_UNKNOWN: "Nothing says whether the scan was made with a contrast agent.",
    Reason.KVP_NOT_TABULATED: (
        "The tube voltage is unknown or one for which no thresholds are published."
    ),
    Reason.TOO_NOISY: "Noise or contrast medium reaches the attenuation from which calcium counts.",
    Reason.NO_SEX: "Neither the participants table nor the scan's header says the sex.",
    Reason.NO_HEIGHT: "The participants table gives no height.",
    Reason.NO_WEIGHT: "The participants table gives no weight.",
    Reason.NOT_AT_L3: "The published limits hold at L3, which could not be measured.",
    Reason.NOT_BASELINE: "The scan is not the participant's baseline, which cohort.baseline tells.",
    Reason.SAME_SCAN: "The same scan is in the cohort under another participant.",
    Reason.NO_CLINICAL_ROW: "The clinical table has no row for this participant.",
    Reason.CHOSE_FEATURES: (
        "The perturbed scan told which radiomics are robust; the models are not validated on it."
    ),
    Reason.NO_SCAN: "The clinical table names a participant who is not in the cohort.",
    Reason.SCAN_EXCLUDED: "The scan was excluded at an earlier stage.",
    Reason.NO_OUTCOME: "The outcome is missing: follow-up time or event, diagnosis, or density.",
    Reason.NO_FOLLOW_UP: "The follow-up ends on the day of the scan and contributes nothing.",
    Reason.WASHOUT: "The fracture came so soon that the scan may have been taken for it.",
    Reason.TOO_FEW_LEVELS: "Fewer levels than the configured minimum could be measured.",
}


class Excluded(Exception):
    """A known defect of one participant's data: recorded, and the cohort goes on.

    Args:
        reason: the code.
        detail: what was found and what was expected, free of anything identifying.
    """

    def __init__(self, reason: Reason, detail: str = ""):
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = Reason(reason)
        self.detail = detail
