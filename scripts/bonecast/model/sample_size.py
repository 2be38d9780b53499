"""How many patients a prediction model needs: the criteria of Riley and colleagues.

Continuous outcomes: Riley et al., Stat Med 2019;38:1262 (10.1002/sim.7993). Binary and
time-to-event outcomes: Riley et al., Stat Med 2019;38:1276 (10.1002/sim.7992). Each criterion asks
for a number of patients, and the largest is needed:

1. predictor effects shrink by a tenth at most;
2. apparent and adjusted R-squared differ by 0.05 at most (of Nagelkerke's for a risk);
3. the overall risk is known to 0.05 (a risk), or the residual spread to a tenth (a number);
4. the mean is known to a tenth (a number only).
"""

import math
from dataclasses import dataclass

from scipy.stats import t as student_t

SHRINKAGE = 0.9
"""Expected shrinkage of predictor effects that a model may have (criterion 1)."""

DIFFERENCE_R2 = 0.05
"""Largest difference of apparent and adjusted R-squared (criterion 2)."""

MARGIN_RISK = 0.05
"""Half-width of the 95 % interval of the overall risk (criterion 3)."""

MARGIN_MEAN = 0.1
"""Half-width of the 95 % interval of the mean, as a share of it (criterion 4)."""

RESIDUAL_PATIENTS = 234
"""Patients above the number of parameters that give the residual standard deviation to a tenth."""

SHARE_OF_MAX_R2 = 0.15
"""Share of the largest possible Cox-Snell R-squared that a model is assumed to explain where
nothing better is known (Riley et al., BMJ 2020;368:m441)."""

Z = 1.96


@dataclass(frozen=True)
class SampleSize:
    """Patients that each criterion asks for.

    Attributes:
        criteria: patients by criterion, three for a risk and four for a number; a criterion that
            cannot be stated is None.
        r2: R-squared assumed: Cox-Snell's for a risk, the adjusted one for a number.
        r2_max: largest Cox-Snell R-squared possible, 1 for a number.
        events: events among the patients needed; None for a number.
    """

    criteria: tuple[int | None, ...]
    r2: float
    r2_max: float
    events: float | None

    @property
    def patients(self) -> int:
        """Patients needed: the most that any criterion asks for."""
        return max(n for n in self.criteria if n is not None)


def max_r2_survival(rate: float, mean_follow_up: float) -> float:
    """Largest Cox-Snell R-squared of a time-to-event model, from an exponential null model.

    Args:
        rate: events per person and unit of time.
        mean_follow_up: in the same unit.
    """
    events = rate * mean_follow_up
    return 1 - math.exp(2 * (events * math.log(events) - events))


def max_r2_binary(prevalence: float) -> float:
    """Largest Cox-Snell R-squared of a model of a diagnosis with this prevalence."""
    other = 1 - prevalence
    return 1 - math.exp(2 * (prevalence * math.log(prevalence) + other * math.log(other)))


def survival_sample_size(
    parameters: int, r2: float, rate: float, horizon: float, mean_follow_up: float
) -> SampleSize:
    """Patients needed to develop a time-to-event model.

    Args:
        parameters: candidate predictor parameters, all that were looked at.
        r2: Cox-Snell R-squared expected.
        rate: events per person and unit of time.
        horizon: time at which risk is predicted.
        mean_follow_up: in the same unit as horizon and rate.

    Raises:
        ValueError: a value without a sample size.
    """
    _check_positive(rate=rate, horizon=horizon, mean_follow_up=mean_follow_up)
    r2_max = max_r2_survival(rate, mean_follow_up)
    first, second = _shrinkage_patients(parameters, r2, r2_max)
    # The risk 1 - exp(-rate t) has an interval from the rate's error, sqrt(rate / person-time).
    # Its lower half is the wider: exp(-rate t) (exp(Z t sqrt(rate / T)) - 1) = margin gives T.
    half = math.log1p(MARGIN_RISK * math.exp(rate * horizon))
    person_time = rate * (Z * horizon / half) ** 2
    third = math.ceil(person_time / mean_follow_up)
    patients = max(first, second, third)
    return SampleSize((first, second, third), r2, r2_max, patients * rate * mean_follow_up)


def binary_sample_size(parameters: int, r2: float, prevalence: float) -> SampleSize:
    """Patients needed to develop a model of a diagnosis.

    Args:
        parameters: candidate predictor parameters, all that were looked at.
        r2: Cox-Snell R-squared expected.
        prevalence: share of patients with the diagnosis, between 0 and 1.

    Raises:
        ValueError: a value without a sample size.
    """
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence {prevalence:g}: expected between 0 and 1")
    r2_max = max_r2_binary(prevalence)
    first, second = _shrinkage_patients(parameters, r2, r2_max)
    third = math.ceil((Z / MARGIN_RISK) ** 2 * prevalence * (1 - prevalence))
    patients = max(first, second, third)
    return SampleSize((first, second, third), r2, r2_max, patients * prevalence)


def continuous_sample_size(parameters: int, r2: float, mean: float, sd: float) -> SampleSize:
    """Patients needed to develop a model of a number.

    Args:
        parameters: candidate predictor parameters, all that were looked at.
        r2: adjusted R-squared expected.
        mean, sd: of the outcome. The fourth criterion is relative to the mean and is None
            where that is not above 0 (a T-score, say).

    Raises:
        ValueError: a value without a sample size.
    """
    _check_positive(sd=sd)
    _check(parameters, r2, 1.0)
    first = parameters + 2
    while _shrinkage_continuous(first, parameters, r2) < SHRINKAGE:
        first += 1
    second = math.ceil(1 + parameters * (1 - r2) / DIFFERENCE_R2)
    third = RESIDUAL_PATIENTS + parameters
    fourth = None
    if mean > 0:
        # The t quantile is above the normal one: no fewer than that asks for.
        least = math.ceil((Z * sd / (MARGIN_MEAN * mean)) ** 2 * (1 - r2))
        fourth = max(first, second, third, least)
        while _half_width_mean(fourth, parameters, r2, sd) > MARGIN_MEAN * mean:
            fourth += 1
    return SampleSize((first, second, third, fourth), r2, 1.0, None)


def _shrinkage_patients(parameters: int, r2: float, r2_max: float) -> tuple[int, int]:
    """Criteria 1 and 2 of a risk: n = P / ((S - 1) ln(1 - R2 / S)).

    Cox-Snell's R-squared of a risk is below 0.87 whatever the rate, so always below S = 0.9.
    """
    _check(parameters, r2, r2_max)
    small_difference = r2 / (r2 + DIFFERENCE_R2 * r2_max)
    first, second = (
        math.ceil(parameters / ((s - 1) * math.log1p(-r2 / s)))
        for s in (SHRINKAGE, small_difference)
    )
    return first, second


def _shrinkage_continuous(patients: int, parameters: int, r2: float) -> float:
    """Expected shrinkage of a linear model (Copas, J R Stat Soc B 1983;45:311)."""
    explained = (r2 * (patients - parameters - 1) + parameters) / (patients - 1)
    return 1 + (parameters - 2) / (patients * math.log1p(-explained))


def _half_width_mean(patients: int, parameters: int, r2: float, sd: float) -> float:
    quantile = float(student_t.ppf(0.975, patients - parameters - 1))
    return quantile * math.sqrt(sd**2 * (1 - r2) / patients)


def _check(parameters: int, r2: float, r2_max: float) -> None:
    if parameters < 1:
        raise ValueError(f"{parameters} parameters: expected at least 1")
    if not 0 < r2 < r2_max:
        raise ValueError(f"R-squared {r2:.4g}: expected between 0 and {r2_max:.4g}")


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} {value:g}: expected above 0")
