"""What can be modelled of an analysis set, and what is told of one that cannot, or looks odd."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bonecast.model.cohort import AnalysisSet
from bonecast.model.features import describe_features

SETTINGS = {
    "blocks": ["clinical", "hu", "multimodal"],
    "reference": "clinical",
    "horizons_years": [2, 5, 1],
    "folds": 5,
    "min_events": 10,
    "max_missing": 0.5,
    "harmonise": "none",
    "reversed_scores": [],
    "columns": {"dxa_t_score": "dxa_t_score"},
}
BLOCKS = {"clinical": ["age_years"], "hu": ["hu"]}


def followed(events, seed=1, **columns) -> AnalysisSet:
    """Patients with the given events at times spread over six years."""
    rng = np.random.default_rng(seed)
    n = len(events)
    frame = pd.DataFrame(
        {
            "participant_id": [f"P{i}" for i in range(n)],
            "site": "",
            "time_years": np.linspace(0.5, 6, n)[rng.permutation(n)],
            "event": np.asarray(events, dtype=int),
            "age_years": rng.normal(70, 8, n),
            "hu": rng.normal(120, 30, n),
        }
    ).assign(**columns)
    return AnalysisSet(frame, dict(BLOCKS), [])


def labelled(outcome, seed=1, **columns) -> AnalysisSet:
    analysis = followed(np.zeros(len(outcome)), seed, **columns)
    frame = analysis.frame.drop(columns=["time_years", "event"])
    return AnalysisSet(frame.assign(outcome=np.asarray(outcome, dtype=float)), analysis.blocks, [])


def describe(analysis, endpoint="fracture", **settings) -> dict:
    return describe_features(analysis, endpoint, SETTINGS | settings)


def test_a_cohort_that_carries_the_design_has_no_complaint():
    described = describe(followed([0, 1, 2] * 40), horizons_years=[2, 5])
    assert described["status"] == "ok" and described["warnings"] == []
    assert described["kind"] == "survival"
    assert described["horizons_years"] == [2, 5]
    assert described["death_columns"] == ["age_years"]
    described = describe(labelled([0, 1] * 40), "osteoporosis")
    assert (described["status"], described["warnings"]) == ("ok", [])
    assert described["horizons_years"] == described["horizons_dropped_years"] == []


def test_the_t_score_of_dxa_and_those_named_are_turned():
    scores = {name: np.arange(120.0) for name in ("tscore", "frax", "z")}
    analysis = replace(followed([0, 1, 2] * 40, **scores), scores=list(scores))
    given = {"columns": {"dxa_t_score": "tscore"}, "reversed_scores": ["z", "elsewhere"]}
    assert describe(analysis, **given)["reversed_scores"] == ["tscore", "z"]
    assert describe(analysis)["reversed_scores"] == []


@pytest.mark.parametrize(
    ("analysis", "endpoint", "detail"),
    [
        (followed([1] * 9 + [0] * 90), "fracture", "9 fractures among 99 patients; at least 10"),
        (followed([0] * 30), "fracture", "all 30 patients are censored: 0 fractures"),
        (followed([0, 2] * 15), "fracture", "0 fractures among 30 patients, 15 of whom died"),
        (followed([1] * 30), "fracture", "one class only: all 30 patients are among the fractures"),
        (followed([]), "fracture", "no patient is left"),
        (labelled([0] * 30), "osteoporosis", "one class only: 0 diagnoses among 30 patients"),
        (labelled([1] * 30), "osteoporosis", "one class only: all 30 patients"),
        (labelled([1] * 8 + [0] * 30), "osteoporosis", "8 diagnoses among 38 patients; at least"),
        (labelled([1] * 30 + [0] * 8), "osteoporosis", "8 patients without the diagnosis among 38"),
        (labelled([]), "osteoporosis", "no patient is left"),
        (labelled([0.9] * 30), "bmd", "all 30 patients have the same value"),
        (labelled([0.9, 0.8, 0.7]), "bmd", "3 patients; at least 10"),
        (labelled([]), "bmd", "no patient is left"),
    ],
)
def test_too_little_is_told_and_not_an_error(analysis, endpoint, detail):
    described = describe(analysis, endpoint)
    assert described["status"] == "not_fitted"
    assert described["detail"].startswith(detail)


def test_no_block_with_a_column_is_not_fitted():
    analysis = followed([0, 1, 2] * 40)
    described = describe(AnalysisSet(analysis.frame, {}, []))
    assert (described["status"], described["detail"]) == ("not_fitted", "no block has any column")
    assert described["warnings"][0] == "blocks without any column are left out: clinical, hu"


def test_horizons_that_are_dropped_say_why():
    analysis = followed([0, 1, 2] * 40)
    described = describe(analysis, horizons_years=[0.1, 2, 5, 10])
    assert described["horizons_years"] == [2, 5]
    assert described["horizons_dropped_years"] == [0.1, 10]
    early, late = described["warnings"]
    assert early.startswith("horizon of 0.1 years dropped: the first fracture is at")
    assert "10 years dropped: 0.0% of patients are followed beyond it, 10% are needed" in late
    described = describe(analysis, horizons_years=[20])
    assert described["status"] == "not_fitted"
    assert described["detail"].startswith("no horizon of [20] years lies after the first fracture")


def test_columns_that_cannot_help_are_named_with_their_block():
    n = 120
    rng = np.random.default_rng(2)
    some = np.where(np.arange(n) < 70, np.nan, rng.normal(size=n))
    analysis = followed([0, 1, 2] * 40, empty=np.nan, same=3.0, some=some)
    frame = analysis.frame.assign(copy=analysis.frame["hu"])
    frame["hu@T1"] = np.nan
    blocks = {"clinical": ["age_years", "empty", "same", "some"], "hu": ["hu", "copy", "hu@T1"]}
    warnings = describe(AnalysisSet(frame, blocks, []), horizons_years=[2])["warnings"]
    assert warnings == [
        "columns missing in every patient, so not used: empty (clinical)",
        "columns missing in more than 50% of patients, so dropped where that holds in the training"
        " fold: some (clinical)",
        "columns the same in every patient, so not used: same (clinical)",
        "identical columns: hu and copy",
    ]


def test_sites_without_events_or_with_few_patients_are_named():
    site = ["A"] * 60 + ["B"] * 40 + ["C"] * 5 + [""] * 15
    events = [0, 1, 2] * 20 + [0, 2] * 20 + [1] * 5 + [0] * 15
    entry = [np.nan] * 3 + [2010] * 117
    warnings = describe(followed(events, site=site, entry=entry), horizons_years=[2])["warnings"]
    assert warnings == [
        "site B: no fractures among 40 patients",
        "site C: 5 patients, fewer than 10",
        "15 patients are of unknown site",
        "3 patients have no time of entry: a temporal split has them in neither part",
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_column_that_gives_the_outcome_away_is_suspected(sign):
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 0.001, 120)
    analysis = followed([0, 1, 2] * 40)
    analysis.frame["hu"] = sign * (analysis.frame["time_years"] + noise)
    (line,) = describe(analysis, horizons_years=[2])["warnings"]
    assert line.startswith("column hu (hu) alone tells the outcome: concordance 1.000; is it made")

    outcome = np.tile([0, 1], 60)
    (line,) = describe(labelled(outcome, hu=sign * (outcome + noise)), "osteoporosis")["warnings"]
    assert "AUC 1.000" in line
    outcome = rng.normal(size=120)
    (line,) = describe(labelled(outcome, hu=sign * (outcome + noise)), "bmd")["warnings"]
    assert "correlation 1.000" in line
    # A good predictor is none.
    blurred = outcome + rng.normal(0, 0.3, 120)
    assert describe(labelled(outcome, hu=blurred), "bmd")["warnings"] == []


def test_perfection_among_few_is_chance():
    few = followed([1] * 12 + [0] * 60 + [2] * 5)
    few.frame["hu"] = few.frame["time_years"]
    assert describe(few, horizons_years=[3])["warnings"] == []


def test_without_deaths_and_without_the_reference_is_told():
    warnings = describe(followed([0, 1] * 40), horizons_years=[2], reference="frax")["warnings"]
    assert warnings == [
        "the reference block frax is not modelled",
        "nobody died before a fracture: there is no competing event in these data",
    ]


def test_sites_that_cannot_be_harmonised_stop_the_models_and_say_which():
    analysis = labelled([0, 1] * 60, site=["north"] * 100 + ["south"] * 20)
    found = describe(analysis, "osteoporosis", harmonise="combat")
    assert found["status"] == "not_fitted"
    assert "site south has 20 patients" in found["detail"]
    # Age is protected though nobody dies of this endpoint.
    assert found["death_columns"] == ["age_years"]
    assert describe(analysis, "osteoporosis")["status"] == "ok"


def test_a_score_of_which_less_means_more_risk_is_named_unless_it_is_given_so():
    events = [0, 1, 2] * 40
    risk = np.where(np.array(events) == 1, 1.0, 0.0) + np.random.default_rng(3).normal(size=120)
    analysis = replace(followed(events, frax=risk, t_score=-risk), scores=["frax", "t_score"])
    upside_down = describe(analysis)
    assert upside_down["reversed_scores"] == []
    (line,) = upside_down["warnings"]
    assert line.startswith("score t_score: high values") and "name it in model.rev" in line
    given = describe(analysis, reversed_scores=["t_score"])
    assert (given["reversed_scores"], given["warnings"]) == (["t_score"], [])
    assert "take it out of" in " ".join(describe(analysis, reversed_scores=["frax"])["warnings"])
    told = labelled([0, 1] * 40, t_score=[1.0, -1.0] * 40)
    told = replace(told, scores=["t_score"])
    (line,) = describe(told, "osteoporosis", score_columns=["t_score"])["warnings"]
    assert "(AUC 0.00)" in line


def test_days_taken_for_years_are_suspected():
    analysis = followed([0, 1, 2] * 40)
    days = replace(
        analysis, frame=analysis.frame.assign(time_years=lambda f: f["time_years"] * 365)
    )
    assert "is model.time_unit right?" in describe(days)["detail"]
