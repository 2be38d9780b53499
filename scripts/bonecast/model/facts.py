"""What a methods section needs of the models, as plain values: settings.json."""

from collections.abc import Mapping

import pandas as pd

from bonecast.model import OPTIMISM, metrics
from bonecast.model.aggregate import n_features
from bonecast.model.learners import learners_of
from bonecast.model.outcome import CONTINUOUS, SURVIVAL, Outcome
from bonecast.model.saved import PACKAGES
from bonecast.model.validate import layouts_of
from bonecast.versions import package_versions

ESTIMANDS = {
    "fracture": "time to first fracture with death as competing event; time zero is the scan",
    "osteoporosis": "osteoporosis at the time of the scan",
    "bmd": "bone mineral density at the time of the scan",
}


def study_facts(
    frame: pd.DataFrame, features: Mapping, predictions: pd.DataFrame, settings: Mapping
) -> dict:
    """Content of settings.json.

    Args:
        frame: the analysis set.
        features: content of features.json.
        predictions: of all designs (columns: `designs.PREDICTION_COLUMNS`).
        settings: options of rule judge_models.
    """
    kind = features["kind"]
    outcome = Outcome.of(frame, kind)
    layouts = layouts_of(features["blocks"], settings["blocks"])
    candidates = {name: n_features(layout.names) for name, layout in layouts.items()}
    events = outcome.n_events
    horizons = features["horizons_years"]
    designs = _designs(predictions, settings)
    warnings = list(features["warnings"])
    if features["status"] == "ok":
        warnings += [
            f"design {design['name']}: nobody could be held out, so it tells nothing; the log of"
            " validate_models says why"
            for design in designs
            if not design["patients_held_out"]
        ]
    missing = frame[[c for c in frame if c != "site"]].isna().mean()
    return {
        "status": features["status"],
        "detail": features["detail"],
        "endpoint": features["endpoint"],
        "kind": kind,
        "estimand": ESTIMANDS[features["endpoint"]],
        "cohort": _cohort(outcome),
        "designs": designs,
        "design": {
            "folds": settings["folds"],
            "repeats": settings["repeats"],
            "inner_folds": settings["inner_folds"],
            "stratified_by": "event type" if kind == SURVIVAL else "outcome",
            "seed": settings["seed"],
            "bootstrap": settings["bootstrap"],
        },
        "learners": list(learners_of(kind, tuple(settings["learners"]))),
        "reference": features["reference"],
        "blocks": {name: {"columns": list(layout.names)} for name, layout in layouts.items()},
        "scores": features["scores"],
        "reversed_scores": features.get("reversed_scores", []),
        "death_model_columns": features["death_columns"] if kind == SURVIVAL else [],
        "candidate_parameters": candidates,
        "events_per_candidate_parameter": {
            name: events / count if count else None for name, count in candidates.items()
        },
        "missing_share": {name: share for name, share in missing.items() if share > 0},
        "horizons_years": horizons,
        "horizons_dropped_years": features["horizons_dropped_years"],
        "tau_years": horizons[-1] if horizons else None,
        "thresholds": settings["thresholds"],
        "warnings": warnings,
        "definitions": metrics.DEFINITIONS,
        "versions": package_versions(PACKAGES),
    }


def _cohort(outcome: Outcome) -> dict:
    """Patients counted by outcome."""
    counts = {"patients": len(outcome)}
    if outcome.kind == CONTINUOUS:
        return counts
    if outcome.kind != SURVIVAL:
        return counts | {"diagnoses": outcome.n_events}
    return counts | {
        "fractures": outcome.n_events,
        "deaths": int((outcome.event == 2).sum()),
        "censored": int((outcome.event == 0).sum()),
        "person_years": float(outcome.time.sum()),
        "longest_follow_up_years": float(outcome.time.max()) if len(outcome) else None,
    }


def _designs(predictions: pd.DataFrame, settings: Mapping) -> list[dict]:
    """Every design asked for, with the patients it held out; none where it was not possible."""
    wanted = [d for d in settings["designs"] if d != OPTIMISM]
    present = list(dict.fromkeys([*wanted, *predictions["design"]]))
    return [
        {
            "name": name,
            "folds": int(part["fold"].nunique()),
            "repeats": int(part["repeat"].nunique()),
            "patients_held_out": int(part["participant_id"].nunique()),
        }
        for name in present
        for part in [predictions[predictions["design"] == name]]
    ]
