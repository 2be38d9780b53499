"""What each endpoint reads from the clinical table, and the outcome it makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import pandas as pd

from bonecast.cohort import CohortError
from bonecast.model.admission import NUMBER, Cells, numbers, time_in, who
from bonecast.reasons import Reason

FRACTURE, OSTEOPOROSIS, BMD = "fracture", "osteoporosis", "bmd"

YEARS = {"years": 1.0, "months": 1 / 12, "days": 1 / 365.25}
"""Length of a unit of time in years."""

ONE_DAY_YEARS = 1 / 365.25
"""Times that differ by no more are taken as the same: tables round them."""

WHO_T_SCORE = -2.5
"""Osteoporosis: a T-score of this or less (Kanis et al., J Bone Miner Res 1994;9:1137, for WHO)."""

QCT_CLASS, QCT_REASON, QCT_OSTEOPOROSIS = "vbmd_class_qct", "vbmd_class_reason", "osteoporosis"
"""Columns of the scans, and the class below 80 mg/cm3: see measure/calibration/vbmd.py."""

KNOWN_LATER = ("time", "event", "death_time")
"""Columns that say what came after the scan: never a feature."""

EVENTS = ("censored", "fracture", "death")
"""Words of `event_codes`, in the order of the codes 0, 1, 2 of an analysis set."""


@dataclass(frozen=True)
class ColumnNames:
    """What the columns with a meaning of their own are called in the user's table.

    None for a column that the table does not have; one that is named must be there, those of an
    endpoint only where it is modelled.
    """

    participant_id: str | None = "participant_id"
    time: str = "time_years"
    event: str = "event"
    death_time: str | None = None
    age_years: str | None = "age_years"
    sex: str | None = "sex"
    site: str | None = None
    entry: str | None = None
    osteoporosis: str | None = "osteoporosis"
    dxa_t_score: str | None = "dxa_t_score"
    bmd: str | None = "bmd"

    @classmethod
    def of(cls, columns: Mapping[str, str | None]) -> "ColumnNames":
        """From `model.columns` of the configuration; what it lacks has its default."""
        return cls(**{f.name: columns[f.name] for f in fields(cls) if f.name in columns})

    def later(self) -> list[str]:
        """Columns of `KNOWN_LATER` that are named."""
        return [name for role in KNOWN_LATER if (name := getattr(self, role))]

    def own(self) -> set[str]:
        """Every column with a meaning of its own but age and sex: no feature unless asked for."""
        return {getattr(self, f.name) for f in fields(self)} - {self.age_years, self.sex, None}


def is_of_scans(endpoint: str, settings: Mapping) -> bool:
    """Whether the outcome is measured in the scans and not read from a table."""
    return endpoint == OSTEOPOROSIS and settings["osteoporosis_from"] == "qct"


def label_columns(endpoint: str, names: ColumnNames, settings: Mapping) -> list[str]:
    """Columns that hold the outcome itself, so that to predict from them is to look it up."""
    if endpoint == FRACTURE:
        return names.later()
    labels = [names.bmd] if endpoint == BMD else [names.osteoporosis]
    if endpoint == OSTEOPOROSIS and settings["osteoporosis_from"] == "dxa":
        labels.append(names.dxa_t_score)
    return [*names.later(), *(label for label in labels if label)]


def outcome_cells(endpoint: str, names: ColumnNames, settings: Mapping) -> dict[str, Cells]:
    """Columns that the outcome is read from, and what they may hold.

    Raises:
        CohortError: the configuration names no such column.
    """
    if endpoint == FRACTURE:
        time = time_in(settings["time_unit"])
        codes = _codes(settings["event_codes"])
        words = ", ".join(f"{settings['event_codes'][word]} ({word})" for word in EVENTS)
        event = Cells(lambda cells: cells.map(_canonical).isin(codes), f"{words}, or empty")
        death = {names.death_time: time} if names.death_time else {}
        return {names.time: time, names.event: event} | death
    role = endpoint
    if is_of_scans(endpoint, settings):
        return {}
    if endpoint == OSTEOPOROSIS:
        role = "dxa_t_score" if settings["osteoporosis_from"] == "dxa" else OSTEOPOROSIS
    name = getattr(names, role)
    if name is None:
        raise CohortError(
            f"model.columns.{role} is null, and the endpoint {endpoint} is read from it: name the"
            " column of the table"
        )
    if role == OSTEOPOROSIS:
        return {name: Cells(lambda c: numbers(c).isin([0, 1]), "1 or 0, yes or no, or empty")}
    return {name: NUMBER}


def contradictions(
    text: pd.DataFrame, endpoint: str, names: ColumnNames, settings: Mapping, identifier: str
) -> list[str]:
    """Problems between the columns of one patient: a fracture after death, two times of death."""
    if endpoint != FRACTURE or not names.death_time:
        return []
    event = _event(text[names.event], settings)
    cells = {"time": text[names.time], "death": text[names.death_time]}
    time, death = (pd.to_numeric(column, errors="coerce") for column in cells.values())
    unit = settings["time_unit"]
    later = (time - death) * YEARS[unit] > ONE_DAY_YEARS
    apart = (time - death).abs() * YEARS[unit] > ONE_DAY_YEARS
    lines = []
    for line in text.index[(event == 1) & later]:
        lines.append(
            f"{who(text, line, identifier)}, {names.time}: a fracture at {cells['time'][line]}"
            f" {unit}, after death at {cells['death'][line]} ({names.death_time})"
        )
    for line in text.index[(event == 2) & apart]:
        lines.append(
            f"{who(text, line, identifier)}, {names.time}: a death at {cells['time'][line]}"
            f" {unit}, but {names.death_time} says {cells['death'][line]}"
        )
    return lines


def read_outcome(
    text: pd.DataFrame, endpoint: str, names: ColumnNames, settings: Mapping
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The outcome of each patient, and why some have none.

    Args:
        text: a table that was found without problems.

    Returns:
        `time_years` and `event`, or `outcome`, one row per row of the table; and `reason` and
        `detail`, reason empty for those who can be modelled.
    """
    if endpoint == FRACTURE:
        return _follow_up(text, names, settings)
    if endpoint == OSTEOPOROSIS and settings["osteoporosis_from"] == "dxa":
        score = numbers(text[names.dxa_t_score])
        value = (score <= WHO_T_SCORE).astype(float).where(score.notna())
        return _labelled(value, names.dxa_t_score)
    name = names.bmd if endpoint == BMD else names.osteoporosis
    return _labelled(numbers(text[name]), name)


def qct_outcome(scans: pd.DataFrame, participants: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The diagnosis by the scan's QCT class: as from `read_outcome`.

    Args:
        scans: the table of scans, indexed by participant.
    """
    rows = scans.reindex(participants).set_axis(participants.index)
    empty = pd.Series(None, rows.index, dtype=object)
    classes, why = rows.get(QCT_CLASS, empty), rows.get(QCT_REASON, empty)
    value = (classes == QCT_OSTEOPOROSIS).astype(float).where(classes.notna())
    outcome, left_out = _labelled(value, QCT_CLASS)
    unclassed = left_out["reason"] != ""
    left_out.loc[unclassed, "detail"] += ": " + why[unclassed].fillna("not measured").astype(str)
    return outcome, left_out


def _labelled(value: pd.Series, column: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    empty = value.isna()
    left_out = pd.DataFrame({"reason": "", "detail": ""}, index=value.index, dtype=object)
    left_out.loc[empty] = [str(Reason.NO_OUTCOME), f"{column} empty"]
    return value.to_frame("outcome"), left_out


def _follow_up(
    text: pd.DataFrame, names: ColumnNames, settings: Mapping
) -> tuple[pd.DataFrame, pd.DataFrame]:
    unit = YEARS[settings["time_unit"]]
    time = pd.to_numeric(text[names.time]).astype(float) * unit
    event = _event(text[names.event], settings)
    if names.death_time:
        death = pd.to_numeric(text[names.death_time]).astype(float) * unit
        # Last seen when or after they died: it was the death that ended the follow-up.
        died = (event == 0) & (death <= time + ONE_DAY_YEARS)
        event, time = event.mask(died, 2), time.mask(died, death)
    left_out = pd.DataFrame({"reason": "", "detail": ""}, index=text.index, dtype=object)
    missing = pd.DataFrame({names.time: time.isna(), names.event: event.isna()})
    for line in text.index[missing.any(axis=1)]:
        detail = " and ".join(missing.columns[missing.loc[line]]) + " empty"
        left_out.loc[line] = [str(Reason.NO_OUTCOME), detail]
    early = (event == 1) & (time <= settings["washout_years"]) & (settings["washout_years"] > 0)
    for line in text.index[early]:
        detail = f"fracture at {text.loc[line, names.time]} {settings['time_unit']}"
        left_out.loc[line] = [str(Reason.WASHOUT), detail]
    at_once = (time == 0) & event.notna() & ~early
    left_out.loc[at_once] = [str(Reason.NO_FOLLOW_UP), f"{names.time} is 0"]
    return pd.DataFrame({"time_years": time, "event": event}), left_out


def _event(cells: pd.Series, settings: Mapping) -> pd.Series:
    """0, 1, 2 as in an analysis set; NaN where empty."""
    return cells.map(_canonical).map(_codes(settings["event_codes"])).astype(float)


def _codes(event_codes: Mapping[str, int | str]) -> dict[str, int]:
    return {_canonical(str(event_codes[word])): code for code, word in enumerate(EVENTS)}


def _canonical(cell: str) -> str:
    """A code as it is compared: 1, 1.0 and "01" are one, and words differ by no case."""
    try:
        return repr(float(cell))
    except ValueError:
        return cell.strip().casefold()


def leaks(columns: Sequence[str], endpoint: str, names: ColumnNames, settings: Mapping) -> list:
    """Lines on features that hold the outcome of this endpoint."""
    labels = label_columns(endpoint, names, settings)
    what = "known only after the scan"
    return [
        f"column {column} is a feature of the endpoint {endpoint} and "
        + (what if column in names.later() else "what its outcome is read from")
        + ": take it out of model.block_columns, or model this endpoint in a configuration of its"
        " own"
        for column in dict.fromkeys(columns)
        if column in labels
    ]
