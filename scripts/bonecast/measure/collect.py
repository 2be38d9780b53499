"""The measured files of all participants as tables of a cohort, everyone accounted for.

Files are read one after another with the csv module, and tables written a few hundred scans at a
time: memory does not grow with the cohort, and no data frame is made per file, which would take
several times as long.
"""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bonecast.levels import LEVELS, shift_levels
from bonecast.measure.calibration.vbmd import VBMD_COLUMNS, summarise_vbmd
from bonecast.measure.columns import LEVEL, SCAN, SHARED, Column, in_family, names
from bonecast.measure.composition.measure import COMPOSITION_COLUMNS
from bonecast.measure.composition.summary import Person, summarise_composition
from bonecast.measure.density import DENSITY_COLUMNS
from bonecast.measure.density_summary import summarise_hu
from bonecast.measure.dictionary import (
    ACQUISITION,
    DICTIONARY_COLUMNS,
    EXCLUSION_COLUMNS,
    SITE,
    WHEN,
    cohort_columns,
    data_dictionary,
)
from bonecast.measure.growing import GrowingTable
from bonecast.measure.morphometry.summary import summarise_morphometry
from bonecast.measure.morphometry.table import MORPHOMETRY_COLUMNS
from bonecast.measure.radiomics.names import RADIOMICS_SHARED, feature_columns
from bonecast.measure.sensitivity import SENSITIVITY_COLUMNS, renamed, sensitivity
from bonecast.measure.strength import STRENGTH_COLUMNS, summarise_strength
from bonecast.measure.summaries import (
    Vertebra,
    span,
    summarise_radiomics,
)
from bonecast.measure.tables import open_table, read_table
from bonecast.reasons import Reason
from bonecast.sessions import scan_id

CHUNK = 256
"""Scans written together: a row group of some 4,000 vertebrae."""

FAMILIES = ("density", "morphometry", "strength", "composition", "radiomics")
"""What is measured, each in a table of its own."""

RADIOMICS_KEYS = ("level", *names(RADIOMICS_SHARED))


@dataclass(frozen=True)
class ParticipantFiles:
    """One scan of the cohort and where the stages before left the results.

    Attributes:
        session_id: empty where the participant has but one scan.
        days: from the participant's first scan, None where not given.
        baseline: whether it is the scan of the participant that is modelled.
        ct, segmentation: the JSON files of these stages.
        tables: the TSV of each family that was measured: density, morphometry, ...
        calibration: calibration.json; None where nothing was measured.
        person: what the participants table says of them.
    """

    participant_id: str
    site: str
    ct: Path
    segmentation: Path
    tables: Mapping[str, Path]
    calibration: Path | None = None
    person: Person = Person()
    session_id: str = ""
    days: float | None = None
    baseline: bool = True

    @property
    def scan_id(self) -> str:
        """Name of the scan."""
        return scan_id(self.participant_id, self.session_id)


@dataclass(frozen=True)
class Collected:
    """How many rows the tables of a cohort have."""

    scans: int
    vertebrae: int
    exclusions: int


@dataclass(frozen=True)
class Summaries:
    """How scans are summarised.

    Attributes:
        rois: regions of density, the first being the main one.
        levels: those of the summaries, from head to foot.
        min_levels: fewer give no summary.
        textures: columns of radiomics that are summarised.
    """

    rois: list[str]
    levels: list[str]
    min_levels: int
    textures: list[str]


def collect(
    participants: Sequence[ParticipantFiles],
    settings: dict,
    folder: str | Path,
    progress: Callable[[str], object] = lambda words: None,
    chunk: int = CHUNK,
) -> Collected:
    """Gather the measurements of a cohort.

    Writes vertebrae (a row per scan and level) and scans (a row per scan, also those left out) as
    Parquet and TSV, exclusions.tsv (a row per scan left out), level_sensitivity.tsv (a row per
    scan segmented) and data_dictionary.csv (a row per column of the tables).

    Args:
        participants: everyone in the cohort, in the order rows shall have.
        settings: keys `rois`, `summary_levels`, `min_levels`, `level_shift` and
            `level_shift_scans` of the config's `measure`.
        folder: where to write; it exists.
        progress: told in words how far it is.
        chunk: scans held in memory together.

    Raises:
        ValueError: two participants' radiomics.tsv name different features, or a value is one
            that cannot be.
    """
    folder = Path(folder)
    features = radiomics_of(participants)
    columns = cohort_columns(settings, features)
    how = Summaries(
        list(settings["rois"]),
        sorted(settings["summary_levels"], key=LEVELS.index),
        int(settings["min_levels"]),
        [column.name for column in features if column.block == "radiomics"],
    )
    write_dictionary(data_dictionary(columns), folder / "data_dictionary.csv")
    seen: dict[str, str] = {}
    n_excluded = 0
    with (
        GrowingTable(columns["vertebrae"], "vertebrae", folder) as vertebra_table,
        GrowingTable(columns["scans"], "scans", folder) as scan_table,
        open_table(EXCLUSION_COLUMNS, folder / "exclusions.tsv") as add_exclusion,
        open_table(SENSITIVITY_COLUMNS, folder / "level_sensitivity.tsv") as add_sensitivity,
    ):
        for number, files in enumerate(participants, start=1):
            segmentation, ct = _read_json(files.segmentation), _read_json(files.ct)
            vertebrae = read_vertebrae(files, features)
            for vertebra in vertebrae:
                _add_naming(vertebra, segmentation)
            if segmentation["status"] == "ok":
                whose = {name: getattr(files, name) for name in names(SCAN)}
                moved = sensitivity(segmentation, vertebrae, how.rois, how.levels, how.min_levels)
                add_sensitivity(whose | moved)
            shift = shift_of(segmentation, settings)
            vertebrae = renamed(vertebrae, shift)
            row = _scan_row(files, segmentation, ct, vertebrae, shift)
            if digest := ct.get("volume_digest"):
                first = seen.setdefault(digest, files.scan_id)
                row["same_scan_as"] = first if first != files.scan_id else None
            calibration = _read_json(files.calibration) if files.calibration else {}
            row |= _summaries(vertebrae, row, files.person, calibration, how)
            exclusion = _exclusion(segmentation, row, how)
            if exclusion:
                n_excluded += 1
                add_exclusion({name: row[name] for name in names((*SCAN, *WHEN))} | exclusion)
                row["status"] = "excluded"
                row["stage"], row["reason"] = exclusion["stage"], exclusion["reason"]
            scan_table.add([row])
            vertebra_table.add(_vertebra_row(row, vertebra) for vertebra in vertebrae)
            if number % chunk == 0 or number == len(participants):
                vertebra_table.flush()
                scan_table.flush()
                progress(f"{number} of {len(participants)} scans")
    return Collected(scan_table.n_rows, vertebra_table.n_rows, n_excluded)


def write_dictionary(rows: Sequence[dict], path: Path) -> None:
    """Write the data dictionary as CSV."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, DICTIONARY_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _summaries(
    vertebrae: list[Vertebra], scan: dict, person: Person, calibration: dict, how: Summaries
) -> dict:
    """Columns of a scan that come from its vertebrae and its calibration."""
    levels, min_levels = how.levels, how.min_levels
    # That of the header, or what the table of participants says.
    row = {"kvp": calibration.get("kvp", scan["kvp"])}
    row |= summarise_hu(vertebrae, how.rois, levels, min_levels, row["kvp"])
    density = {v.level: v.density.get(how.rois[0], {}) for v in vertebrae}
    row |= summarise_vbmd(density, levels, span(levels), min_levels, calibration)
    strength = {v.level: v.strength for v in vertebrae}
    row |= summarise_strength(strength, levels, span(levels), min_levels)
    row |= summarise_morphometry(vertebrae, min_levels)
    composition = {v.level: v.composition for v in vertebrae}
    person = replace(person, sex=scan["patient_sex"])
    row |= summarise_composition(composition, person, row["kvp"])
    return row | summarise_radiomics(vertebrae, how.textures, levels, min_levels)


def shift_of(segmentation: dict, settings: dict) -> int:
    """Levels by which the analysis renames a scan (config `measure.level_shift`)."""
    every = settings["level_shift_scans"] == "all"
    return int(settings["level_shift"]) if every or segmentation.get("level_ambiguous") else 0


def _add_naming(vertebra: Vertebra, segmentation: dict) -> None:
    """What segmentation.json says of the name of a level."""
    about = (segmentation.get("levels") or {}).get(vertebra.level, {})
    vertebra.level_confidence = about.get("level_confidence")
    vertebra.level_flags = list(about.get("flags") or [])


def radiomics_of(participants: Sequence[ParticipantFiles]) -> tuple[Column, ...]:
    """Columns of radiomics as they are called in the collected tables.

    From the header of the first participant's file: empty where radiomics is switched off.
    """
    if not participants or "radiomics" not in participants[0].tables:
        return ()
    header = _header(participants[0].tables["radiomics"])
    found = feature_columns(name for name in header if name not in RADIOMICS_KEYS)
    return (*in_family("radiomics", RADIOMICS_SHARED), *found)


def read_vertebrae(files: ParticipantFiles, features: Sequence[Column]) -> list[Vertebra]:
    """Everything measured in one participant, by level from head to foot.

    Args:
        features: as from `radiomics_of`.
    """
    found: dict[str, Vertebra] = {}

    def at(level: str) -> Vertebra:
        return found.setdefault(level, Vertebra(level))

    for row in read_table(files.tables["density"], (*DENSITY_COLUMNS, *VBMD_COLUMNS)):
        at(row.pop("level")).density[row.pop("roi")] = row
    for row in read_table(files.tables["morphometry"], MORPHOMETRY_COLUMNS):
        at(row.pop("level")).morphometry = row
    if "strength" in files.tables:
        for row in read_table(files.tables["strength"], STRENGTH_COLUMNS):
            at(row.pop("level")).strength = row
    if "composition" in files.tables:
        for row in read_table(files.tables["composition"], COMPOSITION_COLUMNS):
            at(row.pop("level")).composition[row.pop("region")] = row
    if features:
        for row in _read_radiomics(files, features):
            at(row.pop("level")).radiomics = row
    return [found[level] for level in LEVELS if level in found]


def _read_radiomics(files: ParticipantFiles, features: Sequence[Column]) -> list[dict]:
    """Rows of radiomics.tsv."""
    textures = [column for column in features if column.block == "radiomics"]
    header = _header(files.tables["radiomics"])
    if [name for name in header if name not in RADIOMICS_KEYS] != list(names(textures)):
        raise ValueError(
            f"radiomics.tsv of {files.scan_id} does not name the same features as that "
            "of the first participant: were they measured with different settings?"
        )
    return read_table(files.tables["radiomics"], (LEVEL, *RADIOMICS_SHARED, *textures))


def _vertebra_row(scan: dict, vertebra: Vertebra) -> dict:
    """One wide row: every ROI, heights and texture of a level."""
    row = {name: scan[name] for name in names((*SCAN, SITE, *WHEN))} | {"level": vertebra.level}
    row["level_confidence"] = vertebra.level_confidence
    row["level_flags"] = " ".join(vertebra.level_flags) or None
    for roi, values in vertebra.density.items():
        row.update((f"{roi}_{name}", value) for name, value in values.items())
    for region, values in vertebra.composition.items():
        row.update((f"{region}_{name}", value) for name, value in values.items())
    for family in ("morphometry", "strength", "radiomics"):
        for name, value in getattr(vertebra, family).items():
            row[f"{family}_{name}" if name in SHARED else name] = value
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
        "session_id": files.session_id,
        "site": files.site,
        "days": files.days,
        "baseline": files.baseline,
        "status": "ok",
        "stage": None,
        "reason": None,
    }
    if acquisition.get("days_offset") is not None:
        # Days of the participants table and of the study within the participant's files.
        row["days"] = acquisition["days_offset"]
    row |= {name: acquisition.get(name) for name in names(ACQUISITION)}
    row["ct_resampled"] = (ct.get("checks") or {}).get("resampled") or None
    row["patient_sex"] = files.person.sex or row["patient_sex"]
    if isinstance(row["pixel_spacing_mm"], list):
        row["pixel_spacing_mm"] = row["pixel_spacing_mm"][0]
    shown = shift_levels(segmentation.get("levels") or {}, shift)
    seen = [level for level in LEVELS if level in shown.values()]
    seen = seen or [vertebra.level for vertebra in vertebrae]
    row["n_levels_seen"] = len(seen)
    row["levels_seen"] = f"{seen[0]}-{seen[-1]}" if seen else None
    row |= {name: segmentation.get(name) for name in ("level_state", "level_ambiguous")}
    row["level_shift"] = segmentation.get("level_shift")
    row["level_shift_analysis"] = shift if segmentation["status"] == "ok" else None
    return row


def _exclusion(segmentation: dict, row: dict, how: Summaries) -> dict | None:
    """Why a participant has no measurements to analyse, or None."""
    if segmentation["status"] != "ok":
        return {
            "stage": segmentation["stage"],
            "reason": segmentation["reason"],
            "detail": segmentation.get("detail") or "",
        }
    if row["hu_reason"]:
        of = f"{how.levels[0]} to {how.levels[-1]}"
        detail = f"{row['n_levels_hu']} of {of}, at least {how.min_levels} needed"
        return {"stage": "measure", "reason": str(Reason.TOO_FEW_LEVELS), "detail": detail}
    return None


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8") as stream:
        return stream.readline().rstrip("\n").split("\t")


def _read_json(path: Path) -> dict:
    return json.loads(Path(path).read_text(encoding="utf-8"))
