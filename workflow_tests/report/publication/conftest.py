"""Results of one endpoint, made up by hand, for the tests of the publication tables."""

import json

import numpy as np
import pandas as pd
import pytest

from bonecast.report.artefacts import Artefacts

PATIENTS = 60
BLOCKS = {
    "clinical": {"columns": ["age_years", "sex_male", "prior_fracture"]},
    "radiomics": {"columns": [f"rad_{i:02d}" for i in range(70)]},
}
CONFIG = {
    "images": True,
    "backend": "nnunet",
    "radiomics_preset": "bonecast",
    "model": {
        "seed": 3,
        "inner_folds": 4,
        "max_missing": 0.5,
        "winsor_quantile": 0.01,
        "correlation_limit": 0.9,
        "min_robustness": None,
        "harmonise": "none",
        "recalibrate": False,
        "washout_years": 0,
        "thresholds": [0.1],
        "min_events": 10,
    },
}


def frame_of(kind):
    """Sixty patients at two sites: 20 events, 4 deaths."""
    number = np.arange(PATIENTS)
    frame = pd.DataFrame({"participant_id": [f"P{i:02d}" for i in number]})
    frame["site"] = np.where(number % 3 == 0, "b", "a")
    if kind == "survival":
        frame["time_years"] = 1.0 + number % 5
        frame["event"] = np.where(number < 20, 1, np.where(number < 24, 2, 0))
    elif kind == "binary":
        frame["outcome"] = (number < 20).astype(float)
    else:
        frame["outcome"] = 0.8 + 0.01 * (number % 10)
    frame["age_years"] = 60.0 + number % 20
    frame.loc[:2, "age_years"] = np.nan
    frame["sex"] = np.where(number % 4 == 0, "M", "F")
    frame["sex_male"] = (frame["sex"] == "M").astype(float)
    frame["prior_fracture"] = (number % 10 == 0).astype(float)
    for column in BLOCKS["radiomics"]["columns"]:
        frame[column] = np.random.default_rng(int(column[4:])).normal(size=PATIENTS)
    return frame


def predictions_of(frame, endpoint, kind, learner):
    """Held-out predictions of block clinical: those with the event a little higher."""
    case = frame["event"] == 1 if kind == "survival" else frame["outcome"] > 0.5
    base = frame[["participant_id"]].assign(
        endpoint=endpoint, design="repeated_nested_cv", block="clinical", learner=learner, fold=1
    )
    base["horizon_years"] = 3.0 if kind == "survival" else np.nan
    base["lp"] = np.where(case, 0.7, 0.0)
    base["predicted"] = frame["outcome"] * 0.9 if kind == "continuous" else np.where(case, 0.5, 0.3)
    for column in ("time_years", "event", "outcome"):
        base[column] = frame.get(column, np.nan)
    return pd.concat([base.assign(repeat=repeat) for repeat in (1, 2)], ignore_index=True)


KINDS = {
    "fracture": ("survival", "penalised_cox", "c_index"),
    "osteoporosis": ("binary", "penalised_logistic", "auc"),
    "bmd": ("continuous", "penalised_linear", "r2"),
}


def artefacts_of(endpoint="fracture", settings=None, options=None, **changes) -> Artefacts:
    """Results of an endpoint.

    Args:
        settings: keys of settings.json that differ.
        options: keys of the section `model` of the configuration that differ.
        changes: attributes of `Artefacts` that differ.
    """
    kind, learner, headline = KINDS[endpoint]
    frame = frame_of(kind)
    horizons = [1.0, 3.0] if kind == "survival" else []
    blocks = BLOCKS | {
        "multimodal": {"columns": [c for b in BLOCKS.values() for c in b["columns"]]}
    }
    shared = {"endpoint": endpoint, "design": "repeated_nested_cv", "learner": learner}
    shared |= {"horizon_years": max(horizons, default=np.nan), "threshold": np.nan}
    shared |= {"n": PATIENTS, "events": 20, "reference": ""}
    names = [headline, "auc_t", "oe_ratio", "sensitivity", "specificity", "rmse"]
    metrics = [
        shared | {"block": block, "metric": metric, "value": v, "lower": v - 0.1, "upper": v + 0.1}
        for block, v in zip(blocks, (0.61, 0.64, 0.7), strict=True)
        for metric in dict.fromkeys(names)
    ]
    delta = {"block": "radiomics", "metric": f"delta_{headline}", "reference": "clinical"}
    metrics.append(shared | delta | {"value": 0.03, "lower": -0.04, "upper": 0.1})
    groups = [("sex", "F", 0.66, ""), ("sex", "M", np.nan, "fewer than 10 events")]
    subgroups = [
        shared
        | {"block": "multimodal", "metric": headline, "subgroup": group, "level": level}
        | {"value": value, "lower": value - 0.1, "upper": value + 0.1, "note": note}
        for group, level, value, note in groups
    ]
    coefficients = [
        {"endpoint": endpoint, "block": block, "learner": learner, "cause": cause, "term": term}
        | {"coefficient_per_sd": effect, "sd": 2.0, "bootstrap_selection_frequency": 0.9}
        for block, cause, term, effect in (
            ("clinical", endpoint, "age_years", 0.3),
            ("clinical", "death", "age_years", 0.5),
            ("multimodal", endpoint, "age_years", 0.25),
            ("multimodal", endpoint, "rad_00", -0.4),
            ("multimodal", endpoint, "rad_01", 0.0),
        )
    ]
    facts = {
        "status": "ok",
        "detail": "",
        "endpoint": endpoint,
        "kind": kind,
        "estimand": "what is predicted",
        "designs": [
            {"name": "repeated_nested_cv", "folds": 5, "repeats": 2, "patients_held_out": PATIENTS}
        ],
        "learners": [learner],
        "reference": "clinical",
        "blocks": blocks,
        "candidate_parameters": {name: len(block["columns"]) for name, block in blocks.items()},
        "missing_share": {"age_years": 0.05},
        "horizons_years": horizons,
        "warnings": ["rad_69 is constant"],
        "versions": {"scikit-survival": "0.28.0"},
    }
    excluded = [
        {"participant_id": f"X{i}", "stage": "model", "reason": "no_outcome", "detail": ""}
        for i in range(6)
    ]
    values = {
        "settings": facts | (settings or {}),
        "frame": frame,
        "features": {"kind": kind, "scores": []},
        "model": {"format": 2, "models": {"clinical": {}}},
        "model_sha256": "ab" * 32,
        "exclusions": pd.DataFrame(excluded),
        "predictions": predictions_of(frame, endpoint, kind, learner),
        "metrics": pd.DataFrame(metrics),
        "subgroups": pd.DataFrame(subgroups),
        "coefficients": pd.DataFrame(coefficients),
        "config": CONFIG | {"model": CONFIG["model"] | (options or {})},
    }
    return Artefacts(endpoint, **(values | changes))


@pytest.fixture
def artefacts():
    """`artefacts_of`."""
    return artefacts_of


@pytest.fixture
def write_artefacts():
    """`write`."""
    return write


def write(artefacts, folder):
    """The files that `artefacts` would have been read from."""
    folder.mkdir(parents=True)
    for name in ("settings", "features", "model"):
        text = json.dumps(getattr(artefacts, name))
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    artefacts.frame.to_parquet(folder / "analysis_set.parquet", index=False)
    artefacts.predictions.to_parquet(folder / "predictions.parquet", index=False)
    for name in ("exclusions", "metrics", "subgroups", "coefficients"):
        table = getattr(artefacts, name)
        table.to_csv(folder / f"{name}.tsv", sep="\t", index=False, lineterminator="\n")
