"""Outcome by risk group: groups over repeats, curves and tests as R and by hand."""

import numpy as np
import pandas as pd
import pytest
from sksurv.nonparametric import kaplan_meier_estimator

from bonecast.report import figures_model_outcome as outcome
from bonecast.report.comparison import Comparison
from bonecast.report.predictions import headline_people

TIME = np.array([1.0, 2.5, 3.0, 4.2, 5.5, 6.1, 0.8, 1.7, 2.2, 3.9, 4.4, 6.5])
EVENT = np.array([0, 1, 2, 1, 0, 0, 1, 1, 2, 1, 0, 1])
GROUP = np.repeat([0, 1], 6)
LOGRANK = 0.429300663604
GRAY = (0.30262802245540, 0.582239558186)


def predictions(path, **columns):
    """A table of one patient's predictions with some columns as given."""
    table = pd.DataFrame(
        {
            "participant_id": "a",
            "design": "repeated_nested_cv",
            "block": "hu",
            "learner": "penalised_cox",
            "horizon_years": 5.0,
            "predicted": 0.1,
            "risk_group": 0,
            "time_years": 2.0,
            "event": 1,
            "outcome": np.nan,
        }
        | columns
    )
    table.to_parquet(path / "predictions.parquet")
    compared = Comparison(
        "fracture", ["clinical", "hu", "multimodal"], ["penalised"], ["repeated_nested_cv"]
    )
    return headline_people(path / "predictions.parquet", compared)


def test_risk_is_averaged_over_repeats_at_the_longest_horizon(tmp_path):
    people, about = predictions(
        tmp_path, horizon_years=[1.0, 1.0, 5.0, 5.0], predicted=[0.1, 0.1, 0.2, 0.4]
    )
    assert people["predicted"].tolist() == [pytest.approx(0.3)]
    # Nothing was fitted for the multimodal block, so the last configured one stands for it.
    assert (about["block"], about["horizon_years"]) == ("hu", 5)


def test_a_patient_is_in_the_group_of_the_first_repeat(tmp_path):
    # Of two repeats that differ by two groups there is no middle that would not empty the others.
    people, _ = predictions(tmp_path, risk_group=[2, 0])
    assert people["risk_group"].tolist() == [2]


def test_curves_of_the_groups_equal_scikit_survival(made_up):
    tables = made_up("fracture")
    rows = tables.rows("outcome_by_risk_group")
    people, _ = headline_people(tables.path("predictions.parquet"), tables.compared)
    assert len(people) == 400
    high = people[people["risk_group"] == 2]
    times, survival = kaplan_meier_estimator(
        high["event"].to_numpy() == 1, high["time_years"].to_numpy()
    )
    drawn = rows[(rows["panel"] == "kaplan_meier") & (rows["group"] == "high risk")]
    # Times without a step are left out of the table.
    at = np.searchsorted(times, drawn["time_years"].iloc[1:] + 1e-4) - 1
    np.testing.assert_allclose(drawn["estimate"].iloc[1:], survival[at], atol=1e-5)
    assert len(drawn) <= (high["event"] == 1).sum() + 2
    at_zero = rows[(rows["panel"] == "at_risk") & (rows["time_years"] == 0)]
    assert at_zero["n_at_risk"].tolist() == [(people["risk_group"] == g).sum() for g in range(3)]
    forecast = rows[rows["panel"] == "forecast"].set_index("group")
    assert forecast.loc["high risk", "estimate"] == pytest.approx(
        high["predicted"].mean(), rel=1e-5
    )
    assert set(forecast["time_years"]) == {5}


def test_curves_of_a_hand_made_group():
    # Four people; deaths leave the risk set of Kaplan-Meier but not that of Aalen-Johansen.
    time, event = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 2, 1, 0])
    km = outcome._curve("kaplan_meier", time, event, {})
    aj = outcome._curve("cumulative_incidence", time, event, {})
    assert [(row["time_years"], row["estimate"]) for row in km] == [
        (0, 1),
        (1, pytest.approx(0.75)),
        (3, pytest.approx(0.375)),
        (4, pytest.approx(0.375)),
    ]
    assert [row["estimate"] for row in aj] == pytest.approx([0, 0.25, 0.5, 0.5])


def test_without_deaths_incidence_is_the_complement_of_kaplan_meier():
    time, event = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 0, 1, 0])
    km = outcome._curve("kaplan_meier", time, event, {})
    aj = outcome._curve("cumulative_incidence", time, event, {})
    for name, other in (("estimate", "estimate"), ("lower", "upper"), ("upper", "lower")):
        assert [row[name] for row in aj] == pytest.approx([1 - row[other] for row in km])


def test_a_group_without_events_is_a_flat_line():
    rows = outcome._curve("kaplan_meier", np.array([1.0, 2.0]), np.array([0, 2]), {})
    assert [(row["time_years"], row["estimate"]) for row in rows] == [(0, 1), (2, 1)]


def test_tests_between_groups_equal_r():
    """survdiff of survival 3.5-3 and cuminc of cmprsk 2.2-11 on the same twelve patients."""
    assert outcome._logrank(TIME, EVENT == 1, GROUP)[0] == pytest.approx(LOGRANK, rel=1e-9)
    assert outcome._gray(TIME, EVENT, GROUP) == pytest.approx(GRAY, rel=1e-9)


@pytest.mark.parametrize(("design", "tested"), [("repeated_nested_cv", False), ("external", True)])
def test_groups_are_tested_only_where_one_model_made_them(tmp_path, monkeypatch, design, tested):
    n = len(TIME)
    people, about = predictions(
        tmp_path,
        participant_id=[f"P{i}" for i in range(n)],
        design=design,
        risk_group=GROUP,
        time_years=TIME,
        event=EVENT,
    )
    found = []
    monkeypatch.setattr(outcome, "headline_people", lambda *_: (people, about))
    monkeypatch.setattr(outcome, "save_figure", lambda _, rows, *rest: found.extend(rows))
    outcome.outcome_by_risk_group("", None, {}, 50)
    chi2 = {row["panel"]: row["chi2"] for row in found if "chi2" in row}
    assert chi2["kaplan_meier"] == (pytest.approx(LOGRANK, rel=1e-9) if tested else None)
    assert chi2["cumulative_incidence"] == (pytest.approx(GRAY[0], rel=1e-9) if tested else None)


def test_tests_that_are_not_defined_are_left_out():
    assert outcome._logrank(TIME, EVENT > 5, GROUP) == (None, None)
    assert outcome._gray(TIME, EVENT, np.zeros(12)) == (None, None)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_every_number_of_groups_has_names(n):
    names = outcome.group_names(n)
    assert len(set(names)) == n and "risk" in names[0] and "risk" in names[-1]


def test_numbers_at_risk_stand_at_round_times():
    assert outcome.at_risk_times(np.array([0.5, 7.9])).tolist() == [0, 2, 4, 6]
    assert outcome.at_risk_times(np.array([0.55])).tolist() == pytest.approx(
        [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    )
