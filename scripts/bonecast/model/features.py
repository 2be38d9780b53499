"""What of an analysis set can be modelled: blocks, horizons, and whether there is enough of it."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bonecast.model.outcome import CONTINUOUS, KINDS, SURVIVAL, Outcome

MULTIMODAL = "multimodal"
"""Name of the block that is all others together."""

DEATH_COLUMNS = ("age_years", "sex_male")
"""Features of the death model, those of them that the table has."""

MIN_EVENTS_PER_FOLD = 2

MIN_AT_RISK = 0.1
"""A horizon needs this share of patients followed beyond it, or its risks are extrapolated."""


class TooSmall(Exception):
    """The cohort does not carry the design; the message says what is lacking."""


def describe_features(
    frame: pd.DataFrame,
    endpoint: str,
    blocks: Mapping[str, Sequence[str]],
    scores: Sequence[str],
    renamed: Mapping[str, str],
    settings: Mapping,
) -> dict:
    """Content of features.json.

    Args:
        frame: the analysis set.
        blocks: columns of each block, without `multimodal`.
        settings: the section `model` of the configuration.
    """
    kind = KINDS[endpoint]
    outcome = Outcome.of(frame, kind)
    wanted = sorted(settings["horizons_years"]) if kind == SURVIVAL else []
    status, detail, horizons = "ok", "", tuple(wanted)
    try:
        _check_size(outcome, blocks, settings)
        if kind == SURVIVAL:
            horizons = usable_horizons(outcome, wanted)
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
        "scores": list(scores),
        "horizons_years": list(horizons),
        "horizons_dropped_years": [t for t in wanted if t not in horizons],
        "death_columns": [c for c in DEATH_COLUMNS if c in frame] if kind == SURVIVAL else [],
        "reference": reference if reference in names else (names or [""])[0],
        "renamed": dict(renamed),
        "warnings": [],
    }


def _check_size(outcome: Outcome, blocks: Mapping, settings: Mapping) -> None:
    """Raises TooSmall: nothing can be validated, and why."""
    n, events, folds = len(outcome), outcome.n_events, settings["folds"]
    noun = {"survival": "fractures", "binary": "diagnoses", "continuous": "patients"}
    what = noun[outcome.kind]
    needed = max(settings["min_events"], MIN_EVENTS_PER_FOLD * folds)
    if not any(blocks.values()):
        raise TooSmall("no block has any column")
    if events < needed:
        raise TooSmall(f"{events} {what} among {n} patients; at least {needed} are needed")
    if outcome.kind == CONTINUOUS:
        if np.ptp(outcome.value) == 0:
            raise TooSmall("every patient has the same value: there is nothing to predict")
        return
    if events == n:
        raise TooSmall(f"every patient is among the {what}: there is nobody to compare with")
    if outcome.kind != SURVIVAL and n - events < needed:
        raise TooSmall(f"{n - events} patients without the diagnosis; at least {needed} are needed")


def usable_horizons(outcome: Outcome, horizons: Sequence[float]) -> tuple[float, ...]:
    """Horizons after the first fracture with patients enough followed beyond them.

    Raises:
        TooSmall: there is none.
    """
    time = outcome.time
    first = time[outcome.event == 1].min()
    usable = tuple(t for t in horizons if t >= first and (time > t).mean() >= MIN_AT_RISK)
    if not usable:
        raise TooSmall(
            f"no horizon of {list(horizons)} years lies after the first fracture"
            f" ({first:.2f} years) with {MIN_AT_RISK:.0%} of patients followed beyond it"
            f" (longest follow-up {time.max():.2f} years)"
        )
    return usable
