"""What of an analysis set can be modelled: blocks, horizons, and whether there is enough of it."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bonecast.model import MULTIMODAL
from bonecast.model.doubts import doubts, upside_down
from bonecast.model.harmonise import why_not
from bonecast.model.outcome import BINARY, CONTINUOUS, KINDS, SURVIVAL, Outcome

DEATH_COLUMNS = ("age_years", "sex_male")
"""Features of the death model, those of them that the table has."""

MIN_EVENTS_PER_FOLD = 2

MIN_AT_RISK = 0.1
"""A horizon needs this share of patients followed beyond it, or its risks are extrapolated."""

NOUNS = {SURVIVAL: "fractures", BINARY: "diagnoses", CONTINUOUS: "patients"}
"""What is counted as events of each kind of outcome."""


IMPLAUSIBLE_YEARS = 60
"""Nobody is followed this long after a CT: days or months were taken for years."""


class TooSmall(Exception):
    """The cohort does not carry the design; the message says what is lacking."""


def describe_features(analysis, endpoint: str, settings: Mapping) -> dict:
    """Content of features.json; data that are merely poor are described, never an exception.

    Args:
        analysis: a `cohort.AnalysisSet`.
        settings: keys `blocks`, `reference`, `horizons_years`, `folds`, `min_events`,
            `max_missing`, `harmonise`, `reversed_scores`, `columns` of the configuration's section
            `model`.
    """
    frame, blocks = analysis.frame, analysis.blocks
    kind = KINDS[endpoint]
    outcome = Outcome.of(frame, kind)
    wanted = sorted(settings["horizons_years"]) if kind == SURVIVAL else []
    turned = {*settings["reversed_scores"], settings["columns"]["dxa_t_score"]}
    signs = {score: -1 if score in turned else 1 for score in analysis.scores}
    warnings = [*analysis.warnings, *doubts(frame, outcome, blocks, settings)]
    warnings += upside_down(frame, outcome, signs)
    status, detail, horizons = "ok", "", tuple(wanted)
    try:
        check_size(outcome, blocks, settings)
        if settings["harmonise"] != "none":
            check_sites(frame)
        if kind == SURVIVAL:
            horizons = usable_horizons(outcome, wanted)
            warnings += [why_dropped(outcome, t) for t in wanted if t not in horizons]
    except TooSmall as reason:
        status, detail = "not_fitted", str(reason)
    names = [*blocks, *([MULTIMODAL] if MULTIMODAL in settings["blocks"] else [])]
    reference = settings["reference"]
    return {
        "status": status,
        "detail": detail,
        "endpoint": endpoint,
        "kind": kind,
        "blocks": {name: list(columns) for name, columns in blocks.items()},
        "scores": list(analysis.scores),
        "reversed_scores": [score for score, sign in signs.items() if sign < 0],
        "horizons_years": list(horizons),
        "horizons_dropped_years": [t for t in wanted if t not in horizons],
        # Of the death model, and what harmonising protects whatever is predicted.
        "death_columns": [
            c
            for c in DEATH_COLUMNS
            if c in frame and (kind == SURVIVAL or settings["harmonise"] != "none")
        ],
        "reference": reference if reference in names else (names or [""])[0],
        "renamed": dict(analysis.renamed),
        "warnings": warnings,
    }


def check_size(outcome: Outcome, blocks: Mapping[str, Sequence[str]], settings: Mapping) -> None:
    """Whether there is anything to validate.

    Args:
        settings: keys `folds` and `min_events`.

    Raises:
        TooSmall: there is not, and why.
    """
    n, events, what = len(outcome), outcome.n_events, NOUNS[outcome.kind]
    needed = max(settings["min_events"], MIN_EVENTS_PER_FOLD * settings["folds"])
    if not any(blocks.values()):
        raise TooSmall("no block has any column")
    if n == 0:
        raise TooSmall("no patient is left: exclusions.tsv says why")
    if outcome.kind != CONTINUOUS and events == 0:
        raise TooSmall(_none(outcome))
    if outcome.kind != CONTINUOUS and events == n:
        raise TooSmall(f"one class only: all {n} patients are among the {what}")
    if events < needed:
        of = "" if outcome.kind == CONTINUOUS else f" among {n} patients"
        raise TooSmall(f"{events} {what}{of}; at least {needed} are needed")
    if outcome.kind == CONTINUOUS and np.ptp(outcome.value) == 0:
        raise TooSmall(f"all {n} patients have the same value: there is nothing to predict")
    if outcome.kind == BINARY and n - events < needed:
        raise TooSmall(
            f"{n - events} patients without the diagnosis among {n}; at least {needed} are needed"
        )


def check_sites(frame: pd.DataFrame) -> None:
    """Whether sites can be harmonised.

    Raises:
        TooSmall: they cannot, and why.
    """
    sites = frame["site"].fillna("").to_numpy(str) if "site" in frame else np.array([""])
    reason = why_not(sites)
    if reason:
        raise TooSmall(reason)


def _none(outcome: Outcome) -> str:
    n = len(outcome)
    if outcome.kind == BINARY:
        return f"one class only: 0 diagnoses among {n} patients"
    deaths = int((outcome.event == 2).sum())
    if not deaths:
        return f"all {n} patients are censored: 0 fractures"
    return f"0 fractures among {n} patients, {deaths} of whom died"


def usable_horizons(outcome: Outcome, horizons: Sequence[float]) -> tuple[float, ...]:
    """Horizons after the first fracture with patients enough followed beyond them.

    Raises:
        TooSmall: there is none.
    """
    usable = tuple(t for t in horizons if _is_usable(outcome, t))
    if not usable:
        raise TooSmall(
            f"no horizon of {list(horizons)} years lies after the first fracture"
            f" ({_first(outcome):.2f} years) with {MIN_AT_RISK:.0%} of patients followed beyond it"
            f" ({_longest(outcome)})"
        )
    return usable


def why_dropped(outcome: Outcome, horizon: float) -> str:
    """Why a horizon is none of `usable_horizons`."""
    if horizon < _first(outcome):
        return (
            f"horizon of {horizon:g} years dropped: the first fracture is at"
            f" {_first(outcome):.2f} years"
        )
    share = (outcome.time > horizon).mean()
    return (
        f"horizon of {horizon:g} years dropped: {share:.1%} of patients are followed beyond it,"
        f" {MIN_AT_RISK:.0%} are needed ({_longest(outcome)})"
    )


def _longest(outcome: Outcome) -> str:
    longest = float(outcome.time.max())
    doubt = "; is model.time_unit right?" if longest > IMPLAUSIBLE_YEARS else ""
    return f"longest follow-up {longest:.2f} years{doubt}"


def _is_usable(outcome: Outcome, horizon: float) -> bool:
    followed = (outcome.time > horizon).mean() >= MIN_AT_RISK
    return bool(horizon >= _first(outcome) and followed)


def _first(outcome: Outcome) -> float:
    return float(outcome.time[outcome.event == 1].min())
