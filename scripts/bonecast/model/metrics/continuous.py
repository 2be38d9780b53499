"""Agreement of a predicted number with the measured one."""

import numpy as np

from bonecast.model.metrics.resamples import ratio

LIMITS_OF_AGREEMENT = 1.96
"""Standard deviations from the bias: Bland and Altman, Lancet 1986;1:307."""


def agreement(predicted: np.ndarray, value: np.ndarray, counts: np.ndarray) -> dict:
    """Errors of predicted numbers, averaged over repeats.

    Args:
        predicted: shape (repeats, patients).
        value: measured, in the same unit, shape (patients,).
        counts: how often each patient is in each resample, shape (1 + resamples, patients).

    Returns:
        `r2`, `rmse`, `mae`, `calibration_slope` (observed on predicted), `bias` (predicted less
        observed), `loa_lower` and `loa_upper`, each of shape (1 + resamples,); NaN where a
        resample does not vary.
    """
    patients = counts.sum(axis=1)

    def mean(values: np.ndarray) -> np.ndarray:
        return ratio(counts @ values, patients)

    total = mean(value**2) - mean(value) ** 2
    total = np.where(total > 1e-12 * mean(value**2), total, np.nan)
    by_repeat = []
    for guess in predicted:
        error = guess - value
        square, bias = mean(error**2), mean(error)
        spread = mean(guess**2) - mean(guess) ** 2
        spread = np.where(spread > 1e-12 * mean(guess**2), spread, np.nan)
        shared = mean(guess * value) - mean(guess) * mean(value)
        # n - 1 in the denominator: limits of agreement are about further patients.
        sd = np.sqrt(np.maximum(square - bias**2, 0) * ratio(patients, patients - 1))
        by_repeat.append(
            {
                "r2": 1 - square / total,
                "rmse": np.sqrt(square),
                "mae": mean(np.abs(error)),
                "calibration_slope": shared / spread,
                "bias": bias,
                "loa_lower": bias - LIMITS_OF_AGREEMENT * sd,
                "loa_upper": bias + LIMITS_OF_AGREEMENT * sd,
            }
        )
    return {name: np.mean([r[name] for r in by_repeat], axis=0) for name in by_repeat[0]}
