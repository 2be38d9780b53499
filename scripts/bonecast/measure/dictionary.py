"""Every column of the cohort's tables, and from them the data dictionary.

The tables are made, checked and described from the same declarations. The models take the
columns of a block from the dictionary, so a feature that is not declared is not modelled.
"""

from collections.abc import Mapping, Sequence

from bonecast.level_states import LevelState
from bonecast.levels import LEVELS
from bonecast.measure.calibration.vbmd import VBMD_COLUMNS, vbmd_summary_columns
from bonecast.measure.columns import LEVEL, SCAN, Column, in_family, prefixed, reason
from bonecast.measure.composition.measure import level_columns
from bonecast.measure.composition.summary import COMPOSITION_SUMMARY_COLUMNS
from bonecast.measure.contrast import CONTRAST_HEADER_COLUMNS
from bonecast.measure.density import DENSITY_COLUMNS, ROI_WORDS
from bonecast.measure.density_summary import hu_summary_columns
from bonecast.measure.ledger_columns import LEDGER_COLUMNS, SERIES_COLUMNS
from bonecast.measure.morphometry.summary import morphometry_summary_columns
from bonecast.measure.morphometry.table import MORPHOMETRY_COLUMNS
from bonecast.measure.outliers import OUTLIER_COLUMNS, REFERENCE_COLUMNS
from bonecast.measure.sensitivity import SENSITIVITY_COLUMNS
from bonecast.measure.strength import STRENGTH_COLUMNS, strength_summary_columns
from bonecast.measure.summaries import (
    radiomics_summary_columns,
    span,
    words_for,
)

DICTIONARY_COLUMNS = (
    *("table", "column", "block", "unit", "type", "range", "definition", "source"),
)
"""Columns of data_dictionary.csv."""


def _text(name: str, definition: str, source: str, block: str = "id", words=()) -> Column:
    return Column(name, "", definition, source, kind="text", words=words, block=block)


def _header(name: str, unit: str, definition: str, **more) -> Column:
    return Column(name, unit, definition, **({"source": "ct.json", "block": "acquisition"} | more))


WHEN = (
    Column(
        "days",
        "days",
        "From the participant's first scan, or from the first study in the participant's files",
        "participants.tsv or ct.json",
        block="id",
    ),
    Column(
        "baseline",
        "",
        "Whether the scan is the one of the participant that is modelled (cohort.baseline)",
        "participants.tsv",
        kind="bool",
        block="id",
    ),
)
SITE = _text("site", "Site of the scan, as given in the table of participants", "participants.tsv")
SAME_SCAN_AS = _text(
    "same_scan_as",
    "An earlier scan of the cohort with the same image: <participant_id>, or"
    " <participant_id>_ses-<session_id>",
    "ct.json",
    "quality",
)

STAGES = ("ingest", "convert", "segment", "measure", "model")

OUTCOME = (
    _text("stage", "Stage at which the participant was excluded", "", "quality", STAGES),
    reason("Why the participant was excluded"),
    _text("detail", "What was found and what was expected", "", "quality"),
)
EXCLUSION_COLUMNS = (*SCAN, *WHEN, *OUTCOME)
"""Columns of exclusions.tsv."""

ACQUISITION = (
    _header("manufacturer", "", "Manufacturer of the scanner", kind="text"),
    _header("model", "", "Model of the scanner", kind="text"),
    _header(
        "scanner_key",
        "",
        "Pseudonym of the machine: scans with the same one were made by it",
        kind="text",
    ),
    _header("kvp", "kV", "Tube voltage", low=0, source="ct.json or participants.tsv"),
    _header("tube_current_ma", "mA", "Tube current", low=0),
    _header("kernel", "", "Reconstruction kernel", kind="text"),
    _header("slice_thickness_mm", "mm", "Slice thickness", low=0),
    _header("slice_spacing_mm", "mm", "Median distance between slices as they came", low=0),
    _header("pixel_spacing_mm", "mm", "Size of a pixel in the slice", low=0),
    _header("pixel_fov_mm", "mm", "Width of the slice: its pixels times their size", low=0),
    _header("reconstruction_fov_mm", "mm", "Reconstructed field of view", low=0),
    _header("table_height_mm", "mm", "Table height"),
    *CONTRAST_HEADER_COLUMNS,
    _header("patient_age_years", "years", "Age at the scan according to the header", low=0),
    _header(
        "patient_sex",
        "",
        "Sex according to the table of participants or else the header",
        source="participants.tsv or ct.json",
        kind="text",
        words=("F", "M"),
    ),
)
"""Facts of ct.json that become columns of the scans table; the table of participants may know
better."""

RESAMPLED = _text(
    "ct_resampled",
    "What of the CT was interpolated to make it rectangular, in words; empty: nothing",
    "ct.json",
    "quality",
)

NAMING = (
    Column("n_levels_seen", "count", "Levels segmented in the scan", kind="int", low=0),
    Column("levels_seen", "", "Uppermost and lowest level segmented", kind="text"),
    _text(
        "level_state",
        "What the names of the levels rest on; sentences in the report",
        "segmentation.json",
        "quality",
        tuple(str(state) for state in LevelState),
    ),
    Column(
        "level_ambiguous",
        "",
        "Whether another reading would name the levels otherwise",
        "segmentation.json",
        kind="bool",
    ),
    Column(
        "level_shift",
        "levels",
        "Shift of the names asked for in the table of participants; 0: found right by a person",
        "segmentation.json",
        kind="int",
    ),
    Column(
        "level_shift_analysis", "levels", "Shift of the names by measure.level_shift", kind="int"
    ),
)

LEVEL_NAMING = (
    Column(
        "level_confidence",
        "",
        "How well the name of the level is supported: a score, not a probability",
        "segmentation.json",
        low=0,
        high=1,
    ),
    Column(
        "level_flags",
        "",
        "What is odd about the vertebra: codes, separated by blanks",
        "segmentation.json",
        kind="text",
    ),
)


def vertebra_columns(rois: Sequence[str], features: Sequence[Column]) -> tuple[Column, ...]:
    """Columns of the table of vertebrae.

    Args:
        features: columns of radiomics, without `level`; none where it is switched off.
    """
    own = (*DENSITY_COLUMNS, *VBMD_COLUMNS)
    density = tuple(column for column in own if column.name not in ("level", "roi"))
    return (
        *SCAN,
        SITE,
        *WHEN,
        LEVEL,
        *LEVEL_NAMING,
        *(c for roi in rois for c in prefixed(roi, density, f"ROI {ROI_WORDS[roi]}")),
        *in_family("morphometry", MORPHOMETRY_COLUMNS),
        *in_family("strength", STRENGTH_COLUMNS),
        *level_columns(),
        *features,
    )


def scan_columns(
    rois: Sequence[str], levels: Sequence[str], min_levels: int, features: Sequence[Column]
) -> tuple[Column, ...]:
    """Columns of the table of scans.

    Args:
        levels: those of the summaries.
        min_levels: fewer give no summary.
        features: columns of radiomics that are summarised.
    """
    return (
        *SCAN,
        SITE,
        *WHEN,
        _text(
            "status",
            "ok, or excluded: no density summary could be made",
            "",
            "quality",
            ("ok", "excluded"),
        ),
        *OUTCOME[:2],
        SAME_SCAN_AS,
        *ACQUISITION,
        RESAMPLED,
        *NAMING,
        *hu_summary_columns(rois, levels, min_levels),
        *vbmd_summary_columns(span(levels), words_for(levels), min_levels, rois[0]),
        *strength_summary_columns(span(levels), words_for(levels), min_levels),
        *morphometry_summary_columns(min_levels),
        *COMPOSITION_SUMMARY_COLUMNS,
        *radiomics_summary_columns(features, levels, min_levels),
    )


def cohort_columns(settings: dict, features: Sequence[Column]) -> dict[str, tuple[Column, ...]]:
    """Columns of every table of a cohort, by its name.

    Args:
        settings: keys `rois`, `summary_levels`, `min_levels`.
        features: columns of radiomics.tsv as in the collected tables, with its `included` and
            `reason`; none where radiomics is switched off.
    """
    levels = sorted(settings["summary_levels"], key=LEVELS.index)
    rois, min_levels = list(settings["rois"]), int(settings["min_levels"])
    textures = [column for column in features if column.block == "radiomics"]
    return {
        "scans": scan_columns(rois, levels, min_levels, textures),
        "vertebrae": vertebra_columns(rois, features),
        "exclusions": EXCLUSION_COLUMNS,
        "series": SERIES_COLUMNS,
        "ledger": LEDGER_COLUMNS,
        "level_sensitivity": SENSITIVITY_COLUMNS,
        "segmentation_outliers": OUTLIER_COLUMNS,
        "segmentation_reference": REFERENCE_COLUMNS,
    }


def data_dictionary(tables: Mapping[str, Sequence[Column]]) -> list[dict]:
    """One row per table and column, keys DICTIONARY_COLUMNS."""
    return [
        {
            "table": table,
            "column": column.name,
            "block": column.block,
            "unit": column.unit,
            "type": column.kind,
            "range": column.range,
            "definition": column.definition,
            "source": column.source,
        }
        for table, columns in tables.items()
        for column in columns
    ]
