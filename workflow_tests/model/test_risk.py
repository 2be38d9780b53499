"""Absolute risk from two cause-specific hazards."""

import numpy as np
import pytest
from comprisk import CumulativeIncidence

from bonecast.model.risk import BaselineHazards, absolute_risk, baseline_hazards


def test_product_limit_by_hand():
    baseline = BaselineHazards(
        times=np.array([1.0, 2.0, 4.0]),
        fracture=np.array([0.1, 0.0, 0.2]),
        death=np.array([0.0, 0.5, 0.1]),
    )
    risks = absolute_risk(
        baseline, np.log([1.0, 2.0]), np.log([1.0, 1.0]), np.array([0.5, 1.0, 3.0, 4.0])
    )
    # Alive and unfractured before year 4: 0.9 x 0.5, and 0.8 x 0.5 at twice the hazard.
    assert risks[0] == pytest.approx([0, 0.1, 0.1, 0.1 + 0.45 * 0.2])
    assert risks[1] == pytest.approx([0, 0.2, 0.2, 0.2 + 0.4 * 0.4])


def test_without_features_it_is_aalen_johansen():
    rng = np.random.default_rng(3)
    # Efron's tie handling is that of Kaplan-Meier only where no times tie.
    time = np.ceil(rng.exponential(8, 200)) + rng.permutation(200) / 1000
    event, flat = rng.integers(0, 3, 200), np.zeros(200)
    baseline = baseline_hazards(time, event, flat, flat)
    curve = CumulativeIncidence().fit(time=time, event=event).curves_[None, 1]
    horizons = np.array([2.0, 5.0, 12.0])
    expected, _ = curve.evaluate(horizons)
    risk = absolute_risk(baseline, flat[:1], flat[:1], horizons)
    assert risk[0] == pytest.approx(expected, abs=1e-12)


def test_risk_stays_within_bounds_for_extreme_patients():
    baseline = BaselineHazards(np.array([1.0, 2.0]), np.array([0.4, 0.4]), np.array([0.3, 0.3]))
    risks = absolute_risk(
        baseline, np.array([8.0, -8.0]), np.array([8.0, -8.0]), np.array([1.0, 2.0])
    )
    assert ((risks >= 0) & (risks <= 1)).all()
    assert (np.diff(risks, axis=1) >= 0).all()
    assert risks[0, 0] == 1


def test_many_patients_in_blocks_equal_one_by_one(monkeypatch):
    rng = np.random.default_rng(0)
    baseline = BaselineHazards(np.arange(1.0, 9), np.full(8, 0.02), np.full(8, 0.03))
    lps = rng.normal(size=(2, 25))
    whole = absolute_risk(baseline, *lps, np.array([3.0, 8.0]))
    monkeypatch.setattr("bonecast.model.risk.ROWS_AT_ONCE", 4)
    assert np.array_equal(absolute_risk(baseline, *lps, np.array([3.0, 8.0])), whole)
