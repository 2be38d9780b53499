"""Cox regression against a likelihood written out by hand, a peer and degenerate input."""

import numpy as np
import pytest
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from bonecast.model.cox import EfronLikelihood, NotEstimable, fit_cox, path_log_likelihood


@pytest.fixture
def tied_sample():
    """Sixty patients whose times are whole years, so that most events are tied."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(60, 3))
    time = np.ceil(rng.exponential(3 * np.exp(-0.6 * x[:, 0])))
    return x, time, rng.random(60) < 0.7


def test_efron_likelihood_of_four_patients_by_hand():
    time = np.array([1.0, 1.0, 2.0, 3.0])
    event = np.array([True, True, False, True])
    lp = np.log([1.0, 2.0, 3.0, 4.0])
    # Two tied events see 10 and, the pair halved, 8.5; the last event is alone at risk.
    expected = np.log(1 / 10) + np.log(2 / 8.5) + np.log(4 / 4)
    likelihood = EfronLikelihood(time, event)
    assert likelihood.value(lp) == pytest.approx(expected, abs=1e-14)
    assert likelihood.times.tolist() == [1.0, 3.0]
    assert likelihood.baseline(lp) == pytest.approx([1 / 10 + 1 / 8.5, 1 / 4])


def test_derivatives_match_finite_differences(tied_sample):
    x, time, event = tied_sample
    likelihood = EfronLikelihood(time, event)
    beta, step = np.array([0.3, -0.2, 0.1]), 1e-5
    gradient, information = likelihood.derivatives(x[likelihood.order], beta)
    for column in range(3):
        shift = step * np.eye(3)[column]
        slope = likelihood.value(x @ (beta + shift)) - likelihood.value(x @ (beta - shift))
        assert gradient[column] == pytest.approx(slope / (2 * step), rel=1e-6)
        above, _ = likelihood.derivatives(x[likelihood.order], beta + shift)
        below, _ = likelihood.derivatives(x[likelihood.order], beta - shift)
        assert -information[column] == pytest.approx((above - below) / (2 * step), rel=1e-6)


@pytest.mark.parametrize("ridge", [0.0, 3.0])
def test_coefficients_match_scikit_survival(tied_sample, ridge):
    x, time, event = tied_sample
    peer = CoxPHSurvivalAnalysis(ties="efron", alpha=ridge, tol=1e-13)
    peer.fit(x, Surv.from_arrays(event, time))
    assert fit_cox(x, time, event, ridge).coefficients == pytest.approx(peer.coef_, abs=1e-8)


def test_order_of_patients_and_units_do_not_matter(tied_sample):
    x, time, event = tied_sample
    shuffled = np.random.default_rng(1).permutation(len(time))
    straight = fit_cox(x, time, event)
    other = fit_cox(1000 + 10 * x[shuffled], 365.25 * time[shuffled], event[shuffled])
    assert other.coefficients * 10 == pytest.approx(straight.coefficients, rel=1e-8)


def test_path_likelihood_equals_efrons_where_no_times_tie(tied_sample):
    x, _, event = tied_sample
    time = np.random.default_rng(2).permutation(60) + 1.0
    lps = x @ np.array([[0.5, -1.0], [0.0, 2.0], [0.1, 0.3]])
    likelihood = EfronLikelihood(time, event)
    expected = [likelihood.value(lps[:, 0]), likelihood.value(lps[:, 1])]
    assert path_log_likelihood(lps, time, event) == pytest.approx(expected, rel=1e-12)


def test_what_cannot_be_estimated_says_why(tied_sample):
    x, time, event = tied_sample
    with pytest.raises(NotEstimable, match="no event"):
        fit_cox(x, time, np.zeros(60, dtype=bool))
    with pytest.raises(NotEstimable, match="dependent"):
        fit_cox(np.column_stack([x, x[:, 0] - x[:, 1]]), time, event)
    early = time <= np.sort(time)[5]
    with pytest.raises(NotEstimable):
        fit_cox(early[:, None].astype(float), time, early)
    # With a penalty the same column has a finite coefficient.
    assert np.isfinite(fit_cox(early[:, None].astype(float), time, early, 1.0).coefficients).all()


def test_a_step_that_is_not_finite_ends(tied_sample):
    x, time, event = tied_sample
    holed = x.copy()
    holed[3, 0] = np.nan
    with pytest.raises(NotEstimable, match="not finite"):
        fit_cox(holed, time, event)


def test_no_columns_is_a_model():
    fit = fit_cox(np.zeros((3, 0)), np.array([1.0, 2.0, 3.0]), np.array([True, True, False]))
    assert fit.log_likelihood == pytest.approx(np.log(1 / 3) + np.log(1 / 2))
