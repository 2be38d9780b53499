"""Rods in the scan: both forms, at several voltages, and where the scan itself is read."""

import numpy as np
import pytest

from bonecast.images import Volume
from bonecast.measure.calibration.phantom import calibrate_rods
from bonecast.reasons import Reason

RODS_MGCC = (0.0, 50.0, 100.0, 200.0)
NO_CT = Volume(np.zeros((2, 2, 2), np.int16), np.eye(4))
PLACE = dict.fromkeys(("x_mm", "y_mm", "z_mm", "radius_mm"))


def rod(density_mgcc, mean_hu=None, water_mgcc=None, **place):
    return {
        "rod": "A",
        "density_mgcc": density_mgcc,
        "water_mgcc": water_mgcc,
        "mean_hu": mean_hu,
        **PLACE,
        **place,
    }


@pytest.mark.parametrize("standard", ["k2hpo4", "caha"])
def test_rods_calibrate_at_every_voltage(scanner, standard):
    rods = [rod(d, scanner.solution_hu(d, standard)) for d in RODS_MGCC]
    mine = calibrate_rods(NO_CT, rods, standard)
    assert (mine.method, mine.standard) == ("phantom", standard)
    for density in (25, 80, 120, 150, 250):
        hu = scanner.solution_hu(density, standard)
        assert mine.density_mgcc(hu) == pytest.approx(density, abs=0.5)
    assert mine.quality["r2"] > 0.9999 and mine.quality["r2_low"] is False


def test_the_mindways_form_is_used_where_rods_have_water_equivalents():
    sigma, beta = 1.3, -990.0
    rods = [
        rod(d, water + sigma * d + beta, water)
        for d, water in ((-51.8, 1012.2), (-53.4, 1057.0), (58.9, 1103.6), (157.1, 1119.5))
    ]
    mine = calibrate_rods(NO_CT, rods, "k2hpo4")
    assert mine.method == "phantom_mindways"
    assert mine.slope == pytest.approx(1 / (sigma - 0.2174))
    assert mine.intercept == pytest.approx(-(beta + 999.6) / (sigma - 0.2174))
    assert mine.quality["r2"] == pytest.approx(1)


def test_a_rod_is_read_in_the_scan():
    affine = np.diag([0.8, 0.8, 2.5, 1.0])
    affine[:3, 3] = (-30, -40, 100)
    data = np.full((80, 100, 20), -1000, np.int16)
    x, y = (affine[k, 3] + affine[k, k] * np.arange(n) for k, n in ((0, 80), (1, 100)))
    for centre, hu in ((-20, 10), (0, 75), (20, 140)):
        data[np.hypot(x[:, None] - centre, y[None, :] + 10) < 9] = hu
    at = {"y_mm": -10.0, "z_mm": 120.0, "radius_mm": 6.0}
    rods = [rod(d, x_mm=c, **at) for d, c in ((0.0, -20.0), (50.0, 0.0), (100.0, 20.0))]
    mine = calibrate_rods(Volume(data, affine), rods, "k2hpo4")
    assert [seen["mean_hu"] for seen in mine.quality["rods"]] == [10, 75, 140]
    assert mine.slope == pytest.approx(50 / 65)
    # One that reaches beyond the scan is not used, and two are too few.
    rods[0]["z_mm"] = 101.0
    mine = calibrate_rods(Volume(data, affine), rods, "k2hpo4")
    assert mine.reason == Reason.CALIBRATION_TOO_FEW_RODS
    assert mine.quality["rods"][0]["mean_hu"] is None


def test_rods_off_the_line_are_flagged():
    rods = [rod(d, hu) for d, hu in ((0.0, 0.0), (50.0, 90.0), (100.0, 125.0), (200.0, 250.0))]
    assert calibrate_rods(NO_CT, rods, "k2hpo4").quality["r2_low"] is True


@pytest.mark.parametrize(
    ("rods", "reason"),
    [
        ([], Reason.CALIBRATION_TOO_FEW_RODS),
        ([rod(0.0, 0.0), rod(100.0, 120.0)], Reason.CALIBRATION_TOO_FEW_RODS),
        ([rod(50.0, 60.0)] * 3, Reason.CALIBRATION_TOO_FEW_RODS),
        ([rod(0.0, 90.0), rod(50.0, 50.0), rod(100.0, 10.0)], Reason.CALIBRATION_IMPLAUSIBLE),
    ],
)
def test_rods_that_cannot_calibrate_give_a_reason(rods, reason):
    mine = calibrate_rods(NO_CT, rods, "k2hpo4")
    assert mine.reason == reason and not mine.usable
