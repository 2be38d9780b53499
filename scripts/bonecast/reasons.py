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
    NO_READABLE_IMAGE = "no_readable_image"
    NO_AXIAL_CT = "no_axial_ct"
    AMBIGUOUS_INPUT = "ambiguous_input"
    MIXED_PATIENTS = "mixed_patients"
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
    # Conversion
    CORRUPT_PIXELS = "corrupt_pixels"
    UNEVEN_SLICES = "uneven_slices"
    GANTRY_TILT = "gantry_tilt"
    CONVERSION_FAILED = "conversion_failed"
    GEOMETRY_MISMATCH = "geometry_mismatch"
    NOT_HU = "not_hu"
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
    TOUCHES_BORDER = "touches_border"
    TOO_SMALL = "too_small"
    DEFORMED = "deformed"
    FRACTURED = DEFORMED
    METAL = "metal"
    OUTLIER = "outlier"
    NO_BODY = "no_body"
    HEIGHT_NOT_MEASURABLE = "height_not_measurable"
    LEVEL_NOT_ANALYSED = "level_not_analysed"
    # A participant in the models
    NO_CLINICAL_ROW = "no_clinical_row"
    NO_SCAN = "no_scan"
    SCAN_EXCLUDED = "scan_excluded"
    NO_OUTCOME = "no_outcome"
    TOO_FEW_LEVELS = "too_few_levels"

    @property
    def sentence(self) -> str:
        """One sentence for the report."""
        return SENTENCES[self]


SENTENCES: dict[Reason, str] = {
    Reason.NO_INPUT: "The input folder or file named for this participant does not exist.",
    Reason.EMPTY_FOLDER: "The input folder holds no files.",
    Reason.NO_READABLE_IMAGE: "No file in the input folder could be read as DICOM or NIfTI.",
    Reason.NO_AXIAL_CT: "No axial CT series suited to measuring was found.",
    Reason.AMBIGUOUS_INPUT: (
        "The input folder holds several images and nothing says which one to use."
    ),
    Reason.MIXED_PATIENTS: "The input folder holds scans of more than one patient.",
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
    Reason.CORRUPT_PIXELS: "The pixel data of the chosen series could not be decoded.",
    Reason.UNEVEN_SLICES: "The distance between slices varies or slices are missing.",
    Reason.GANTRY_TILT: "The gantry was tilted and the slices do not form a rectangular volume.",
    Reason.CONVERSION_FAILED: "dcm2niix could not convert the chosen series.",
    Reason.GEOMETRY_MISMATCH: "The converted volume disagrees with the DICOM headers.",
    Reason.NOT_HU: "The values are not Hounsfield units.",
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
    Reason.TOUCHES_BORDER: "The vertebra is cut by the border of the scan.",
    Reason.TOO_SMALL: "Too few voxels remain to measure.",
    Reason.DEFORMED: "The vertebra is deformed (Genant grade 1 or more).",
    Reason.METAL: "Metal or cement lies in or beside the vertebra.",
    Reason.OUTLIER: "The value lies far from those of the neighbouring vertebrae.",
    Reason.NO_BODY: "The vertebral body could not be separated from the posterior elements.",
    Reason.HEIGHT_NOT_MEASURABLE: "Too few columns of the body reach both end-plates.",
    Reason.LEVEL_NOT_ANALYSED: "The level is outside those configured for analysis.",
    Reason.NO_CLINICAL_ROW: "The clinical table has no row for this participant.",
    Reason.NO_SCAN: "The clinical table names a participant who is not in the cohort.",
    Reason.SCAN_EXCLUDED: "The scan was excluded at an earlier stage.",
    Reason.NO_OUTCOME: "Follow-up time or event is missing in the clinical table.",
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
