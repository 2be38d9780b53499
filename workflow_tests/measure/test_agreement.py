"""Agreement: the published worked example, edges, and many features at once."""

import numpy as np
import pytest

from bonecast.measure.agreement import agreement, icc_agreement

SEED = 20260101
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
"""Six targets, four judges: Table 2 of Shrout & Fleiss, Psychol Bull 1979;86:420."""


def test_the_published_example():
    """Value of Table 4 there (.29); interval as the R package psych prints them."""
    found = icc_agreement(SHROUT_FLEISS)
    assert found.value == pytest.approx(0.2898, abs=1e-4)
    assert (found.lower, found.upper) == pytest.approx((0.0188, 0.7611), abs=1e-4)


def test_a_constant_difference_breaks_agreement():
    x = np.arange(10.0)
    values = np.stack([x, x + 5], axis=1)
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


def test_one_vertebra_each_gives_the_textbook_limits():
    rng = np.random.default_rng(2)
    first = rng.normal(120, 40, 80)
    second = first - 8 + rng.normal(0, 6, 80)
    found = agreement(first, second, np.arange(80), SEED)
    difference = first - second
    assert (found.n, found.n_participants) == (80, 80)
    assert found.estimates["bias"][0] == pytest.approx(difference.mean())
    reach = 1.96 * difference.std(ddof=1)
    assert found.estimates["upper_limit"][0] == pytest.approx(difference.mean() + reach)
    assert found.estimates["lower_limit"][0] == pytest.approx(difference.mean() - reach)
    paired = icc_agreement(np.stack([first, second], axis=1))
    assert found.estimates["icc"][0] == pytest.approx(float(paired.value))
    # Without clusters the resampled interval is about the textbook's (mean +- 1.99 se).
    low, high = found.estimates["bias"][1:]
    assert high - low == pytest.approx(2 * 1.99 * difference.std(ddof=1) / np.sqrt(80), rel=0.15)


def test_levels_of_one_participant_count_less_than_as_many_participants():
    """Differences shared by the six levels of a participant: they say little more than one each."""
    rng = np.random.default_rng(3)
    person = np.repeat(np.arange(30), 6)
    first = rng.normal(120, 30, 180)
    second = first - 5 + np.repeat(rng.normal(0, 8, 30), 6) + rng.normal(0, 2, 180)
    clustered, as_if_free = (agreement(first, second, p, SEED) for p in (person, np.arange(180)))
    width = [np.ptp(found.estimates["bias"][1:]) for found in (clustered, as_if_free)]
    assert width[0] > 2 * width[1]
    spread = (clustered.estimates["upper_limit"][0] - clustered.estimates["bias"][0]) / 1.96
    assert spread == pytest.approx(np.hypot(8, 2), rel=0.25)


def test_the_limits_follow_the_variance_components():
    """Components by hand, as in Bland & Altman 2007: unequal numbers per participant."""
    person = np.array([0, 0, 0, 1, 1, 2, 3, 3, 4])
    difference = np.array([1.0, 3, 2, 8, 10, 5, 0, 2, 6])
    second = np.linspace(80, 160, 9)
    found = agreement(second + difference, second, person, SEED)
    groups = [difference[person == p] for p in range(5)]
    inside = sum(((g - g.mean()) ** 2).sum() for g in groups) / (9 - 5)
    among = sum(len(g) * (g.mean() - difference.mean()) ** 2 for g in groups) / 4
    per_person = (9 - sum(len(g) ** 2 for g in groups) / 9) / 4
    expected = 1.96 * np.sqrt((among - inside) / per_person + inside)
    low, high = (found.estimates[f"{end}_limit"][0] for end in ("lower", "upper"))
    assert (high - low) / 2 == pytest.approx(expected)


def test_too_few_participants_say_nothing_of_agreement():
    assert agreement(np.arange(8.0), np.ones(8), np.repeat([0, 1, 2, 3], 2), SEED) is None
    assert agreement(np.array([]), np.array([]), np.array([]), SEED) is None
