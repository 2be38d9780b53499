"""One calibration of one scan: HU to mg/cm3, whatever it was made from."""

from dataclasses import dataclass, field

import numpy as np

from bonecast.measure.columns import Column
from bonecast.reasons import Reason

METHODS = (
    "none",
    "phantom",
    "phantom_mindways",
    "table",
    "internal_michalski2020",
    "internal_linear",
)
"""What `calibration_method` may say."""


STANDARDS = ("k2hpo4", "caha")
"""What densities are equivalent to: dipotassium phosphate or calcium hydroxyapatite."""

CALIBRATED = (
    Column(
        "calibration_method",
        "",
        "How HU were calibrated to density",
        "calibration.json",
        "text",
        words=METHODS,
    ),
    Column(
        "vbmd_standard",
        "",
        "What the density is equivalent to; the two never mix",
        "calibration.json",
        "text",
        words=STANDARDS,
    ),
)
"""Columns that stand beside every value that a calibration made."""


@dataclass(frozen=True)
class Calibration:
    """Density in mg/cm3 = quadratic * HU^2 + slope * HU + intercept.

    Attributes:
        method: one of `METHODS`.
        standard: k2hpo4 or caha: what the density is equivalent to.
        slope: mg/cm3 per HU, None where there is no calibration.
        intercept: mg/cm3 at 0 HU.
        quadratic: mg/cm3 per HU^2; 0 for all but `internal_michalski2020`.
        reason: why there is no calibration.
        quality: numbers and notes that say how good it is, as JSON can hold them.
    """

    method: str = "none"
    standard: str | None = None
    slope: float | None = None
    intercept: float | None = None
    quadratic: float = 0.0
    reason: Reason | None = None
    quality: dict = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether densities can be computed."""
        return self.reason is None

    def density_mgcc(self, hu: np.ndarray | float) -> np.ndarray | float:
        """Density of voxels in mg/cm3, any shape; negative in fat and air."""
        return (self.quadratic * hu + self.slope) * hu + self.intercept

    def mean_density_mgcc(self, mean_hu: float, sd_hu: float | None) -> float:
        """Mean density of a region from the mean and standard deviation of its HU.

        The square makes the mean of densities differ from the density of the mean by the
        variance times the quadratic term.
        """
        return float(self.density_mgcc(mean_hu)) + self.quadratic * (sd_hu or 0.0) ** 2

    def facts(self) -> dict:
        """The content of calibration.json."""
        return {
            "calibration_method": self.method,
            "vbmd_standard": self.standard,
            "reason": None if self.reason is None else str(self.reason),
            "slope_mgcc_per_hu": self.slope,
            "intercept_mgcc": self.intercept,
            "quadratic_mgcc_per_hu2": self.quadratic if self.usable else None,
            **self.quality,
        }


def not_calibrated(reason: Reason, method: str = "none", **quality: object) -> Calibration:
    """A scan without calibration, and why."""
    return Calibration(method=method, reason=reason, quality=quality)
