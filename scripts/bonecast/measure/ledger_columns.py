"""Columns of the cohort's table of series and of its ledger."""

from bonecast.measure.columns import SCAN, Column, reason

UNITS = ("file", "series", "scan", "vertebra")
"""What is counted, from small to large as data flows; a vertebra by its first region of density."""

HEADER = "DICOM header"
TABLE = "series.tsv of the scan"


def _text(name: str, definition: str, source: str = HEADER, words=()) -> Column:
    return Column(name, "", definition, source, kind="text", words=tuple(words))


def _count(name: str, definition: str, source: str = TABLE) -> Column:
    return Column(name, "", definition, source, kind="int", low=0)


def _mm(name: str, definition: str, source: str = HEADER) -> Column:
    return Column(name, "mm", definition, source, low=0)


SERIES_COLUMNS = (
    *SCAN,
    _text("series", "S01, S02, ... by study and series number; empty: files of no series", TABLE),
    _text(
        "description_class",
        "What the series is; for files of no series what kind they are",
        "bonecast.dicom.vocabulary",
    ),
    _text("modality", "Code of the modality"),
    _count("slices", "Images, frames of multi-frame objects counted one by one"),
    _count("rows", "Rows of the matrix"),
    _count("columns", "Columns of the matrix"),
    _mm("pixel_mm", "Distance between columns"),
    _mm("spacing_mm", "Median distance between neighbouring slices", "positions in the headers"),
    _mm("spacing_min_mm", "Least distance between neighbouring slices", "positions in the headers"),
    _mm("spacing_max_mm", "Greatest such distance", "positions in the headers"),
    _count("missing_slices", "Slices that gaps leave room for"),
    _count("duplicates", "Slices that lie where another one does"),
    _count("copies", "Files that hold an image of the series a second time"),
    Column("tilt_degrees", "degrees", "Angle between stacking and the slices' normal", TABLE),
    _mm("extent_mm", "First to last slice, one distance added", "positions in the headers"),
    _mm("thickness_mm", "Slice thickness"),
    Column("kvp", "kV", "Tube voltage", HEADER, low=0),
    _text("kernel", "Reconstruction kernel; other: it does not look like one"),
    Column("contrast", "", "Contrast medium according to the header", HEADER, kind="bool"),
    _text("orientation", "axial, coronal, sagittal or oblique", "direction cosines"),
    _text("image_type", "Original or derived, primary or secondary, and the like"),
    _text("body_part", "Part of the body"),
    _text("manufacturer", "Maker of the scanner"),
    _text("model", "Model of the scanner"),
    _text("syntax", "Transfer syntax of the files"),
    _count("study", "Number of the study, by date"),
    Column("days", "days", "From the first study of the folder", HEADER, low=0),
    _count("patient_number", "Whose series it is where a folder holds several patients"),
    Column("score", "", "Sum of the weighted merits", "docs/ingest.md", low=0),
    Column("chosen", "", "Whether the series is the one that is measured", TABLE, kind="bool"),
    reason("Why the series is not measured"),
    _text("detail", "The reason in words", TABLE),
    _text("files", "Places of its files in the sorted listing of the folder", TABLE),
    _text("listing", "Digest of that listing", TABLE),
)
"""Those of each scan's series.tsv after those of the scan."""

LEDGER_COLUMNS = (
    _text("unit", "What is counted", "", UNITS),
    _text("fate", "What became of it", ""),
    _text("stage", "Stage at which it was left out", ""),
    reason("Why it was left out; empty: it was kept"),
    _count("n", "How many; those of a unit add up to all that were found", ""),
    _text("sentence", "The reason in words", "docs/reasons.md"),
    _text("remedy", "What can be done about it", "docs/reasons.md"),
)
