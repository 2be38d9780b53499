"""Agreement: the published worked example, edges, and many features at once."""

import numpy as np
import pytest

from bonecast.measure.agreement import icc_agreement, icc_consistency

SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
"""Six targets, four judges: Table 2 of Shrout & Fleiss, Psychol Bull 1979;86:420."""


def test_the_published_example():
    """Values of Table 4 there (.29 and .71); intervals as the R package psych prints them."""
    agreement, consistency = icc_agreement(SHROUT_FLEISS), icc_consistency(SHROUT_FLEISS)
    assert agreement.value == pytest.approx(0.2898, abs=1e-4)
    assert (agreement.lower, agreement.upper) == pytest.approx((0.0188, 0.7611), abs=1e-4)
    assert consistency.value == pytest.approx(0.7148, abs=1e-4)
    assert (consistency.lower, consistency.upper) == pytest.approx((0.3425, 0.9459), abs=1e-4)


def test_a_constant_difference_breaks_agreement_and_not_consistency():
    x = np.arange(10.0)
    values = np.stack([x, x + 5], axis=1)
    assert icc_consistency(values).value == icc_consistency(values).lower == 1
    assert icc_agreement(values).value < 0.5
    same = icc_agreement(np.stack([x, x], axis=1))
    assert same.value == same.lower == same.upper == 1


def test_many_features_at_once_are_each_as_alone():
    features = np.random.default_rng(0).normal(size=(4, 5, 12, 3)) + np.arange(12)[:, None]
    together = icc_agreement(features)
    assert together.value.shape == (4, 5)
    alone = icc_agreement(features[2, 3])
    for name in ("value", "lower", "upper"):
        assert getattr(together, name)[2, 3] == pytest.approx(getattr(alone, name), rel=1e-12)
    assert (together.lower < together.value).all() and (together.value < together.upper).all()


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Variance 4 between subjects, 0.1 between raters, 1 of error."""
    rng = np.random.default_rng(1)
    raters = np.sqrt(0.1) * rng.normal(size=(4000, 1, 5))
    subjects = 2 * rng.normal(size=(4000, 40, 1))
    found = icc_agreement(subjects + raters + rng.normal(size=(4000, 40, 5)))
    truth = 4 / 5.1
    held = ((found.lower <= truth) & (truth <= found.upper)).mean()
    assert held == pytest.approx(0.95, abs=0.012)


def test_what_cannot_be_known_is_nan():
    values = np.stack([SHROUT_FLEISS, np.full((6, 4), 3.0), SHROUT_FLEISS])
    values[2, 0, 0] = np.nan
    found = icc_agreement(values)
    assert np.isfinite(found.value).tolist() == [True, False, False]
    assert np.isnan(found.lower[1:]).all() and np.isnan(found.upper[1:]).all()


@pytest.mark.parametrize("shape", [(5,), (1, 3), (5, 1)])
def test_too_little_is_an_error(shape):
    with pytest.raises(ValueError, match="subjects, raters"):
        icc_agreement(np.zeros(shape))
