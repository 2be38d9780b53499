"""Metrics by hand, against comprisk, within folds and under resampling."""

import numpy as np
import pytest
from comprisk import CumulativeIncidence, score_cr

from bonecast.model.metrics import (
    Resamples,
    auc,
    calibration,
    concordance,
    percentile_interval,
)
from bonecast.model.metrics.calibration import cloglog, cox_slope, integrated_brier
from bonecast.model.metrics.decision import (
    net_benefit,
    net_benefit_of_all,
    net_reclassification,
    sensitivity_specificity,
)
from bonecast.model.metrics.discrimination import FALSE_POSITIVE_RATES, roc
from bonecast.model.metrics.resamples import distance_interval
from bonecast.model.metrics.smooth import groups_of, smooth_calibration, survival_curve


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


def test_interval_is_empty_where_resamples_have_no_case():
    assert np.isnan(percentile_interval(np.array([]))).all()
    assert np.isnan(percentile_interval(np.array([0.5, np.nan, 0.6]))).all()
    # 39 resamples part the line into 40: the first and the last leave 2.5 % beyond them.
    assert percentile_interval(np.arange(1, 40)) == pytest.approx((1, 39))


def test_interval_of_a_distance_surrounds_it():
    # Resamples lie around 0.05, 0.03 above the value: so much is taken off, but not below 0.
    resamples = np.linspace(0.0215, 0.0785, 39)
    assert distance_interval(0.02, resamples) == pytest.approx((0.0, 0.0485))
    assert np.isnan(distance_interval(0.02, np.array([]))).all()


def test_incidence_among_some_patients_is_that_of_the_library(cohort):
    time, event, risk = cohort
    sample = Resamples.draw(time, event, 2, 1)
    some = risk > 0.3
    for row in (0, 2):
        drawn = np.repeat(np.flatnonzero(some), sample.counts[row, some].astype(int))
        curve = CumulativeIncidence().fit(time=time[drawn], event=event[drawn]).curves_[None, 1]
        for horizon in (0.0, 1.0, 2.5, 5.0):
            expected = curve.evaluate(np.array([horizon]))[0][0]
            assert sample.incidence(horizon, some)[row] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(sample.incidence(2.5, risk > 2)).all()


def test_nothing_is_known_beyond_the_follow_up(cohort):
    time, event, risk = cohort
    sample = Resamples.draw(time, np.where(time == time.max(), 0, event), 0, 1)
    beyond = time.max() + 1
    assert np.isnan(auc(risk[None], one_fold(time), sample, beyond)).all()
    assert all(
        np.isnan(values).all() for values in calibration(risk[None], sample, beyond).values()
    )
    assert np.isnan(net_benefit(risk[None], sample, beyond, 0.2)).all()
    # Where everybody's end is known, the longest follow-up is no limit.
    known = Resamples.draw(time, np.where(event == 0, 1, event), 0, 1)
    assert np.isfinite(calibration(risk[None], known, beyond)["brier"]).all()


def test_area_below_the_averaged_roc_curve_is_the_auc(cohort):
    time, event, risk = cohort
    sample = Resamples.draw(time, event, 0, 1)
    folds = np.vstack([np.arange(150) % 3, np.arange(150) % 2])
    markers = np.vstack([risk, np.sqrt(risk) + folds[1]])
    curve = roc(markers, folds, sample, 2.5)
    area = np.trapezoid(curve, FALSE_POSITIVE_RATES)
    # Steps are cut across by a grid of 0.01: at most that share of the area each way.
    assert area == pytest.approx(auc(markers, folds, sample, 2.5)[0], abs=0.01)
    assert (np.diff(curve) >= 0).all() and curve[-1] == 1


def test_net_benefit_by_hand():
    time, event = np.array([0.5, 0.5, 0.5, 2, 2, 2, 2, 2.0]), np.array([1, 1, 1, 0, 0, 0, 0, 0])
    risk = np.array([[0.9, 0.5, 0.1, 0.6, 0.2, 0.1, 0.1, 0.1]])
    sample = Resamples.draw(time, event, 0, 1)
    assert net_benefit(risk, sample, 1.0, 0.5)[0] == pytest.approx(2 / 8 - 1 / 8)
    assert net_benefit(risk, sample, 1.0, 0.2)[0] == pytest.approx(2 / 8 - 2 / 8 / 4)
    assert net_benefit(risk, sample, 1.0, 0.95)[0] == 0
    everybody = net_benefit_of_all(sample, 1.0, 0.2)[0]
    assert everybody == pytest.approx(3 / 8 - 5 / 8 / 4)
    assert net_benefit(np.full((1, 8), 0.3), sample, 1.0, 0.2)[0] == pytest.approx(everybody)
    assert sensitivity_specificity(risk, sample, 1.0, 0.5)[0][0] == pytest.approx(2 / 3)
    assert sensitivity_specificity(risk, sample, 1.0, 0.5)[1][0] == pytest.approx(4 / 5)
    # Thresholds of two folds, on repeats that predict alike.
    learned = np.array([[0.95] * 4 + [0.15] * 4, [0.05] * 8])
    both = sensitivity_specificity(np.vstack([risk, risk]), sample, 1.0, learned)
    assert both[0][0] == pytest.approx((0 / 3 + 3 / 3) / 2)
    assert both[1][0] == pytest.approx((4 / 5 + 0 / 5) / 2)


def test_death_and_censoring_count_in_net_benefit():
    # Of four positive, one fractures, one dies, one is lost before: 1/4 + 1/2 of nobody else.
    time, event = np.array([1.0, 2.0, 3.0, 9.0, 9.0]), np.array([1, 2, 0, 0, 0])
    risk = np.array([[0.5, 0.5, 0.5, 0.5, 0.1]])
    sample = Resamples.draw(time, event, 0, 1)
    assert net_benefit(risk, sample, 5.0, 0.2)[0] == pytest.approx(0.8 * (0.25 - 0.75 / 4))
    lost_first = Resamples.draw(
        np.array([1.0, 0.5, 3.0, 9.0, 9.0]), np.array([1, 0, 0, 0, 0]), 0, 1
    )
    assert net_benefit(risk, lost_first, 5.0, 0.2)[0] == pytest.approx(0.8 * (1 / 3 - 2 / 3 / 4))


def test_reclassification_by_hand():
    time, event = np.array([0.5, 0.5, 2.0, 2.0, 2.0]), np.array([1, 1, 0, 0, 0])
    base, risk = np.full((1, 5), 0.5), np.array([[0.6, 0.7, 0.6, 0.4, 0.5]])
    sample = Resamples.draw(time, event, 0, 1)
    assert net_reclassification(risk, base, sample, 1.0)[0] == pytest.approx(1.0 + 0.0)
    assert net_reclassification(base, risk, sample, 1.0)[0] == pytest.approx(-1.0 + 0.0)


def test_integrated_brier_is_the_area_from_zero():
    scores = [np.array([0.1, 0.2]), np.array([0.2, 0.2])]
    # Triangle to year 1, trapezoid to year 3.
    expected = [(0.05 + 0.3) / 3, (0.1 + 0.4) / 3]
    assert integrated_brier(scores, (1.0, 3.0)) == pytest.approx(expected)


def test_slope_recovers_how_much_the_predictor_was_stretched():
    rng = np.random.default_rng(3)
    lp = rng.normal(size=4000)
    time, event = rng.exponential(np.exp(-lp)), np.ones(4000, dtype=int)
    folds = rng.integers(0, 3, (1, 4000))
    sample = Resamples.draw(time, event, 1, 1)
    # Each fold's model has a zero of its own.
    assert cox_slope(2 * lp[None] + folds, folds, sample) == pytest.approx([0.5, 0.5], abs=0.03)
    assert np.isnan(cox_slope(1.0 * folds, folds, sample)).all()
    assert np.isnan(cox_slope(np.ones((1, 4000)), folds, sample)).all()


def test_distances_from_a_known_curve():
    rng = np.random.default_rng(4)
    risk = rng.uniform(0.05, 0.6, 4000)
    # True hazard 0.7 times the predicted: a straight line in cloglog.
    hazard = -np.log1p(-risk) * 0.7
    time = rng.exponential(1 / hazard)
    event = (time <= 1.5).astype(int)
    sample = Resamples.draw(np.minimum(time, 1.5), event, 2, 1)
    fit = lambda predicted, rows: survival_curve(  # noqa: E731
        predicted, sample.time[rows], event[rows], 1.0
    )
    smooth = smooth_calibration(risk[None], sample, fit)
    distance = np.abs(-np.expm1(-hazard) - risk)
    assert smooth.ici == pytest.approx(np.full(3, distance.mean()), abs=0.02)
    assert smooth.e50[0] == pytest.approx(np.median(distance), abs=0.02)
    assert smooth.e90[0] == pytest.approx(np.quantile(distance, 0.9), abs=0.02)
    truth = -np.expm1(np.log1p(-smooth.grid) * 0.7)
    assert smooth.observed[0] == pytest.approx(truth, abs=0.03)


def test_each_resample_refits_one_repeat_in_turn(cohort):
    time, event, risk = cohort
    sample = Resamples.draw(time, event, 3, 1)
    both = np.vstack([risk, risk / 2])
    fits = []

    def fit(predicted, rows):
        fits.append(predicted.max() > 0.5)
        return lambda values: np.zeros(len(values))

    smooth = smooth_calibration(both, sample, fit)
    assert fits == [True, False, False, True, False]
    assert smooth.ici[0] == pytest.approx(0.75 * risk.mean())


def test_groups_are_equal_and_ordered():
    predicted = np.array([[0.3, 0.1, 0.2, 0.4, 0.6, 0.5]])
    assert groups_of(predicted, 0).tolist() == [[0, 0, 0, 1, 1, 1]]
    assert groups_of(predicted, 35).tolist() == [[1, 0, 0, 1, 2, 2]]
    assert groups_of(np.zeros((1, 50)), 500).max() == 9


def test_cloglog_of_certain_predictions_is_finite():
    assert np.isfinite(cloglog(np.array([0.0, 1.0]))).all()
    assert cloglog(np.array([1 - np.exp(-1)])) == pytest.approx([0], abs=1e-12)
