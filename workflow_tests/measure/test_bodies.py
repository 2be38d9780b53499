"""Every body is measured in its own axes, not in those of the spine's curve."""

import numpy as np
import pytest

from bonecast.images import load
from bonecast.measure.bodies import find_bodies
from bonecast.measure.calibration.model import Calibration
from bonecast.measure.frame import crop_bodies
from bonecast.measure.strength import measure_strength
from bonecast.segment.bodies import split_bodies


def degrees_between(a, b) -> float:
    return float(np.rad2deg(np.arccos(np.clip(a @ b, -1, 1))))


@pytest.fixture
def tilted(draw_spine, DrawnBody):
    """One body alone, tilted by 20 degrees: the spine's curve knows nothing of that."""
    return draw_spine({"L1": DrawnBody()}, (1, 1, 1.5), tilt_degrees=20)


def test_a_body_has_its_own_axes_where_the_curve_has_others(tilted):
    tilt = np.deg2rad(20)
    true = np.array([0, np.sin(tilt), np.cos(tilt)])
    true[1] *= np.sign(find_bodies(tilted.bodies, tilted.vertebrae)["L1"].frame.axes[2][1])
    curve = crop_bodies(tilted.bodies, tilted.vertebrae)["L1"].frame
    own = find_bodies(tilted.bodies, tilted.vertebrae)["L1"].frame
    assert degrees_between(curve.axes[2], true) > 15
    assert degrees_between(own.axes[2], true) < 1.5
    assert np.allclose(own.axes @ own.axes.T, np.eye(3))


def test_a_tilt_changes_no_rigidity(tilted, draw_spine, DrawnBody):
    straight = draw_spine({"L1": DrawnBody()}, (1, 1, 1.5))
    calibration = Calibration("table", "k2hpo4", 0.8, 0.0)
    found = []
    for phantom in (straight, tilted):
        bodies = find_bodies(phantom.bodies, phantom.vertebrae, phantom.ct)
        found += measure_strength(bodies, ["L1"], calibration, "crawford2003", {})
    for name in ("ea_min_kn", "ei_lr_min_nmm2", "ei_ap_min_nmm2"):
        assert found[1][name] == pytest.approx(found[0][name], rel=0.10), name


def test_the_ends_of_a_real_lumbar_spine(shared_data):
    """The curve is least certain at the ends: in this scan it is 20 degrees off L1's own axis."""
    folder = shared_data / "ct" / "verse014"
    vertebrae = load(folder / "vertebrae.nii.gz")
    bodies = vertebrae.like(split_bodies(vertebrae))
    curve, own = crop_bodies(bodies, vertebrae), find_bodies(bodies, vertebrae)
    turned = {
        name: degrees_between(curve[name].frame.axes[2], own[name].frame.axes[2]) for name in own
    }
    assert 15 < turned["L1"] < 25
    assert turned["L3"] < 10
