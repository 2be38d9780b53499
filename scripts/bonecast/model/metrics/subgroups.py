"""Metrics of parts of the patients: by sex, age, site, scanner and contrast."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from bonecast.model.metrics.candidates import Candidate, Sample
from bonecast.model.metrics.definitions import IN_SUBGROUPS
from bonecast.model.metrics.measure import Values, measure
from bonecast.model.outcome import CONTINUOUS, SURVIVAL

AGE_BAND = "age_band"
UNKNOWN = "unknown"


def age_bands(age_years: pd.Series, starts: Sequence[float]) -> pd.Series:
    """A label per patient: `<65`, `65-74`, `>=75` for bands that start at 65 and 75 years."""
    edges = [-np.inf, *starts, np.inf]
    inner = [
        f"{low:g}-{high - 1:g}" if float(high).is_integer() else f"{low:g} to <{high:g}"
        for low, high in zip(starts[:-1], starts[1:], strict=True)
    ]
    labels = [f"<{starts[0]:g}", *inner, f">={starts[-1]:g}"]
    return pd.cut(age_years, edges, right=False, labels=labels).astype(object)


def levels_of(frame: pd.DataFrame, names: Sequence[str], starts: Sequence[float]) -> dict:
    """Level of each patient in each subgroup: name to an array of text, shape (patients,).

    Args:
        frame: analysis set; a subgroup it has no column of, or all of one level, is left out.
        names: `sex`, `site`, ... or `age_band`, made from `age_years`.
        starts: years at which an age band begins, ascending.
    """
    found = {}
    for name in names:
        column = frame.get(name)
        if name == AGE_BAND and column is None and "age_years" in frame and len(starts):
            column = age_bands(frame["age_years"].astype(float), starts)
        if column is not None and len(column):
            text = column.astype(object).where(column.notna(), "").astype(str)
            if (text != text.iloc[0]).any():
                found[name] = text.replace("", UNKNOWN).to_numpy(dtype=object)
    return found


def measure_subgroups(
    candidate: Candidate, sample: Sample, levels: Mapping[str, np.ndarray], min_events: int
) -> Iterator[tuple[str, str, Sample, Values, str]]:
    """Metrics in each level of each subgroup.

    Weights for censoring are estimated within the level, and pairs formed within it and a fold.

    Args:
        candidate, sample: of the same patients.
        levels: from `levels_of`, of the same patients.
        min_events: levels with fewer events by the last horizon are suppressed.

    Yields:
        subgroup, level, the sample of the level, values (NaN where suppressed), note.
    """
    names = IN_SUBGROUPS[sample.kind]
    last = sample.horizons[-1] if sample.kind == SURVIVAL else None
    for subgroup, level_of in levels.items():
        for level in sorted(set(level_of), key=_place):
            members = level_of == level
            part = sample.take(members)
            if part.events_by(sample.horizons[-1]) < min_events:
                what = "patients" if sample.kind == CONTINUOUS else "events"
                note = f"fewer than {min_events} {what}"
                empty = np.full(1, np.nan)
                yield subgroup, level, part, dict.fromkeys(_keys(candidate, sample), empty), note
                continue
            values = measure(candidate.take(members), part, only=names)
            at_last = {key: value for key, value in values.items() if key[1] in (None, last)}
            yield subgroup, level, part, at_last, ""


def _place(level: str) -> tuple:
    """Where a level stands: the youngest band first, the oldest after the others, unknown last."""
    return level == UNKNOWN, {"<": 0, ">": 2}.get(level[0], 1), level


def _keys(candidate: Candidate, sample: Sample) -> list:
    """Keys that `measure` would give at the last horizon."""
    ranking = ("c_index", "auc_t", "auc")
    last = sample.horizons[-1] if sample.kind == SURVIVAL else None
    if candidate.supplied and sample.kind == CONTINUOUS:
        return []
    return [
        (name, None if name == "c_index" else last, None)
        for name in IN_SUBGROUPS[sample.kind]
        if not candidate.supplied or name in ranking
    ]
