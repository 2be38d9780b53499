"""Who is in a cohort and where each participant's files are.

Read while the workflow is parsed, so: standard library only, and every problem of a
table is listed at once.
"""

import csv
import difflib
import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bonecast.refusal import Refusal, shown
from bonecast.sessions import FIRST, MARK, baselines, parsed_days, scan_id, session_problems

PARTICIPANT_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""Participant ids become file names: letters, digits, `.`, `_`, `-`, no leading sign."""

COLUMNS = (
    *("participant_id", "site", "path", "mask", "bodies", "level_shift"),
    *("contrast_phase", "kvp", "calibration"),
    *("tissue", "sex", "height_m", "weight_kg", "session_id", "days", "series"),
)
"""Columns that are read. Others may be there; one that looks like a misspelling is refused."""

EXPORT_COLUMNS = ("studies", "series_found", "ct_series", "files", "warnings")
"""Columns that the target `participants` writes for a person to look at."""

LEVEL_SHIFTS = {str(shift): shift for shift in range(-2, 3)} | {"+1": 1, "+2": 2}
"""What column level_shift may hold; empty says nothing."""

CONTRAST_PHASES = ("none", "arterial", "portal", "other", "unknown")
"""What column contrast_phase may hold; empty says nothing."""
SEXES = ("F", "M")
"""What column sex may hold; empty says nothing."""

SIZES = {"height_m": (0.5, 2.5), "weight_kg": (10.0, 400.0)}
"""Columns of numbers and the range that is believed: a height of 172 is in cm."""

SERIES_PATTERN = r"S\d\d+"
"""What column series may hold: a name of series.tsv; empty says nothing."""

IMAGE_SUFFIXES = (".nii.gz", ".nii")

MASKS = ("mask", "bodies", "tissue")
"""Columns that hold paths of the user's masks."""


class CohortError(Refusal, ValueError):
    """Something in the cohort's tables or folders to be put right by the user."""


@dataclass(frozen=True)
class Participant:
    """One row of the cohort: a scan of a participant.

    Attributes:
        participant_id: text, matches PARTICIPANT_PATTERN.
        site: scanner site or hospital, empty where not given.
        path: DICOM folder, NIfTI file or list of files (dicom/listing.py), as found or as it
            would be expected.
        mask: the user's vertebra mask, empty where not given.
        bodies: the user's mask of vertebral bodies, empty where not given.
        level_shift: levels that all vertebrae of the scan are renamed towards the foot, 0 where a
            person found the names right; None where not given.
        contrast_phase: one of CONTRAST_PHASES, empty where not given.
        kvp: tube voltage of a scan whose files do not say it; None where not given.
        calibration: row of the calibration table, the header being row 1; None where not given.
        tissue: the user's tissue mask, empty where not given.
        sex: F or M, None where not given.
        height_m, weight_kg: of the body, None where not given.
        session_id: which of the participant's scans, empty where there is but one.
        days: from the participant's first scan, None where not given.
        series: S01 and so on, of series.tsv: measured whatever its score; empty where not given.
        baseline: whether it is the scan of the participant that is modelled.
    """

    participant_id: str
    site: str = ""
    path: str = ""
    mask: str = ""
    bodies: str = ""
    level_shift: int | None = None
    contrast_phase: str = ""
    kvp: float | None = None
    calibration: int | None = None
    tissue: str = ""
    sex: str | None = None
    height_m: float | None = None
    weight_kg: float | None = None
    session_id: str = ""
    days: float | None = None
    series: str = ""
    baseline: bool = True

    @property
    def scan_id(self) -> str:
        """Name of the scan in the whole workflow."""
        return scan_id(self.participant_id, self.session_id)


def locate(path: str, folders: list[str]) -> str:
    """A path as given if it exists, else where it exists below a folder, else as given."""
    if path and not os.path.isabs(path) and not os.path.exists(path):
        for folder in folders:
            candidate = os.path.normpath(os.path.join(folder, path))
            if os.path.exists(candidate):
                return candidate
    return path


def read_cohort(
    input_folder: str, table: str | None, home: str, baseline: str = FIRST
) -> list[Participant]:
    """Every scan of a cohort, in the order of the table or sorted by name.

    Args:
        input_folder: holds one folder or NIfTI file per participant.
        table: path of participants.tsv (or .csv), None to take every folder and NIfTI file.
        home: the workflow's own folder, searched for paths not found from the working directory.
        baseline: which of a participant's scans is modelled, first or last.

    Raises:
        CohortError: the message lists every problem, by row.
    """
    columns = (*COLUMNS, *EXPORT_COLUMNS)
    rows = read_rows(table, columns, "cohort.participants") if table else _list_folder(input_folder)
    source = table or input_folder
    problems = _problems(rows)
    if not rows:
        problems = ["no participants"]
    if problems:
        raise CohortError(f"{source}:\n  " + "\n  ".join(problems))
    days = [parsed_days(row.get("days", "")) for _, row in rows]
    whose = [(row["participant_id"], day) for (_, row), day in zip(rows, days, strict=True)]
    is_baseline = baselines(whose, baseline)
    around = _around(table, input_folder, home)
    # Listed once: every job of a cluster reads the cohort, often from a network drive.
    there = set(os.listdir(input_folder)) if os.path.isdir(input_folder) else set()
    return [
        _participant(row, input_folder, around, there, is_baseline[place])
        for place, (_, row) in enumerate(rows)
    ]


def find_scan(name: str, input_folder: str, table: str | None, home: str) -> Participant:
    """One scan of a cohort that `read_cohort` accepts, without looking for the others.

    Args:
        name: its scan id. The others are as for `read_cohort`; `baseline` is not told.

    Raises:
        CohortError: no such scan, or the table cannot be read.
    """
    columns = (*COLUMNS, *EXPORT_COLUMNS)
    rows = read_rows(table, columns, "cohort.participants") if table else _list_folder(input_folder)
    for _, row in rows:
        if _scan_id(row) == name:
            return _participant(row, input_folder, _around(table, input_folder, home), None)
    raise CohortError(f"{table or input_folder}: no participant {name}")


def _around(table: str | None, input_folder: str, home: str) -> list[str]:
    """Folders in which a path of the table is looked for."""
    return [*([os.path.dirname(table)] if table else []), input_folder, home]


def _participant(
    row: dict[str, str],
    input_folder: str,
    around: list[str],
    there: Collection[str] | None,
    is_baseline: bool = True,
) -> Participant:
    """A row of the table, its paths located.

    Args:
        there: names in the input folder; None: it is asked for each.
    """
    return Participant(
        participant_id=row["participant_id"],
        site=row.get("site", ""),
        path=locate(row["path"], around)
        if row.get("path")
        else _default_path(_scan_id(row), input_folder, there),
        mask=locate(row.get("mask", ""), around),
        bodies=locate(row.get("bodies", ""), around),
        level_shift=LEVEL_SHIFTS.get(row.get("level_shift", "")),
        contrast_phase=row.get("contrast_phase", ""),
        kvp=float(row["kvp"]) if row.get("kvp") else None,
        calibration=int(row["calibration"]) if row.get("calibration") else None,
        tissue=locate(row.get("tissue", ""), around),
        sex=row.get("sex") or None,
        session_id=row.get("session_id", ""),
        days=parsed_days(row.get("days", "")),
        series=row.get("series", ""),
        baseline=is_baseline,
        **{name: float(row[name]) if row.get(name) else None for name in SIZES},
    )


def _scan_id(row: dict[str, str]) -> str:
    return scan_id(row["participant_id"], row.get("session_id", ""))


def read_rows(
    table: str, columns: Sequence[str], option: str, needed: Sequence[str] = ("participant_id",)
) -> list[tuple[str, dict[str, str]]]:
    """Rows of a table as (where, cells); cells are text without surrounding blanks.

    Args:
        table: a path; .csv is read with commas, all else with tabs.
        columns: those that are read.
        option: of the config, which names the table.
        needed: columns that have to be there.

    Raises:
        CohortError: there is no such file, or its header or a row cannot be understood.
    """
    if not os.path.exists(table):
        raise CohortError(f"{table}: not found. Set {option}, or leave it out.")
    delimiter = "," if table.endswith(".csv") else "\t"
    with open(table, newline="", encoding="utf-8-sig") as stream:
        lines = list(csv.reader(stream, delimiter=delimiter))
    header = [name.strip() for name in lines[0]] if lines else []
    if missing := [name for name in needed if name not in header]:
        found = ", ".join(header)
        if len(header) == 1 and delimiter == "\t" and "," in found:
            found += "; separated by commas? name it .csv"
        raise CohortError(f"{table}: no column {', '.join(missing)}; found: {found}")
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise CohortError(f"{table}: column named twice: {', '.join(twice)}")
    for name in set(header) - set(columns):
        if meant := difflib.get_close_matches(name, columns, n=1, cutoff=0.7):
            raise CohortError(f"{table}: unknown column {name}; was {meant[0]} meant?")
    too_long = [
        f"row {number}: {len(line)} cells under {len(header)} columns"
        for number, line in enumerate(lines[1:], start=2)
        if len(line) > len(header)
    ]
    if too_long:
        raise CohortError(f"{table}:\n  " + "\n  ".join(too_long))
    return [
        (f"row {number}", dict(zip(header, (cell.strip() for cell in line), strict=False)))
        for number, line in enumerate(lines[1:], start=2)
        if any(cell.strip() for cell in line)
    ]


def _list_folder(folder: str) -> list[tuple[str, dict[str, str]]]:
    """One row per sub-folder and NIfTI file of a folder."""
    if not os.path.isdir(folder):
        raise CohortError(f"{folder}: not a folder. Set cohort.input.")
    rows = []
    for number, entry in enumerate(sorted(os.scandir(folder), key=lambda entry: entry.name), 1):
        if entry.name.startswith("."):
            continue
        name = _without_suffix(entry.name)
        if entry.is_dir():
            name = entry.name
        elif name == entry.name:
            continue
        path = os.path.join(folder, entry.name)
        rows.append((f"entry {number} by name", {"participant_id": name, "path": path}))
    return rows


def _without_suffix(name: str) -> str:
    for suffix in IMAGE_SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def unknown_participant(name: str, participants: list[str]) -> str:
    """Says that no scan of the cohort has this name, and which names come near."""
    sessions = [scan for scan in participants if scan.startswith(f"{name}{MARK}")]
    near = sessions[:3] or difflib.get_close_matches(name, participants, n=3, cutoff=0.6)
    hint = f"; near it: {', '.join(near)}" if near else ""
    return f"no participant {name} in this cohort{hint}"


def check_masks(
    participants: Iterable[Participant],
    folders: Mapping[str, str | None],
    exists: Callable[[str], object],
) -> None:
    """Refuse masks that are named and not there: a run would go on without them and not say so.

    A participant without a file in a folder of masks is none of these.

    Args:
        participants: their paths as from `read_cohort`.
        folders: option of the config to the folder it names, if any.
        exists: whether a path is there, or will be.

    Raises:
        CohortError: lists every such path, by participant.
    """
    problems = [
        f"{person.scan_id}: the file of column {column} is not found"
        for person in participants
        for column in MASKS
        if (path := getattr(person, column)) and not exists(path)
    ]
    problems += [
        f"{option}: {folder} is not a folder"
        for option, folder in folders.items()
        if folder and not (exists(folder) and not os.path.isfile(folder))
    ]
    if problems:
        raise CohortError("masks that are not there:\n  " + "\n  ".join(problems))


def _default_path(scan: str, folder: str, there: Collection[str] | None) -> str:
    """Where a scan without a path of its own is: the folder or file of that name."""
    path = os.path.join(folder, scan)
    for suffix in ("", *IMAGE_SUFFIXES):
        name = scan + suffix
        if os.path.exists(path + suffix) if there is None else name in there:
            return path + suffix
    return path


def _problems(rows: list[tuple[str, dict[str, str]]]) -> list[str]:
    # What is no pseudonym may be a name: such an id is not repeated.
    named = [re.fullmatch(PARTICIPANT_PATTERN, row.get("participant_id", "")) for _, row in rows]
    problems = session_problems(
        (where, row if good else row | {"participant_id": ""})
        for (where, row), good in zip(rows, named, strict=True)
    )
    for where, row in rows:
        name = row.get("participant_id", "")
        if not re.fullmatch(PARTICIPANT_PATTERN, name):
            strange = " ".join(sorted(set(re.findall(r"[^\w.-]", name))))
            found = f" and has {strange!r}" if strange else ""
            found += "" if name.isascii() else ", and has letters beyond a to z"
            problems.append(
                f"{where}: participant_id must be letters, digits, '.', '_' or '-' and begin with "
                f"a letter or digit{found}"
            )
        shift = row.get("level_shift", "")
        if shift and shift not in LEVEL_SHIFTS:
            problems.append(
                f"{where}: level_shift {shown(shift)} must be a whole number from -2 to 2 or empty "
                "(1: every name one level further down)"
            )
        phase = row.get("contrast_phase", "")
        if phase and phase not in CONTRAST_PHASES:
            problems.append(
                f"{where}: contrast_phase {shown(phase)} must be "
                f"{', '.join(CONTRAST_PHASES)} or empty"
            )
        kvp = row.get("kvp", "")
        if kvp and not re.fullmatch(r"\d{2,3}(\.\d+)?", kvp):
            problems.append(
                f"{where}: kvp {shown(kvp)} must be a tube voltage such as 120, or empty"
            )
        number = row.get("calibration", "")
        if number and not re.fullmatch(r"\d+", number):
            problems.append(
                f"{where}: calibration {shown(number)} must be the number of a row of the "
                "calibration table, its header being row 1, or empty"
            )
        series = row.get("series", "")
        if series and not re.fullmatch(SERIES_PATTERN, series):
            problems.append(
                f"{where}: series {shown(series)} must be a name in series.tsv such as S03, "
                "or empty"
            )
        problems += [f"{where}: {problem}" for problem in _body_problems(row)]
    return problems


def _body_problems(row: dict[str, str]) -> list[str]:
    """What of sex, height and weight cannot be."""
    problems = []
    if row.get("sex") and row["sex"] not in SEXES:
        problems.append(f"sex {shown(row['sex'])} must be {' or '.join(SEXES)} or empty")
    for name, (low, high) in SIZES.items():
        try:
            possible = not row.get(name) or low <= float(row[name]) <= high
        except ValueError:
            possible = False
        if not possible:
            problems.append(f"{name} {shown(row[name])} must be from {low:g} to {high:g} or empty")
    return problems


def draw_participants(participant_ids: list[str], count: int, seed: int) -> list[str]:
    """Participants (or scans) drawn at random, in the order given; all, where there are no more.

    By a digest of id and seed: who is drawn does not depend on the order of the cohort.
    """
    ranked = sorted(
        participant_ids, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest()
    )
    drawn = set(ranked[:count])
    return [name for name in participant_ids if name in drawn]


def batches(participant_ids: list[str], size: int) -> dict[str, list[str]]:
    """Participants cut into numbered batches in the order given.

    Rows appended to a table leave the earlier batches as they were.
    """
    starts = range(0, len(participant_ids), size)
    return {f"{i:03d}": participant_ids[s : s + size] for i, s in enumerate(starts, start=1)}
