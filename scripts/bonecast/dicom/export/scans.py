"""An export's files divided into scans: a patient's, or a study's of a patient."""

import datetime
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bonecast.dicom.export.names import Identity, decode
from bonecast.dicom.export.people import Person, Seen
from bonecast.dicom.export.store import headers_of
from bonecast.dicom.index import FIRST_CT_YEAR, series_of
from bonecast.dicom.vocabulary import DescriptionClass
from bonecast.reasons import Reason

MEASURABLE = (
    DescriptionClass.AXIAL_CT,
    DescriptionClass.DERIVED_CT,
    DescriptionClass.REFORMAT,
)
"""Classes counted as CT series: localizers and captures are CT by modality only."""

ROWS_AT_A_TIME = 20_000
"""Headers that are objects at once, unless one scan has more."""

_WHO = ("patient_id", "patient_name", "birth_date", "sex", "character_set")
_WHEN = ("study_uid", "study_date", "study_time")


@dataclass
class Scan:
    """A row of the participants table.

    Attributes:
        participant_id: pseudonym.
        session_id: s01, s02 and so on, empty where a row stands for a whole patient.
        rows: of the table of headers, ascending.
        days: from the participant's first study with CT; None without dates.
        studies, series, ct_series: how many there are.
        warnings: words for a person to read.
    """

    participant_id: str
    session_id: str
    rows: np.ndarray
    days: int | None = None
    studies: int = 0
    series: int = 0
    ct_series: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def scan_id(self) -> str:
        """Name of the scan's list and of its results."""
        return self.participant_id + (f"_ses-{self.session_id}" if self.session_id else "")


@dataclass(frozen=True)
class Study:
    """A study with CT.

    Attributes:
        participant_id: whose it is.
        session_id: s01 and so on; a study keeps its number when earlier ones arrive.
        uid: StudyInstanceUID.
        date: eight digits, empty where missing or impossible.
        days: from the participant's first study with CT; None without dates.
    """

    participant_id: str
    session_id: str
    uid: str
    date: str
    days: int | None


@dataclass(frozen=True)
class LeftOut:
    """Files that are in nobody's list, and why."""

    reason: Reason
    rows: np.ndarray
    participant_id: str = ""
    session_id: str = ""


@dataclass
class Census:
    """What each file of a table of headers is.

    Attributes:
        sightings: identities in studies.
        seen: for each file the number of its sighting, -1 where it has no header.
        is_ct: for each file, whether it is CT.
        dates: StudyInstanceUID to date and time as they sort, of studies with a date.
    """

    sightings: list[Seen]
    seen: np.ndarray
    is_ct: np.ndarray
    dates: dict[str, tuple[str, str]]


def take_census(table: pa.Table) -> Census:
    """Who and when each file says it is, and whether it is CT.

    A series or frame of reference stands for a study that has no identifier.

    Args:
        table: of `store.SCHEMA`.
    """
    kinds = table["kind"].to_pandas()
    has_header = (kinds == "").to_numpy()
    frame = table.select([*_WHO, *_WHEN]).to_pandas()
    for instead in ("series_uid", "frame_of_reference"):
        frame["study_uid"] = _filled(frame["study_uid"], table[instead])
    frame = frame[has_header]
    groups = frame.groupby([*_WHO, *_WHEN], observed=True, sort=False, dropna=False).ngroup()
    first = ~groups.duplicated().to_numpy()
    distinct = frame[first].astype(str)
    distinct.index = groups[first]
    seen_of = {}
    dates: dict[str, tuple[str, str]] = {}
    for group, *cells in distinct.itertuples():
        patient_id, name, birth_date, sex, character_set, study, date, time = cells
        identity = Identity(
            decode(patient_id, character_set),
            decode(name, character_set),
            "".join(filter(str.isdigit, birth_date)),
            sex[:1].upper(),
        )
        day = _day(date)
        seen_of[group] = Seen(identity, study, day)
        if day:
            dates[study] = min(dates.get(study, ("9", "")), (day, time))
    sightings = list(dict.fromkeys(seen_of.values()))
    number = {seen: at for at, seen in enumerate(sightings)}
    seen = np.full(table.num_rows, -1, dtype=np.int64)
    seen[has_header] = groups.map({g: number[s] for g, s in seen_of.items()}).to_numpy()
    is_ct = pc.fill_null(table["is_ct"], False).to_numpy()
    return Census(sightings, seen, is_ct, dates)


def _filled(column: pd.Series, other: pa.ChunkedArray) -> pd.Series:
    """A column of categories whose empty cells are taken from another."""
    empty = (column == "").to_numpy()
    if not empty.any():
        return column
    return column.astype(object).where(~empty, other.to_pandas().astype(object)).astype("category")


def _day(date: str) -> str:
    """A DICOM date as eight digits, empty where there is no such day in the age of CT."""
    digits = date.replace(".", "")[:8]
    try:
        day = datetime.datetime.strptime(digits, "%Y%m%d")
    except ValueError:
        return ""
    return digits if len(digits) == 8 and day.year >= FIRST_CT_YEAR else ""


def divide(
    table: pa.Table,
    census: Census,
    who: Mapping[Seen, Person],
    merged: Mapping[str, str],
    known_sessions: Mapping[tuple[str, str], str],
    sessions: bool,
) -> tuple[list[Scan], list[LeftOut], list[Study]]:
    """Put every file into a scan or leave it out with a reason.

    Args:
        who: person of each sighting; nobody where it is not there.
        merged: pseudonym to the participant that `same_patient.tsv` makes of it.
        known_sessions: (participant, StudyInstanceUID) to session of earlier runs.
        sessions: a scan per study instead of one per patient.
    """
    left = [
        LeftOut(Reason(kind), np.flatnonzero(rows))
        for kind in ("dicomdir", "not_dicom", "unreadable")
        if (rows := pc.equal(table["kind"].cast(pa.string()), kind).to_numpy()).any()
    ]
    odd = _odd_names(table) & (census.seen >= 0)
    names = [
        merged.get(p.pseudonym, p.pseudonym) if (p := who.get(s)) else "" for s in census.sightings
    ]
    nobody = np.array([not name for name in names] + [False])[census.seen] & ~odd
    left += [
        LeftOut(reason, np.flatnonzero(rows))
        for reason, rows in ((Reason.NO_PATIENT, nobody), (Reason.ODD_FILE_NAME, odd))
        if rows.any()
    ]
    seen = np.where(odd | nobody, -1, census.seen)
    files = pd.DataFrame({"row": np.arange(len(seen)), "seen": seen, "is_ct": census.is_ct})
    files = files[files["seen"] >= 0]
    files["participant"] = [names[at] for at in files["seen"]]
    files["study"] = [census.sightings[at].study for at in files["seen"]]
    studies = _number_studies(files, census, known_sessions)
    session_of = {(study.participant_id, study.uid): study for study in studies}
    scans = []
    for participant, own in files.groupby("participant", sort=True):
        if not own["is_ct"].any():
            left.append(LeftOut(Reason.NO_CT, own["row"].to_numpy(), participant))
            continue
        if not sessions:
            scan = Scan(participant, "", own["row"].to_numpy(), studies=own["study"].nunique())
            scans.append(scan)
            continue
        without = []
        parts = []
        for uid, of_study in own.groupby("study", sort=False):
            study = session_of.get((participant, uid))
            if study is None:
                without.append(of_study["row"].to_numpy())
                continue
            rows = of_study["row"].to_numpy()
            scan = Scan(participant, study.session_id, rows, study.days, studies=1)
            if study.days is None:
                scan.warnings.append("no study date")
            parts.append((study.days is None, study.days, study.session_id, scan))
        scans += [part[-1] for part in sorted(parts, key=lambda part: part[:-1])]
        if without:
            left.append(LeftOut(Reason.NO_CT, np.sort(np.concatenate(without)), participant))
    return scans, left, studies


def _odd_names(table: pa.Table) -> np.ndarray:
    paths = table["path"].combine_chunks()
    odd = [pc.match_substring(paths, sign) for sign in ("\n", "\r")]
    return pc.or_(*odd).to_numpy(zero_copy_only=False)


def _number_studies(
    files: pd.DataFrame, census: Census, known: Mapping[tuple[str, str], str]
) -> list[Study]:
    """Studies with CT; new ones are numbered by date after those that have a number."""
    with_ct = files[files["is_ct"]].drop_duplicates(["participant", "study"])
    by_participant = defaultdict(list)
    for participant, uid in zip(with_ct["participant"], with_ct["study"], strict=True):
        by_participant[participant].append(uid)
    taken = defaultdict(set)
    for (participant, _), session in known.items():
        taken[participant].add(session)
    studies = []
    for participant, uids in sorted(by_participant.items()):
        uids.sort(key=lambda uid: (census.dates.get(uid, ("9", "")), uid))
        first = _ordinal(census.dates.get(uids[0]))
        number = 0
        for uid in uids:
            session = known.get((participant, uid))
            while session is None:
                number += 1
                if f"s{number:02d}" not in taken[participant]:
                    session = f"s{number:02d}"
            taken[participant].add(session)
            day = _ordinal(census.dates.get(uid))
            days = None if day is None or first is None else day - first
            date = census.dates.get(uid, ("", ""))[0]
            studies.append(Study(participant, session, uid, date, days))
    return studies


def _ordinal(date: tuple[str, str] | None) -> int | None:
    if date is None:
        return None
    return datetime.datetime.strptime(date[0], "%Y%m%d").toordinal()


def count_series(table: pa.Table, scans: list[Scan]) -> None:
    """Fill in how many series each scan has."""
    for block in _blocks(scans):
        found = headers_of(table, np.concatenate([scan.rows for scan in block]))
        for scan in block:
            headers = [next(found) for _ in range(len(scan.rows))]
            for at, header in enumerate(headers):
                header.file = at
            series = series_of(headers, [1] * len(headers))
            scan.series = len(series)
            scan.ct_series = sum(one.description_class in MEASURABLE for one in series)


def _blocks(scans: list[Scan]) -> Iterator[list[Scan]]:
    block, rows = [], 0
    for scan in scans:
        if block and rows + len(scan.rows) > ROWS_AT_A_TIME:
            yield block
            block, rows = [], 0
        block.append(scan)
        rows += len(scan.rows)
    if block:
        yield block


def patients_per_folder(table: pa.Table, scans: list[Scan]) -> dict[str, int]:
    """Participant to how many share the folder of theirs that most share, themselves included."""
    parents = [path.rpartition(b"/")[0] for path in table["path"].to_pylist()]
    folders, _ = pd.factorize(np.array(parents, dtype=object))
    pairs = {(scan.participant_id, folder) for scan in scans for folder in set(folders[scan.rows])}
    shared = Counter(folder for _, folder in pairs)
    most: dict[str, int] = {}
    for participant, folder in pairs:
        most[participant] = max(most.get(participant, 1), shared[folder])
    return most
