"""The data dictionary: block, unit, meaning and source of every column of the cohort's tables.

The models take the columns of a block from here, so a feature that is not described
is not modelled.
"""

import re

from bonecast.levels import LEVELS
from bonecast.measure.radiomics_names import FEATURES
from bonecast.measure.sensitivity import COLUMNS as SENSITIVITY_COLUMNS
from bonecast.measure.sensitivity import DESCRIPTIONS as SENSITIVITY
from bonecast.measure.summaries import hu_columns, morphometry_columns, radiomics_rule

IBSI = "IBSI reference manual, Zwanenburg et al., Radiology 2020;295:328"
GENANT = "Genant et al., JBMR 1993;8:1137"

ROIS = {
    "hu_vol": "vertebral body eroded in 3-D",
    "hu_circle200": "circle of 200 mm2 at mid-height, across the body's own axis",
    "hu_ellipse": "ellipse in the anterior body at mid-height, across its own axis",
}

DENSITY = {
    "mean_hu": ("HU", "Mean attenuation"),
    "median_hu": ("HU", "Median attenuation"),
    "trimmed_mean_hu": ("HU", "Trimmed mean attenuation"),
    "sd_hu": ("HU", "Standard deviation of attenuation"),
    "n_voxels": ("count", "Voxels"),
    "volume_mm3": ("mm3", "Volume"),
}

KEYS = {
    "participant_id": ("id", "", "Pseudonym of the participant"),
    "site": ("id", "", "Site of the scan, as given in the table of participants"),
    "level": ("id", "", "Vertebral level, C1 to S1"),
    "status": ("quality", "", "ok, or excluded: no density summary could be made"),
    "stage": ("quality", "", "Stage at which the participant was excluded"),
    "reason": ("quality", "", "Reason code of the exclusion"),
    "n_levels_seen": ("quality", "count", "Levels segmented in the scan"),
    "levels_seen": ("quality", "", "Uppermost and lowest level segmented"),
    "level_state": ("quality", "", "What the names of the levels rest on; sentences in the report"),
    "level_ambiguous": ("quality", "", "Whether another reading would name the levels otherwise"),
    "level_shift": (
        "quality",
        "levels",
        "Shift of the names asked for in the table of participants; 0: found right by a person",
    ),
    "level_shift_analysis": ("quality", "levels", "Shift of the names by measure.level_shift"),
    "level_confidence": (
        "quality",
        "",
        "How well the name of the level is supported, 0 to 1: a score, not a probability",
    ),
    "level_flags": ("quality", "", "What is odd about the vertebra: codes, separated by blanks"),
    "n_levels_hu": ("quality", "count", "Levels that entered the density summaries"),
    "hu_reason": ("quality", "", "Why the density summaries are empty"),
    "hu_l1_or_nearest_level": ("quality", "", "Level that hu_l1_or_nearest_hu was taken from"),
    "n_levels_morphometry": ("quality", "count", "Levels graded"),
    "morphometry_reason": ("quality", "", "Why the shape summaries, or these heights, are empty"),
    "n_levels_radiomics": ("quality", "count", "Levels that entered the texture summaries"),
    "morphometry_included": ("quality", "", "Whether the heights enter summaries"),
    "radiomics_included": ("quality", "", "Whether the texture enters summaries"),
    "radiomics_reason": ("quality", "", "Why the texture does not enter summaries"),
    "manufacturer": ("acquisition", "", "Manufacturer of the scanner"),
    "model": ("acquisition", "", "Model of the scanner"),
    "kvp": ("acquisition", "kV", "Tube voltage"),
    "tube_current_ma": ("acquisition", "mA", "Tube current"),
    "kernel": ("acquisition", "", "Reconstruction kernel"),
    "slice_thickness_mm": ("acquisition", "mm", "Slice thickness"),
    "pixel_spacing_mm": ("acquisition", "mm", "Size of a pixel in the slice"),
    "reconstruction_fov_mm": ("acquisition", "mm", "Reconstructed field of view"),
    "table_height_mm": ("acquisition", "mm", "Table height"),
    "contrast_header": ("acquisition", "", "Whether the header names a contrast agent"),
    "patient_age_years": ("acquisition", "years", "Age at the scan according to the header"),
    "patient_sex": ("acquisition", "", "Sex according to the header"),
}

SHAPE = {
    "anterior_mm": ("mm", "Anterior height of the body"),
    "middle_mm": ("mm", "Middle height of the body"),
    "posterior_mm": ("mm", "Posterior height of the body"),
    "anterior_sd_mm": ("mm", "Standard deviation of the anterior height over its columns"),
    "middle_sd_mm": ("mm", "Standard deviation of the middle height over its columns"),
    "posterior_sd_mm": ("mm", "Standard deviation of the posterior height over its columns"),
    "depth_mm": ("mm", "Length of the body from anterior to posterior wall"),
    "anterior_neighbour_ratio": (
        "ratio",
        "Anterior height over that expected from the neighbours",
    ),
    "middle_neighbour_ratio": ("ratio", "Middle height over that expected from the neighbours"),
    "wedge_ratio": ("ratio", "Anterior over posterior height"),
    "biconcave_ratio": ("ratio", "Middle over posterior height"),
    "crush_ratio": ("ratio", "Posterior height over that expected from the neighbours"),
    "genant_grade": ("grade", "Semi-quantitative grade 0 to 3; 1 is a deformity, not a fracture"),
    "genant_type": ("", "none, wedge, biconcave or crush"),
}

IBSI_NAMES = {
    short: f"{family}: {long[:-5].replace('_', ' ')} (IBSI {long[-4:]})"
    for family, names in FEATURES.items()
    for long, short in names.items()
}
"""Short name of a feature to its family, full name and permanent IBSI code."""


def data_dictionary(
    vertebra_columns: list[str], scan_columns: list[str], features: list[str], settings: dict
) -> list[dict]:
    """Describe every column of the three tables.

    Args:
        features: names of the radiomics columns, in both tables.
        settings: keys `rois`, `summary_levels`, `min_levels`.

    Returns:
        Dicts with keys table, column, block, unit, description, source.
    """
    rois = list(settings["rois"])
    levels = sorted(settings["summary_levels"], key=LEVELS.index)
    min_levels = int(settings["min_levels"])
    texture = set(features)
    hu = hu_columns(rois, levels, min_levels)
    shape = morphometry_columns(min_levels)

    def entry(table: str, column: str, block: str, unit: str, text: str, source: str) -> dict:
        return {
            "table": table,
            "column": column,
            "block": block,
            "unit": unit,
            "description": text,
            "source": source,
        }

    rows = []
    for column in scan_columns:
        if column in hu:
            unit, rule = hu[column]
            rule += "; deformed levels (Genant grade 1 or more) left out"
            rows.append(entry("scans", column, "hu", unit, rule, "density.tsv"))
        elif column in shape:
            unit, rule = shape[column]
            rows.append(entry("scans", column, "morphometry", unit, rule, GENANT))
        elif column in texture:
            rule = f"{_feature(column)}. {radiomics_rule(levels, min_levels)}"
            rows.append(entry("scans", column, "radiomics", "", rule, IBSI))
        else:
            rows.append(entry("scans", column, *KEYS[column], _origin(column)))
    for column in vertebra_columns:
        if column in texture:
            rows.append(entry("vertebrae", column, "radiomics", "", _feature(column), IBSI))
        elif column in KEYS:
            rows.append(entry("vertebrae", column, *KEYS[column], _origin(column)))
        else:
            rows.append(entry("vertebrae", column, *_vertebra_column(column)))
    for column in SENSITIVITY_COLUMNS:
        if column in KEYS:
            words, source = KEYS[column], _origin(column)
        else:
            words, source = ("quality", *SENSITIVITY[column]), "density.tsv"
        rows.append(entry("level_sensitivity", column, *words, source))
    return rows


def _vertebra_column(column: str) -> tuple[str, str, str, str]:
    """Block, unit, description and source of a column of one level."""
    roi = next((name for name in ROIS if column.startswith(f"{name}_")), None)
    if roi:
        rest = column.removeprefix(f"{roi}_")
        if rest == "included":
            text = f"Whether the value enters summaries; ROI {ROIS[roi]}"
            return "quality", "", text, "density.tsv"
        if rest == "reason":
            return "quality", "", f"Why not included; ROI {ROIS[roi]}", "density.tsv"
        unit, text = DENSITY.get(rest, ("", rest.replace("_", " ").capitalize()))
        return "hu", unit, f"{text}; ROI {ROIS[roi]}", "density.tsv"
    unit, text = SHAPE.get(column, (_unit(column), column.replace("_", " ").capitalize()))
    return "morphometry", unit, text, "morphometry.tsv"


def _feature(column: str) -> str:
    short = column.removeprefix("rad_")
    return f"Texture of the body, {IBSI_NAMES.get(short, short)}"


def _origin(column: str) -> str:
    if column in ("participant_id", "site"):
        return "participants.tsv"
    return "ct.json" if KEYS[column][0] == "acquisition" else "segmentation.json"


def _unit(column: str) -> str:
    match = re.search(r"_(hu|mm|mm2|mm3|cm2|mgcc|years)$", column)
    return {"hu": "HU"}.get(match[1], match[1]) if match else ""
