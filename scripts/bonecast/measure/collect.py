"""The measured files of all participants as tables of a cohort, everyone accounted for.

Files are read one after another with the csv module and turned into Arrow tables a few
hundred participants at a time: ten thousand participants fit in memory and take seconds,
not the minutes that one data frame per file would cost.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bonecast.levels import LEVELS, shift_levels
from bonecast.measure.dictionary import data_dictionary
from bonecast.measure.sensitivity import COLUMNS as SENSITIVITY_COLUMNS
from bonecast.measure.sensitivity import renamed, sensitivity
from bonecast.measure.summaries import (
    Vertebra,
    summarise_hu,
    summarise_morphometry,
    summarise_radiomics,
)
from bonecast.measure.tables import write_table
from bonecast.reasons import Reason

CHUNK = 256
"""Participants turned into Arrow columns together."""
EXCLUSION_COLUMNS = ("participant_id", "stage", "reason", "detail")
ACQUISITION = (
    "manufacturer",
    "model",
    "kvp",
    "tube_current_ma",
    "kernel",
    "slice_thickness_mm",
    "pixel_spacing_mm",
    "reconstruction_fov_mm",
    "table_height_mm",
    "contrast_header",
    "patient_age_years",
    "patient_sex",
)
"""Facts of ct.json that become columns of the scans table."""
TEXT = {
    "participant_id",
    "site",
    "level",
    "status",
    "stage",
    "reason",
    "genant_type",
    "manufacturer",
    "model",
    "kernel",
    "patient_sex",
    "levels_seen",
    "hu_l1_or_nearest_level",
    "level_flags",
    "level_state",
}
COUNTS = {"genant_grade", "max_genant_grade", "sdi", "level_shift", "level_shift_analysis"}
BOOLEANS = {"contrast_header", "level_ambiguous"}


@dataclass(frozen=True)
class ParticipantFiles:
    """One participant of the cohort and where the stages before left the results."""

    participant_id: str
    site: str
    ct: Path
    segmentation: Path
    density: Path
    morphometry: Path
    radiomics: Path | None = None


@dataclass(frozen=True)
class CohortTables:
    """The tables of one cohort.

    Attributes:
        vertebrae: one row per participant and level.
        scans: one row per participant, also those left out.
        exclusions: one dict per participant left out, keys EXCLUSION_COLUMNS.
        dictionary: one dict per column of the tables.
        sensitivity: one dict per scan segmented: its density, were its levels named one off.
    """

    vertebrae: pa.Table
    scans: pa.Table
    exclusions: list[dict]
    dictionary: list[dict]
    sensitivity: list[dict]

    def write(
        self,
        vertebrae_path: str | Path,
        scans_path: str | Path,
        exclusions_path: str | Path,
        dictionary_path: str | Path,
        sensitivity_path: str | Path,
    ) -> None:
        """Write the two Parquet tables, exclusions and sensitivity (tab) and dictionary (comma)."""
        pq.write_table(self.vertebrae, vertebrae_path)
        pq.write_table(self.scans, scans_path)
        _write_rows(self.exclusions, EXCLUSION_COLUMNS, exclusions_path, "\t")
        columns = ("table", "column", "block", "unit", "description", "source")
        _write_rows(self.dictionary, columns, dictionary_path, ",")
        write_table(self.sensitivity, SENSITIVITY_COLUMNS, sensitivity_path)


def collect(participants: Iterable[ParticipantFiles], settings: dict) -> CohortTables:
    """Gather the measurements of a cohort.

    Args:
        participants: everyone in the cohort, in the order rows shall have.
        settings: keys `rois`, `summary_levels`, `min_levels`, `level_shift` and
            `level_shift_scans` of the config's `measure`.

    Raises:
        ValueError: two participants' radiomics.tsv name different features.
    """
    rois = list(settings["rois"])
    levels = sorted(settings["summary_levels"], key=LEVELS.index)
    min_levels = int(settings["min_levels"])
    features: list[str] = []
    vertebra_rows: list[dict] = []
    scan_rows: list[dict] = []
    vertebra_chunks: list[pa.Table] = []
    scan_chunks: list[pa.Table] = []
    exclusions: list[dict] = []
    shifted_rows: list[dict] = []

    for count, files in enumerate(participants, start=1):
        segmentation, ct = _read_json(files.segmentation), _read_json(files.ct)
        vertebrae = read_vertebrae(files, features)
        for vertebra in vertebrae:
            vertebra.set_aside_if_deformed()
            _add_naming(vertebra, segmentation)
        if segmentation["status"] == "ok":
            shifted_rows.append(
                sensitivity(files.participant_id, segmentation, vertebrae, rois, levels, min_levels)
            )
        shift = shift_of(segmentation, settings)
        vertebrae = renamed(vertebrae, shift)
        row = _scan_row(files, segmentation, ct, vertebrae, shift)
        row |= summarise_hu(vertebrae, rois, levels, min_levels)
        row |= summarise_morphometry(vertebrae, min_levels)
        row |= summarise_radiomics(vertebrae, features, levels, min_levels)
        exclusion = _exclusion(segmentation, row, levels, min_levels)
        if exclusion:
            exclusions.append({"participant_id": files.participant_id, **exclusion})
            row["status"] = "excluded"
            row["stage"], row["reason"] = exclusion["stage"], exclusion["reason"]
        scan_rows.append(row)
        vertebra_rows.extend(_vertebra_row(files, vertebra, features) for vertebra in vertebrae)
        if count % CHUNK == 0:
            _flush(vertebra_rows, vertebra_chunks)
            _flush(scan_rows, scan_chunks)
    _flush(vertebra_rows, vertebra_chunks)
    _flush(scan_rows, scan_chunks)

    vertebra_table = _concat(vertebra_chunks, ("participant_id", "site", "level"))
    scan_table = _concat(scan_chunks, ("participant_id", "site", "status"))
    dictionary = data_dictionary(
        vertebra_table.column_names, scan_table.column_names, features, settings
    )
    return CohortTables(vertebra_table, scan_table, exclusions, dictionary, shifted_rows)


def shift_of(segmentation: dict, settings: dict) -> int:
    """Levels by which the analysis renames a scan (config `measure.level_shift`)."""
    every = settings["level_shift_scans"] == "all"
    return int(settings["level_shift"]) if every or segmentation.get("level_ambiguous") else 0


def _add_naming(vertebra: Vertebra, segmentation: dict) -> None:
    """What segmentation.json says of the name of a level."""
    about = (segmentation.get("levels") or {}).get(vertebra.level, {})
    vertebra.level_confidence = about.get("level_confidence")
    vertebra.level_flags = list(about.get("flags") or [])


def read_vertebrae(files: ParticipantFiles, features: list[str]) -> list[Vertebra]:
    """Everything measured in one participant, by level from head to foot.

    Args:
        features: names of radiomics columns; filled by the first participant that has any.
    """
    found: dict[str, Vertebra] = {}

    def at(level: str) -> Vertebra:
        return found.setdefault(level, Vertebra(level))

    for row in _typed_rows(files.density):
        at(row.pop("level")).density[row.pop("roi")] = row
    for row in _typed_rows(files.morphometry):
        at(row.pop("level")).morphometry = row
    if files.radiomics is not None:
        _read_radiomics(files, features, at)
    return [found[level] for level in LEVELS if level in found]


def _read_radiomics(files: ParticipantFiles, features: list[str], at) -> None:
    header, rows = _read_tsv(files.radiomics)
    names = [name for name in header if name not in ("level", "included", "reason")]
    if not rows:
        return
    columns = [_feature_column(name) for name in names]
    if not features:
        features.extend(columns)
    if columns != features:
        raise ValueError(
            f"radiomics.tsv of {files.participant_id} does not name the same features as those "
            "of the participants before: were they measured with different settings?"
        )
    where = [header.index(name) for name in names]
    position = {name: i for i, name in enumerate(header)}
    for row in rows:
        vertebra = at(row[position["level"]])
        vertebra.radiomics = [float(row[i]) if row[i] else float("nan") for i in where]
        measured = any(value == value for value in vertebra.radiomics)
        included = row[position["included"]] == "true" if "included" in position else measured
        vertebra.radiomics_included = included and measured
        if "reason" in position:
            vertebra.radiomics_reason = row[position["reason"]] or None


def _feature_column(name: str) -> str:
    return name if name.startswith("rad_") else f"rad_{name}"


def _vertebra_row(files: ParticipantFiles, vertebra: Vertebra, features: list[str]) -> dict:
    """One wide row: every ROI, heights and texture of a level."""
    row = {"participant_id": files.participant_id, "site": files.site, "level": vertebra.level}
    row["level_confidence"] = vertebra.level_confidence
    row["level_flags"] = " ".join(vertebra.level_flags) or None
    for roi, values in vertebra.density.items():
        row.update((f"{roi}_{name}", value) for name, value in values.items())
    for name, value in vertebra.morphometry.items():
        row[f"morphometry_{name}" if name in ("included", "reason") else name] = value
    if vertebra.radiomics is not None:
        row.update(zip(features, vertebra.radiomics, strict=True))
        row["radiomics_included"] = vertebra.radiomics_included
        row["radiomics_reason"] = vertebra.radiomics_reason
    return row


def _scan_row(
    files: ParticipantFiles,
    segmentation: dict,
    ct: dict,
    vertebrae: list[Vertebra],
    shift: int,
) -> dict:
    """Who, whether it went well, how it was acquired, and what was in view."""
    acquisition = ct.get("acquisition") or {}
    row = {
        "participant_id": files.participant_id,
        "site": files.site,
        "status": "ok",
        "stage": None,
        "reason": None,
    }
    row |= {name: acquisition.get(name) for name in ACQUISITION}
    if isinstance(row["pixel_spacing_mm"], list):
        row["pixel_spacing_mm"] = row["pixel_spacing_mm"][0]
    names = shift_levels(segmentation.get("levels") or {}, shift)
    seen = [level for level in LEVELS if level in names.values()]
    seen = seen or [vertebra.level for vertebra in vertebrae]
    row["n_levels_seen"] = len(seen)
    row["levels_seen"] = f"{seen[0]}-{seen[-1]}" if seen else None
    row |= {name: segmentation.get(name) for name in ("level_state", "level_ambiguous")}
    row["level_shift"] = segmentation.get("level_shift")
    row["level_shift_analysis"] = shift if segmentation["status"] == "ok" else None
    return row


def _exclusion(segmentation: dict, row: dict, levels: list[str], min_levels: int) -> dict | None:
    """Why a participant has no measurements to analyse, or None."""
    if segmentation["status"] != "ok":
        return {
            "stage": segmentation["stage"],
            "reason": segmentation["reason"],
            "detail": segmentation.get("detail") or "",
        }
    if row["hu_reason"]:
        of = f"{levels[0]} to {levels[-1]}"
        detail = f"{row['n_levels_hu']} of {of}, at least {min_levels} needed"
        return {"stage": "measure", "reason": str(Reason.TOO_FEW_LEVELS), "detail": detail}
    return None


def _typed_rows(path: Path) -> Iterator[dict]:
    header, rows = _read_tsv(path)
    types = [_kind(name) for name in header]
    for row in rows:
        yield {
            name: _value(text, kind) for name, text, kind in zip(header, row, types, strict=True)
        }


def _value(text: str, kind: str):
    if text == "":
        return None
    if kind == "text":
        return text
    if kind == "bool":
        return text == "true"
    return int(float(text)) if kind == "int" else float(text)


def _kind(column: str) -> str:
    """Type of a column by its name, so that a file without rows gives the same table."""
    if column in TEXT or column == "roi" or column.endswith(("_reason", "_type")):
        return "text"
    if column in BOOLEANS or column == "included" or column.endswith("_included"):
        return "bool"
    if column in COUNTS or column.startswith("n_") or "_n_" in column:
        return "int"
    return "float"


ARROW = {"text": pa.string(), "bool": pa.bool_(), "int": pa.int64(), "float": pa.float64()}


def _flush(rows: list[dict], chunks: list[pa.Table]) -> None:
    """Move rows into an Arrow table; NaN becomes missing."""
    if not rows:
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    arrays = [
        pa.array((row.get(name) for row in rows), ARROW[_kind(name)], from_pandas=True)
        for name in names
    ]
    chunks.append(pa.table(arrays, names=names))
    rows.clear()


def _concat(chunks: list[pa.Table], always: tuple[str, ...]) -> pa.Table:
    """One table of all chunks; features last, and the key columns even where there is no row."""
    if not chunks:
        return pa.table({name: pa.array([], pa.string()) for name in always})
    table = pa.concat_tables(chunks, promote_options="default").combine_chunks()
    names = table.column_names
    return table.select(sorted(names, key=lambda name: name.startswith("rad_")))


def _read_tsv(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream, delimiter="\t"))
    return (rows[0], rows[1:]) if rows else ([], [])


def _read_json(path: Path) -> dict:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _write_rows(rows: list[dict], columns: tuple[str, ...], path: str | Path, mark: str) -> None:
    with Path(path).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, delimiter=mark, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
