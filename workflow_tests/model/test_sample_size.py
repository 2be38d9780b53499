"""Riley's criteria against the numbers of their papers and of the authors' own software."""

import math

import pytest

from bonecast.model.sample_size import (
    binary_sample_size,
    continuous_sample_size,
    max_r2_binary,
    max_r2_survival,
    survival_sample_size,
)


def test_time_to_event_as_published():
    # Riley et al., Stat Med 2019;38:1276: recurrent thromboembolism, 30 parameters.
    needed = survival_sample_size(30, 0.051, rate=0.065, horizon=2, mean_follow_up=2.07)
    assert needed.patients == needed.criteria[0] == 5143
    assert needed.events / 30 == pytest.approx(23.07, abs=0.005)
    assert survival_sample_size(25, 0.051, 0.065, 2, 2.07).patients == 4286
    # The unit of time makes no difference.
    months = survival_sample_size(30, 0.051, 0.065 / 12, 24, 2.07 * 12)
    assert months.criteria == needed.criteria


def test_overall_risk_is_known_to_five_hundredths():
    needed = survival_sample_size(1, 0.1, rate=0.1, horizon=5, mean_follow_up=4)
    third = needed.criteria[2]

    def wider_half(patients):
        low = 0.1 - 1.96 * math.sqrt(0.1 / (4 * patients))
        return math.exp(-5 * low) - math.exp(-5 * 0.1)

    assert wider_half(third) <= 0.05 < wider_half(third - 1)


def test_diagnosis_as_published():
    # Riley et al., BMJ 2020;368:m441: 24 parameters, 17.4 % with the outcome.
    needed = binary_sample_size(24, 0.288, 0.174)
    assert needed.criteria == (623, 662, 221)
    assert needed.patients == 662
    assert binary_sample_size(24, 0.55, 0.174).criteria == (255, 532, 221)


@pytest.mark.parametrize(
    ("parameters", "r2", "mean", "sd", "criteria"),
    [
        (25, 0.2, 1.9, 0.6, (918, 401, 259, 918)),
        (25, 0.3, 1.9, 0.6, (574, 351, 259, 574)),
        (50, 0.2, 1.9, 0.6, (1924, 801, 284, 1924)),
        (100, 0.5, 1.9, 2, (1264, 1001, 334, 1264)),
    ],
)
def test_number_as_by_the_authors_software(parameters, r2, mean, sd, criteria):
    # pmsampsize 1.1.3, its own test cases.
    assert continuous_sample_size(parameters, r2, mean, sd).criteria == criteria


def test_mean_near_zero_has_no_fourth_criterion():
    needed = continuous_sample_size(25, 0.2, mean=-1.4, sd=1)
    assert needed.criteria == (918, 401, 259, None)
    assert needed.patients == 918
    # With 1 +- 10 and 10 % allowed, only the mean decides.
    assert continuous_sample_size(5, 0.2, 1, 10).criteria[3] > 30_000


def test_largest_possible_r2():
    # A fair coin: 1 - (0.5^0.5 0.5^0.5)^2.
    assert max_r2_binary(0.5) == pytest.approx(0.75)
    # One event per person: 1 - exp(-2), the largest that any rate allows.
    assert max_r2_survival(0.5, 2) == pytest.approx(1 - math.exp(-2))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: survival_sample_size(0, 0.1, 0.1, 1, 1), "0 parameters"),
        (lambda: survival_sample_size(3, 0.1, 0.0, 1, 1), "rate 0"),
        (lambda: survival_sample_size(3, 0.9, 0.1, 1, 1), "R-squared 0.9"),
        (lambda: binary_sample_size(3, 0.1, 1.0), "prevalence 1"),
        (lambda: binary_sample_size(3, -0.1, 0.3), "R-squared -0.1"),
        (lambda: continuous_sample_size(3, 0.1, 1, 0), "sd 0"),
    ],
)
def test_refuses_what_has_no_sample_size(call, words):
    with pytest.raises(ValueError, match=words):
        call()
