"""What looks odd about an analysis set: told, and left for a person to judge."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from bonecast.model.aggregate import MARK
from bonecast.model.outcome import BINARY, CONTINUOUS, SURVIVAL, Outcome

FEW_PER_SITE = 10

PERFECT_AUC = 0.995
PERFECT_CORRELATION = 0.995
PERFECT_CONCORDANCE = 0.98
"""A single column that tells the outcome this well, in either direction, is likely made of it."""

UPSIDE_DOWN = 0.45
"""A supplied score that tells the outcome worse than this is likely given the wrong way round."""

EVENTS_FOR_PERFECT = 20
"""Fewer events or patients can be told apart so well by chance."""

EVENTS_LOOKED_AT = 50
"""Fractures, evenly drawn over time, by which concordance of every column is judged."""

MOST_NAMED = 10


def doubts(
    frame: pd.DataFrame, outcome: Outcome, blocks: Mapping[str, Sequence[str]], settings: Mapping
) -> list[str]:
    """Sentences on columns and sites that a person should look at.

    Args:
        frame: the analysis set.
        outcome: of the same patients.
        blocks: columns of each block.
        settings: keys `blocks`, `max_missing`, `reference` of the configuration.
    """
    lines = []
    left_out = [b for b in settings["blocks"] if b not in (*blocks, "multimodal")]
    if left_out:
        lines.append(f"blocks without any column are left out: {', '.join(left_out)}")
    if settings["reference"] not in settings["blocks"] or settings["reference"] in left_out:
        lines.append(f"the reference block {settings['reference']} is not modelled")
    if not len(frame):
        return lines
    block_of = {c: block for block, members in reversed(blocks.items()) for c in members}
    # Levels that few scans show are no mistake.
    whole = [column for column in block_of if MARK not in column]
    x = frame[whole].to_numpy(float)
    lines += _values(x, whole, block_of, settings["max_missing"])
    lines += _perfect(x, whole, block_of, outcome)
    lines += _sites(frame["site"], outcome)
    if "entry" in frame and frame["entry"].isna().any():
        lines.append(
            f"{frame['entry'].isna().sum()} patients have no time of entry: a temporal split has"
            " them in neither part"
        )
    if outcome.kind == SURVIVAL and not (outcome.event == 2).any():
        lines.append("nobody died before a fracture: there is no competing event in these data")
    return lines


def upside_down(frame: pd.DataFrame, outcome: Outcome, signs: Mapping[str, int]) -> list[str]:
    """Sentences on supplied scores whose high values go with low risk.

    Args:
        frame, outcome: as of `doubts`.
        signs: of each score: -1 where it is known that its low values are the risky ones.
    """
    if outcome.kind == CONTINUOUS or not signs or not len(frame):
        return []
    x = frame[list(signs)].to_numpy(float) * np.array(list(signs.values()))
    if outcome.kind == BINARY:
        what, tells = "AUC", _aucs(x, outcome.value == 1)
    else:
        what, tells = "concordance", _concordances(x, outcome)
    return [
        f"score {score}: {'low' if sign < 0 else 'high'} values, taken for the risky ones, go with"
        f" low risk ({what} {value:.2f}):"
        + (" take it out of" if sign < 0 else " name it in")
        + " model.reversed_scores if that is not how it is meant"
        for (score, sign), value in zip(signs.items(), tells, strict=True)
        if value < UPSIDE_DOWN
    ]


def _values(
    x: np.ndarray, columns: Sequence[str], block_of: Mapping[str, str], max_missing: float
) -> list[str]:
    missing = np.isnan(x).mean(axis=0)
    known = [x[~np.isnan(x[:, i]), i] for i in range(x.shape[1])]
    constant = [len(values) > 0 and np.ptp(values) == 0 for values in known]
    where = [f"{column} ({block_of[column]})" for column in columns]
    groups = {
        "missing in every patient, so not used": missing == 1,
        f"missing in more than {max_missing:.0%} of patients, so dropped where that holds in the"
        " training fold": (missing > max_missing) & (missing < 1),
        "the same in every patient, so not used": np.array(constant, dtype=bool),
    }
    lines = [
        f"columns {what}: {_named([w for w, is_so in zip(where, those, strict=True) if is_so])}"
        for what, those in groups.items()
        if those.any()
    ]
    seen: dict[bytes, str] = {}
    twins = []
    for i, column in enumerate(columns):
        first = seen.setdefault(np.nan_to_num(x[:, i], nan=np.inf).tobytes(), column)
        if first != column and missing[i] < 1 and not constant[i]:
            twins.append(f"{first} and {column}")
    return lines + ([f"identical columns: {_named(twins)}"] if twins else [])


def _perfect(
    x: np.ndarray, columns: Sequence[str], block_of: Mapping[str, str], outcome: Outcome
) -> list[str]:
    if outcome.kind == CONTINUOUS:
        tells, limit, what = _correlations(x, outcome.value), PERFECT_CORRELATION, "correlation"
    elif outcome.kind == BINARY:
        tells, limit, what = _aucs(x, outcome.value == 1), PERFECT_AUC, "AUC"
        tells = np.maximum(tells, 1 - tells)
    else:
        tells, limit, what = _concordances(x, outcome), PERFECT_CONCORDANCE, "concordance"
        tells = np.maximum(tells, 1 - tells)
    return [
        f"column {column} ({block_of[column]}) alone tells the outcome: {what} {value:.3f}; is it"
        " made of the outcome, or known only later?"
        for column, value in zip(columns, tells, strict=True)
        if value > limit
    ]


def _correlations(x: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Absolute correlation of each column with a number, over those who have both."""
    out = np.zeros(x.shape[1])
    for i in range(x.shape[1]):
        known = ~np.isnan(x[:, i])
        column, of = x[known, i], value[known]
        if len(of) >= EVENTS_FOR_PERFECT and np.ptp(column) > 0 and np.ptp(of) > 0:
            out[i] = abs(np.corrcoef(column, of)[0, 1])
    return out


def _aucs(x: np.ndarray, diagnosis: np.ndarray) -> np.ndarray:
    """AUC of each column over those who have it; one half where too few have."""
    out = np.full(x.shape[1], 0.5)
    for i in range(x.shape[1]):
        known = ~np.isnan(x[:, i])
        ill = diagnosis[known]
        n, others = ill.sum(), (~ill).sum()
        if min(n, others) >= EVENTS_FOR_PERFECT:
            ranks = rankdata(x[known, i])
            out[i] = (ranks[ill].sum() - n * (n + 1) / 2) / (n * others)
    return out


def _concordances(x: np.ndarray, outcome: Outcome) -> np.ndarray:
    """Harrell's concordance of each column by some of the fractures; one half of too few."""
    fractures = np.flatnonzero(outcome.event == 1)
    if len(fractures) < EVENTS_FOR_PERFECT:
        return np.full(x.shape[1], 0.5)
    fractures = fractures[np.argsort(outcome.time[fractures], kind="stable")]
    step = max(1, len(fractures) // EVENTS_LOOKED_AT)
    higher, pairs = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for patient in fractures[::step]:
        later = x[outcome.time > outcome.time[patient]]
        known = ~np.isnan(later) & ~np.isnan(x[patient])
        higher += ((x[patient] > later) & known).sum(axis=0)
        higher += 0.5 * ((x[patient] == later) & known).sum(axis=0)
        pairs += known.sum(axis=0)
    return np.divide(higher, pairs, out=np.full(x.shape[1], 0.5), where=pairs > 0)


def _sites(site: pd.Series, outcome: Outcome) -> list[str]:
    noun = {SURVIVAL: "fractures", BINARY: "diagnoses"}.get(outcome.kind)
    events = pd.Series(outcome.event == 1, index=site.index).groupby(site)
    counts = events.agg(["size", "sum"])
    counts = counts[counts.index != ""]
    lines = [
        f"site {name}: no {noun} among {row['size']} patients"
        for name, row in counts.iterrows()
        if noun and row["sum"] == 0
    ]
    lines += [
        f"site {name}: {row['size']} patients, fewer than {FEW_PER_SITE}"
        for name, row in counts.iterrows()
        if row["size"] < FEW_PER_SITE
    ]
    unknown = int((site == "").sum())
    if len(counts) and unknown:
        lines.append(f"{unknown} patients are of unknown site")
    return lines


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
