"""The ledger of a vertebra: every reason that applies is named, and values are kept."""

import numpy as np
import pytest

from bonecast.images import Volume, load
from bonecast.measure.bodies import find_bodies
from bonecast.measure.density import ROIS, DensitySettings, measure_density
from bonecast.measure.inclusion import ORDER, find_implausible, find_outliers, in_order
from bonecast.reasons import Reason
from bonecast.segment.bodies import split_bodies
from bonecast.segment.labelmaps import CONVENTIONS, translate

LEVELS = ["T12", "L1", "L2", "L3", "L4", "L5"]


def measure(phantom, levels=LEVELS, ct=None, left_out=None):
    volume = phantom.ct if ct is None else phantom.ct.like(ct)
    bodies = find_bodies(phantom.bodies, phantom.vertebrae, volume)
    rows = measure_density(bodies, levels, DensitySettings(), left_out)
    return {(row["level"], row["roi"]): row for row in rows}


def middle(phantom, level):
    """Voxel in the middle of a body, and its back (least y) in front of the margin of the crop."""
    box = find_bodies(phantom.bodies, phantom.vertebrae)[level].box
    x, y, z = (int((part.start + part.stop) / 2) for part in box)
    return x, y, z, box[1].start + 6


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"L1": 120, "L2": 115, "L3": 112, "L4": 118}, set()),
        ({"L1": 120, "L2": 300, "L3": 112, "L4": 118}, {"L2"}),
        ({"L1": 300, "L2": 120, "L3": 112}, {"L1"}),
        ({"T11": 160, "T12": 150, "L1": 140, "L2": 130, "L3": 120, "L4": 110}, set()),
        ({"L1": 300, "L2": 100}, set()),
        ({}, set()),
    ],
)
def test_outliers(values, expected):
    assert find_outliers(values) == expected


@pytest.mark.parametrize(
    ("sds", "expected"),
    [
        ({"L1": 90, "L2": 35, "L3": 30, "L4": 37}, {"L1"}),
        ({"L1": 150, "L2": 120, "L3": 108, "L4": 106}, set()),  # a noisy scan
        ({"L1": 55, "L2": 20, "L3": 20}, set()),
        ({"L1": 300, "L2": 20}, set()),  # which of the two is odd?
        ({}, set()),
    ],
)
def test_values_that_differ_more_than_elsewhere_in_the_scan(sds, expected):
    assert find_implausible(sds) == expected


def test_every_reason_of_a_vertebra_has_its_place():
    assert len(ORDER) == len(set(ORDER))
    assert in_order([Reason.OUTLIER, Reason.METAL, Reason.METAL, Reason.LISTED_IMPLANT]) == [
        Reason.LISTED_IMPLANT,
        Reason.METAL,
        Reason.OUTLIER,
    ]


def test_a_level_far_from_its_neighbours_is_measured_and_left_out(draw_spine, DrawnBody):
    drawn = {level: DrawnBody(hu=100) for level in ("L1", "L2", "L3", "L4")}
    rows = measure(draw_spine(drawn | {"L3": DrawnBody(hu=300)}, (1.5, 1.5, 2)))
    assert rows["L3", "hu_vol"]["reason"] == Reason.OUTLIER
    assert rows["L3", "hu_vol"]["mean_hu"] == pytest.approx(300, abs=3)
    assert [k for k, row in rows.items() if not row["included"]] == [("L3", roi) for roi in ROIS]


def test_metal_beside_a_body_and_not_a_noisy_voxel(three_bodies):
    ct = three_bodies.ct.data.copy()
    x, _, z, back = middle(three_bodies, "L2")
    ct[x - 2 : x + 2, back - 4 : back - 1, z - 2 : z + 2] = 2500
    x, y, z, _ = middle(three_bodies, "L1")
    ct[x, y, z] = 1600
    rows = measure(three_bodies, ct=ct)
    assert rows["L2", "hu_vol"]["reason"] == Reason.METAL
    assert rows["L2", "hu_vol"]["included"] is False
    assert rows["L1", "hu_vol"]["included"] and rows["L3", "hu_vol"]["included"]


@pytest.mark.parametrize(
    ("front_mm", "length_mm", "expected"),
    [(12, 8, Reason.CEMENT), (12, 24, Reason.METAL), (-8, 4, None)],
)
def test_cement_lies_inside_and_a_screw_reaches_out(three_bodies, front_mm, length_mm, expected):
    """A bright bar of 5 mm that ends some way in front of the back wall, or far behind it."""
    ct = three_bodies.ct.data.copy()
    x, _, z, back = middle(three_bodies, "L2")
    ct[x - 2 : x + 3, back + front_mm - length_mm : back + front_mm, z - 2 : z + 3] = 2200
    row = measure(three_bodies, ct=ct)["L2", "hu_vol"]
    assert row["reason"] == expected
    assert (row["mean_hu"] > 150) == (expected is not None)


def test_all_reasons_are_named_in_order_and_values_are_kept(three_bodies):
    ct = three_bodies.ct.data.copy()
    x, y, z, _ = middle(three_bodies, "L2")
    ct[x - 3 : x + 4, y - 3 : y + 4, z - 3 : z + 4] = 2000
    known = {"L2": [Reason.DEFORMED, Reason.LISTED_CEMENT], "L3": [Reason.LISTED_OTHER]}
    rows = measure(three_bodies, ct=ct, left_out=known, levels=["L1", "L2"])
    l2 = rows["L2", "hu_circle200"]
    assert l2["reasons"] == "listed_cement cement deformed"
    assert (l2["reason"], l2["included"]) == (Reason.LISTED_CEMENT, False)
    assert l2["mean_hu"] > 300
    assert rows["L3", "hu_vol"]["reasons"] == "level_not_analysed listed_other"
    assert rows["L3", "hu_vol"]["mean_hu"] is None
    assert (rows["L1", "hu_vol"]["included"], rows["L1", "hu_vol"]["reasons"]) == (True, None)


def test_a_spot_makes_the_spread_implausible(draw_spine, DrawnBody):
    drawn = {level: DrawnBody(hu=100) for level in ("L1", "L2", "L3", "L4")}
    phantom = draw_spine(drawn, (1.5, 1.5, 2), noise_hu=25)
    ct = phantom.ct.data.copy()
    x, y, z, _ = middle(phantom, "L3")
    ct[x - 4 : x + 4, y - 4 : y + 4, z - 2 : z + 3] = 400
    rows = measure(phantom, ct=ct)
    assert rows["L3", "hu_vol"]["reasons"] == "implausible_sd"
    assert [level for (level, roi), row in rows.items() if not row["included"]] == ["L3"] * 3


def test_a_cut_body_is_measured_and_left_out(three_bodies):
    body = find_bodies(three_bodies.bodies, three_bodies.vertebrae)["L1"]
    end = body.box[2].stop - 10
    cut = {
        name: Volume(getattr(three_bodies, name).data[:, :, :end], three_bodies.ct.affine)
        for name in ("ct", "bodies", "vertebrae")
    }
    rows = measure(type(three_bodies)(**cut))
    assert rows["L1", "hu_vol"]["reason"] == Reason.TOUCHES_BORDER
    assert rows["L1", "hu_vol"]["mean_hu"] == pytest.approx(150, abs=1)
    assert rows["L2", "hu_vol"]["included"]


def test_a_sliver_is_too_small():
    mask = np.zeros((40, 40, 40), np.uint8)
    mask[10:30, 10:30, 18:22] = 22
    ct = Volume(np.full(mask.shape, 100, np.int16), np.eye(4))
    volume = Volume(mask, np.eye(4))
    rows = measure_density(find_bodies(volume, volume, ct), LEVELS, DensitySettings())
    assert [row["reason"] for row in rows] == [Reason.TOO_SMALL] * 3
    assert all(row["mean_hu"] is None and row["n_voxels"] is None for row in rows)


def test_a_vertebra_without_body_has_empty_rows(three_bodies):
    code = 21
    without = np.where(three_bodies.bodies.data == code, 0, three_bodies.bodies.data)
    bodies = find_bodies(three_bodies.bodies.like(without), three_bodies.vertebrae, three_bodies.ct)
    rows = measure_density(bodies, LEVELS, DensitySettings(rois=ROIS[:2]))
    assert {row["level"]: row["reason"] for row in rows}["L2"] == Reason.NO_BODY
    assert [row["level"] for row in rows] == ["L1", "L1", "L2", "L2", "L3", "L3"]


def test_a_noisy_real_scan_has_no_metal(shared_data):
    folder = shared_data / "ct" / "verse014"
    ct, vertebrae = load(folder / "ct.nii.gz"), load(folder / "vertebrae.nii.gz")
    bodies = find_bodies(vertebrae.like(split_bodies(vertebrae)), vertebrae, ct)
    rows = measure_density(bodies, LEVELS, DensitySettings(rois=("hu_vol",)))
    reasons = {row["level"]: row["reason"] for row in rows}
    # L1 is sclerotic, twice as dense as the others.
    assert [reasons[level] for level in ("L1", "L2", "L3", "L4")] == [Reason.OUTLIER] + [None] * 3


def test_a_dense_spot_in_a_real_vertebra_is_seen(shared_data):
    """L1 of the peer's scan holds a bright island: its values spread three times as wide."""
    folder = shared_data / "ct" / "totalseg_lumbar"
    ct = load(folder / "ct.nii.gz")
    whole = translate(load(folder / "total_labels.nii.gz").data, CONVENTIONS["totalsegmentator"])
    parts = load(folder / "vertebral_bodies.nii.gz").data
    bodies = translate(parts, CONVENTIONS["totalsegmentator_bodies"])
    found = find_bodies(ct.like(bodies), ct.like(whole), ct)
    rows = measure_density(found, LEVELS[1:], DensitySettings())
    left_out = {(row["level"], row["reasons"]) for row in rows if row["roi"] == "hu_vol"}
    assert ("L1", "implausible_sd") in left_out
    assert {(level, None) for level in ("L2", "L3", "L4", "L5")} <= left_out
