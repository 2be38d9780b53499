"""ComBat takes away what a site adds, keeps what age does, and refuses sites it does not know."""

import json

import numpy as np
import pytest

from bonecast.model.harmonise import FEWEST_AT_SITE, CannotHarmonise, Harmonisation, why_not

SITE = np.array(list("aaaaabbbbbbb"))
AGE = np.array([60, 72, 65, 80, 71, 58, 77, 69, 83, 62, 74, 66.0])[:, None]
MEASURED = np.array(
    [
        [16.0, 18.5, 18.7, 16.4],
        [20.1, 19.4, 16.7, 14.5],
        [18.0, 15.2, 13.5, 14.6],
        [15.9, 15.1, 16.9, 19.7],
        [14.4, 16.9, 19.5, 19.9],
        [14.1, 18.1, 19.5, 18.0],
        [20.0, 19.9, 17.2, 15.5],
        [16.5, 13.8, 13.5, 16.8],
        [13.4, 14.8, 19.0, 23.0],
        [13.1, 17.1, 19.8, 19.7],
        [17.6, 19.3, 18.9, 17.5],
        [17.1, 16.8, 15.9, 16.1],
    ]
)
# neuroCombat 0.2.12 of the same table, site as batch and age as continuous covariate.
BY_NEUROCOMBAT = np.array(
    [
        [15.98957, 18.56089, 18.81745, 16.61335],
        [19.95696, 19.40946, 16.89092, 14.8425],
        [17.923, 15.37351, 13.81936, 14.90592],
        [15.93744, 15.2539, 17.07974, 19.88005],
        [14.47582, 17.0022, 19.58149, 20.03027],
        [14.25428, 17.97364, 19.18094, 17.67728],
        [19.60444, 19.47566, 17.11936, 15.72557],
        [16.45177, 14.11158, 13.84936, 16.76653],
        [13.7958, 14.92931, 18.70764, 22.4542],
        [13.39418, 17.06848, 19.44204, 19.23904],
        [17.45869, 18.9588, 18.62984, 17.45609],
        [16.96395, 16.78333, 15.9803, 16.10469],
    ]
)


def test_the_numbers_are_those_of_the_reference_program():
    fitted = Harmonisation.fit(MEASURED, AGE, SITE, range(4))
    assert fitted.apply(MEASURED, AGE, SITE) == pytest.approx(BY_NEUROCOMBAT, abs=1e-5)


def two_sites(patients=400, columns=8):
    """True values, values as two sites measure them, ages, sites; the older are at site b."""
    rng = np.random.default_rng(3)
    site = np.repeat(["a", "b"], patients // 2)
    age = rng.normal(70, 6, patients) + 4 * (site == "b")
    truth = rng.normal(size=(patients, columns)) * 10 - 1.5 * (age - 70)[:, None] + 150
    expected = -1.5 * (age - 70)[:, None] + 150
    measured = truth.copy()
    b = site == "b"
    # Site b adds 25 and doubles the spread around what is expected at an age.
    measured[b] = expected[b] + 25 + 2 * (truth - expected)[b]
    return truth, measured, age[:, None], site


def test_shift_and_spread_of_a_site_go_and_the_effect_of_age_stays():
    truth, measured, age, site = two_sites()
    corrected = Harmonisation.fit(measured, age, site, range(8)).apply(measured, age, site)
    design = np.column_stack([np.ones(len(age)), age, site == "b"])

    def effects(x):
        fit = np.linalg.lstsq(design, x, rcond=None)[0]
        residual = x - design @ fit
        return fit, residual[site == "b"].std(axis=0) / residual[site == "a"].std(axis=0)

    (before, wider), (after, alike) = effects(measured), effects(corrected)
    assert before[2].mean() == pytest.approx(25, abs=2)
    assert wider.mean() == pytest.approx(2, 0.1)
    # What is left is the sample, drawn towards the mean over columns: 25 with an error of 1.6.
    assert abs(after[2].mean()) < 0.3 and np.abs(after[2]).max() < 3
    assert alike == pytest.approx(np.ones(8), abs=0.1)
    assert after[1] == pytest.approx(np.full(8, -1.5), abs=0.3)


def test_gaps_columns_of_two_values_and_other_columns_stay_as_they_are():
    _, measured, age, site = two_sites()
    measured[3, 2] = measured[350, 2] = np.nan
    measured[:, 4] = (site == "b").astype(float)
    measured[:, 5] = np.nan
    measured[:, 6] = 7.0
    fitted = Harmonisation.fit(measured, age, site, range(7))
    corrected = fitted.apply(measured, age, site)
    assert fitted.columns.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(corrected[:, 4:], measured[:, 4:])
    assert np.argwhere(np.isnan(corrected[:, :5])).tolist() == [[3, 2], [350, 2]]
    assert np.abs(corrected[:, 2] - measured[:, 2])[np.isfinite(measured[:, 2])].min() > 0


def test_what_a_site_never_measured_is_corrected_as_its_other_columns_are():
    _, measured, age, site = two_sites()
    unmeasured = measured.copy()
    unmeasured[site == "b", 3] = np.nan
    fitted = Harmonisation.fit(unmeasured, age, site, range(8))
    others = np.delete(fitted.shift[1], 3)
    assert others.min() <= fitted.shift[1, 3] <= others.max()
    assert np.isfinite(fitted.apply(measured, age, site)).all()


def test_a_missing_age_is_the_training_median():
    _, measured, age, site = two_sites()
    fitted = Harmonisation.fit(measured, age, site, range(8))
    unknown = fitted.apply(measured[:1], np.array([[np.nan]]), site[:1])
    median = fitted.apply(measured[:1], np.median(age)[None, None], site[:1])
    np.testing.assert_array_equal(unknown, median)


def test_the_same_after_writing_and_reading():
    _, measured, age, site = two_sites()
    fitted = Harmonisation.fit(measured, age, site, range(8))
    again = Harmonisation.from_json(json.loads(json.dumps(fitted.to_json())))
    np.testing.assert_array_equal(
        again.apply(measured, age, site), fitted.apply(measured, age, site)
    )
    without = Harmonisation.fit(measured, np.zeros((400, 0)), site, [])
    again = Harmonisation.from_json(json.loads(json.dumps(without.to_json())))
    np.testing.assert_array_equal(again.apply(measured, np.zeros((400, 0)), site), measured)


def test_sites_that_cannot_be_corrected_are_named():
    fitted = Harmonisation.fit(MEASURED, AGE, SITE, range(4))
    with pytest.raises(CannotHarmonise, match="site Basel is not among those learned from"):
        fitted.apply(MEASURED[:1], AGE[:1], np.array(["Basel"]))
    with pytest.raises(CannotHarmonise, match=r"\(unknown\)"):
        fitted.apply(MEASURED[:1], AGE[:1], np.array([""]))
    few = np.where(np.arange(12) < FEWEST_AT_SITE - 1, "a", "b")
    with pytest.raises(CannotHarmonise, match="site a has 4 training patients"):
        Harmonisation.fit(MEASURED, AGE, few, range(4))
    unknown = np.where(np.arange(12) < 3, "", "b")
    with pytest.raises(CannotHarmonise, match="3 of 12 patients have no site"):
        Harmonisation.fit(MEASURED, AGE, unknown, range(4))


def test_a_cohort_with_small_or_unknown_sites_is_told_so():
    assert why_not(np.repeat(["a", "b"], 25)) == ""
    told = why_not(np.repeat(["", "a", "b"], [2, 24, 25]))
    assert "2 patients have no site" in told
    assert "site a has 24 patients, 25 are needed" in told
    assert "site b" not in told
