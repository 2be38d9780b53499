"""The yardstick of the coverage benchmark: simulated patients and what predictions are worth."""

from itertools import permutations

import numpy as np
import pytest
from scipy.integrate import quad

from bonecast.model.hazard_ratios import hazard_ratios
from bonecast.model.metrics import Resamples, auc, calibration, concordance
from bonecast.phantom.patients import FRACTURE_EFFECTS, SHAPE, draw_patients
from bonecast.phantom.truth import true_auc, true_brier, true_concordance, true_ipa


@pytest.fixture(scope="module")
def many():
    return draw_patients(12_000, 5)


def incidence(patients, row: int, years: float) -> float:
    """By integrating the density of fracture, with nothing in closed form."""
    fracture, death = patients.fracture_hazard[row], patients.death_hazard[row]

    def density(t):
        return fracture * SHAPE * t ** (SHAPE - 1) * np.exp(-(fracture + death) * t**SHAPE)

    return quad(density, 0, years)[0]


def test_risk_is_the_integral_of_its_hazards():
    patients = draw_patients(4, 1)
    expected = [[incidence(patients, row, t) for t in (2, 5)] for row in range(4)]
    assert patients.risk([2, 5]) == pytest.approx(np.array(expected), abs=1e-9)


def test_true_performance_counts_every_pair():
    patients = draw_patients(6, 2)
    risk = patients.risk([5])[:, 0]
    marker = np.array([1.0, 2.0, 2.0, 0.5, 3.0, 1.0])
    right, pairs, opened, all_opened = np.zeros(4)
    for i, j in permutations(range(6), 2):
        agrees = (np.sign(marker[i] - marker[j]) + 1) / 2
        weight = risk[i] * (1 - risk[j])
        right, pairs = right + agrees * weight, pairs + weight

        def at(t, i=i, j=j):
            fracture, total = patients.fracture_hazard[i], 0.0
            total = fracture + patients.death_hazard[i]
            density = fracture * SHAPE * t ** (SHAPE - 1) * np.exp(-total * t**SHAPE)
            return density * (1 - patients.risk([t])[j, 0])

        weight = quad(at, 0, 5)[0]
        opened, all_opened = opened + agrees * weight, all_opened + weight
    assert true_auc(marker, risk) == pytest.approx(right / pairs, abs=1e-12)
    assert true_concordance(marker, patients, 5) == pytest.approx(opened / all_opened, abs=1e-8)


def test_metrics_estimate_the_truth(many):
    """Of a marker worse than the truth, and of a risk that is 20 % too high."""
    time, event = many.frame["time_years"].to_numpy(), many.frame["event"].to_numpy()
    resamples = Resamples.draw(time, event, 40, seed=1)
    risk = many.risk([5])[:, 0]
    marker, fold = many.frame["age_years"].to_numpy()[None], np.zeros((1, len(time)), dtype=int)
    predicted = risk * 1.2
    calibrated = calibration(predicted[None], resamples, 5)
    estimates = {
        "auc": (auc(marker, fold, resamples, 5), true_auc(marker[0], risk)),
        "c": (concordance(marker, fold, resamples, 5), true_concordance(marker[0], many, 5)),
        "brier": (calibrated["brier"], true_brier(predicted, risk)),
        "ipa": (calibrated["ipa"], true_ipa(predicted, risk)),
        "oe": (calibrated["oe_ratio"], 1 / 1.2),
    }
    for name, (values, truth) in estimates.items():
        assert abs(values[0] - truth) < 3.5 * values[1:].std(), name
        # Not by being blind: the mean of many bootstrap samples is as near.
        assert 0 < values[1:].std() < 0.05, name


def test_cox_finds_the_effects_that_made_the_data(many):
    terms = list(FRACTURE_EFFECTS)
    table = hazard_ratios(many.frame, "fracture", {"truth": terms}).query("unit == '1'")
    error = np.log(table["hr"].to_numpy()) - np.array(list(FRACTURE_EFFECTS.values()))
    spread = np.log(table["upper"] / table["lower"]).to_numpy() / (2 * 1.96)
    assert (np.abs(error) < 3.5 * spread).all()


def test_missing_cells_are_left_where_said():
    frame = draw_patients(4000, 3, missing=0.1).frame
    share = frame.isna().mean()
    assert share["hu_1"] == pytest.approx(0.1, abs=0.02)
    assert share[["age_years", "rad_01", "time_years"]].eq(0).all()
