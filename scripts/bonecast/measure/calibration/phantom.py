"""Calibration from rods of known density that were scanned together with the patient."""

from collections.abc import Sequence

import numpy as np

from bonecast.images import Volume
from bonecast.measure.calibration.model import Calibration, not_calibrated
from bonecast.reasons import Reason

MIN_RODS = 3
"""Two rods fit a line exactly and say nothing of its quality; chosen here."""

R2_WARN = 0.99
"""Rods that lie worse on a line are flagged: one was misread, or the phantom is damaged."""

MINDWAYS_SLOPE, MINDWAYS_INTERCEPT = 0.2174, 999.6
"""From the phantom's reference to K2HPO4 in water: sigma_CT = sigma_ref - 0.2174 and
beta_CT = beta_ref + 999.6 (Mindways QCT PRO guide)."""


def calibrate_rods(ct: Volume, rods: Sequence[dict], standard: str) -> Calibration:
    """Least squares of the rods' densities on their HU.

    Where every rod has a water-equivalent density the form of Mindways' phantom is used:
    HU - water = sigma_ref * density + beta_ref, then density = (HU - beta_CT) / sigma_CT.

    Args:
        ct: HU; read only for rods given by a place.
        rods: dicts with density_mgcc, water_mgcc, mean_hu, x_mm, y_mm, z_mm, radius_mm; None
            where not given.
        standard: k2hpo4 or caha.
    """
    mindways = bool(rods) and all(rod["water_mgcc"] is not None for rod in rods)
    method = "phantom_mindways" if mindways else "phantom"
    hu = [rod_hu(ct, rod) if rod["mean_hu"] is None else rod["mean_hu"] for rod in rods]
    seen = [
        {"rod": number, "density_mgcc": rod["density_mgcc"], "mean_hu": value}
        for number, (rod, value) in enumerate(zip(rods, hu, strict=True), start=1)
    ]
    used = [i for i, value in enumerate(hu) if value is not None]
    density = np.array([rods[i]["density_mgcc"] for i in used], float)
    if len(used) < MIN_RODS or np.ptp(density) == 0:
        return not_calibrated(Reason.CALIBRATION_TOO_FEW_RODS, method, rods=seen)
    values = np.array([hu[i] for i in used], float)
    if np.ptp(values) == 0:
        return not_calibrated(Reason.CALIBRATION_IMPLAUSIBLE, method, rods=seen)
    if mindways:
        water = np.array([rods[i]["water_mgcc"] for i in used], float)
        sigma_ref, beta_ref = np.polyfit(density, values - water, 1)
        r2 = np.corrcoef(density, values - water)[0, 1] ** 2
        sigma, beta = sigma_ref - MINDWAYS_SLOPE, beta_ref + MINDWAYS_INTERCEPT
        slope, intercept = (1 / sigma, -beta / sigma) if sigma > 0 else (-1.0, 0.0)
    else:
        slope, intercept = np.polyfit(values, density, 1)
        r2 = np.corrcoef(values, density)[0, 1] ** 2
    if slope <= 0:
        return not_calibrated(Reason.CALIBRATION_IMPLAUSIBLE, method, rods=seen)
    return Calibration(
        method,
        standard,
        float(slope),
        float(intercept),
        quality={"r2": float(r2), "r2_low": bool(r2 < R2_WARN), "rods": seen},
    )


def rod_hu(ct: Volume, rod: dict) -> float | None:
    """Mean HU of a cylinder along z at the place given, as long as it is wide.

    Returns:
        None where the cylinder reaches beyond the scan.
    """
    radius = rod["radius_mm"]
    inverse = np.linalg.inv(ct.affine)
    centre = inverse[:3, :3] @ [rod["x_mm"], rod["y_mm"], rod["z_mm"]] + inverse[:3, 3]
    reach = radius / np.asarray(ct.spacing_mm)
    low, high = np.floor(centre - reach).astype(int), np.ceil(centre + reach).astype(int) + 1
    if (low < 0).any() or (high > ct.data.shape).any():
        return None
    grid = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1)
    away = (grid - centre) * ct.spacing_mm
    inside = (np.hypot(away[..., 0], away[..., 1]) <= radius) & (np.abs(away[..., 2]) <= radius)
    if not inside.any():
        return None
    crop = ct.data[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return float(crop[inside].mean())
