"""Metrics by hand, against comprisk, within folds and under resampling."""

import numpy as np
import pandas as pd
import pytest
from comprisk import CumulativeIncidence, score_cr

from bonecast.model.metrics import (
    Candidate,
    Resamples,
    auc,
    calibration,
    concordance,
    judge_all,
    percentile_interval,
)


@pytest.fixture
def cohort():
    """150 patients with censoring and death, half of the times tied, and an informed risk."""
    rng = np.random.default_rng(8)
    lp = rng.normal(size=150)
    fracture, death = rng.exponential(6 * np.exp(-lp)), rng.exponential(9, 150)
    end = rng.uniform(1, 9, 150)
    time = np.minimum(np.minimum(fracture, death), end)
    event = np.where(time == fracture, 1, np.where(time == death, 2, 0))
    time[::2] = np.ceil(time[::2] * 2) / 2
    return time, event, np.round(1 / (1 + np.exp(1 - lp)), 2)


def one_fold(values):
    return np.zeros((1, len(values)), dtype=int)


def test_auc_and_brier_equal_comprisk(cohort):
    time, event, risk = cohort
    sample = Resamples.draw(time, event, 0, 1)
    for horizon in (1.0, 2.5, 5.0):
        peer = score_cr({"a": risk[:, None]}, time, event, [horizon])
        assert auc(risk[None], one_fold(time), sample, horizon)[0] == pytest.approx(
            peer.auc["AUC"][0], abs=1e-12
        )
        assert calibration(risk[None], sample, horizon)["brier"][0] == pytest.approx(
            peer.brier["Brier"][0], abs=1e-12
        )


def test_a_resample_is_a_sample_with_its_own_censoring_weights(cohort):
    time, event, risk = cohort
    sample = Resamples.draw(time, event, 3, 1)
    drawn = np.repeat(np.arange(150), sample.counts[2].astype(int))
    peer = score_cr({"a": risk[drawn][:, None]}, time[drawn], event[drawn], [2.5])
    assert auc(risk[None], one_fold(time), sample, 2.5)[2] == pytest.approx(
        peer.auc["AUC"][0], abs=1e-12
    )
    assert calibration(risk[None], sample, 2.5)["brier"][2] == pytest.approx(
        peer.brier["Brier"][0], abs=1e-12
    )


def test_observed_over_expected_is_aalen_johansen(cohort):
    time, event, risk = cohort
    sample = Resamples.draw(time, event, 0, 1)
    curve = CumulativeIncidence().fit(time=time, event=event).curves_[None, 1]
    observed = curve.evaluate(np.array([2.5]))[0][0]
    assert calibration(risk[None], sample, 2.5)["oe_ratio"][0] == pytest.approx(
        observed / risk.mean(), abs=1e-12
    )
    assert calibration(np.full((1, 150), observed), sample, 2.5)["ipa"][0] == pytest.approx(0)


def test_concordance_by_hand():
    time = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    event = np.array([2, 1, 0, 1, 0])
    marker = np.array([[0.9, 0.8, 0.3, 0.4, 0.5]])
    sample = Resamples.draw(time, event, 0, 1)
    # Harrell: patient 2 before 3, 4, 5 (three right); patient 4 before 5 (wrong).
    harrell = concordance(marker, one_fold(time), sample, weighted=False)[0]
    assert harrell == pytest.approx(3 / 4)
    # Wolbers adds the patient who died first, riskier than both cases by the marker (wrong twice).
    # One of three at risk is censored at year 3, so year 4 and what is compared with it weighs
    # 1 / (2/3) squared against later patients and 1 / (2/3) against the one who died.
    weighted = concordance(marker, one_fold(time), sample)[0]
    assert weighted == pytest.approx(3 / (3 + 1 + 9 / 4 + 3 / 2))
    assert concordance(marker, one_fold(time), sample, tau=2.0)[0] == pytest.approx(3 / 4)


def test_without_death_or_censoring_both_concordances_agree():
    rng = np.random.default_rng(2)
    time, marker = rng.exponential(size=80), rng.normal(size=(1, 80))
    sample = Resamples.draw(time, np.ones(80, dtype=int), 0, 1)
    both = [concordance(marker, one_fold(time), sample, weighted=w)[0] for w in (True, False)]
    assert both[0] == pytest.approx(both[1], abs=1e-12)


def test_pairs_across_folds_do_not_count(cohort):
    time, event, risk = cohort
    folds = (np.arange(150) % 3)[None]
    # Each fold's model has a level of its own: C and AUC must not notice.
    shifted = risk + 10 * folds[0]
    sample = Resamples.draw(time, event, 4, 1)
    for metric in (
        lambda marker: concordance(marker[None], folds, sample, 5.0),
        lambda marker: concordance(marker[None], folds, sample, weighted=False),
        lambda marker: auc(marker[None], folds, sample, 2.5),
    ):
        assert metric(shifted) == pytest.approx(metric(risk), abs=1e-9)
        assert metric(np.round(folds[0] * 1.0)) == pytest.approx(np.full(5, 0.5), abs=1e-12)


def test_repeats_are_averaged(cohort):
    time, event, risk = cohort
    sample = Resamples.draw(time, event, 0, 1)
    folds = np.vstack([one_fold(time), (np.arange(150) % 2)[None]])
    markers = np.vstack([risk, risk[::-1]])
    single = [auc(markers[[r]], folds[[r]], sample, 2.5)[0] for r in (0, 1)]
    assert auc(markers, folds, sample, 2.5)[0] == pytest.approx(np.mean(single))


def test_differences_are_paired_and_an_identical_block_differs_by_nothing(cohort):
    time, event, risk = cohort
    sample = Resamples.draw(time, event, 50, 1)
    marker = np.repeat(risk[None, :, None], 2, axis=2)
    candidates = {"clinical": Candidate(marker, True), "same": Candidate(marker.copy(), True)}
    table = judge_all(candidates, one_fold(time), sample, (2.5, 5.0), "clinical")
    delta = table[table["metric"].str.startswith("delta_")]
    assert set(delta["block"]) == {"same"}
    assert (delta[["value", "lower", "upper"]] == 0).all(axis=None)
    assert set(delta["reference"]) == {"clinical"}
    c = table[(table["metric"] == "c_index") & (table["block"] == "clinical")].iloc[0]
    assert c["lower"] < c["value"] < c["upper"]
    assert c["events"] == ((event == 1) & (time <= 5.0)).sum()


def test_a_score_some_patients_lack_is_compared_on_the_others(cohort):
    time, event, risk = cohort
    sample = Resamples.draw(time, event, 20, 1)
    marker = risk[None, :, None]
    score = marker.copy()
    score[:, :40] = np.nan
    candidates = {"clinical": Candidate(marker, True), "frax": Candidate(score, False)}
    table = judge_all(candidates, one_fold(time), sample, (2.5,), "clinical")
    frax = table[table["block"] == "frax"].set_index("metric")
    assert set(frax["n"]) == {110}
    assert frax.loc["delta_c_index", "value"] == 0
    assert "brier" not in frax.index
    alone = Resamples.draw(time[40:], event[40:], 0, 1)
    expected = auc(risk[None, 40:], one_fold(time[40:]), alone, 2.5)[0]
    assert frax.loc["auc_t", "value"] == pytest.approx(expected, abs=1e-12)


def test_events_are_those_each_metric_counts(cohort):
    time, event, risk = cohort
    sample = Resamples.draw(time, event, 0, 1)
    table = judge_all(
        {"clinical": Candidate(risk[None, :, None], True)}, one_fold(time), sample, (2.5,), ""
    ).set_index("metric")
    by_tau, all_of_them = ((event == 1) & (time <= 2.5)).sum(), (event == 1).sum()
    assert by_tau < all_of_them
    assert table.loc["c_index", "events"] == table.loc["auc_t", "events"] == by_tau
    assert table.loc["c_index_harrell", "events"] == all_of_them


def test_interval_is_empty_where_resamples_have_no_case():
    assert np.isnan(percentile_interval(np.array([]))).all()
    assert np.isnan(percentile_interval(np.array([0.5, np.nan, 0.6]))).all()
    assert percentile_interval(np.linspace(0, 1, 41)) == pytest.approx((0.025, 0.975))


def test_result_has_no_duplicate_rows(cohort):
    time, event, risk = cohort
    table = judge_all(
        {"clinical": Candidate(risk[None, :, None], True)},
        one_fold(time),
        Resamples.draw(time, event, 0, 1),
        (2.5,),
        "clinical",
    )
    assert isinstance(table, pd.DataFrame)
    assert not table.duplicated(["block", "metric", "horizon_years"]).any()
