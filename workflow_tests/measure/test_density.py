"""Attenuation: known HU comes back at any slice thickness, and doubtful levels are named."""

import numpy as np
import pytest
from scipy import ndimage

from bonecast.images import Volume, load
from bonecast.measure.columns import names
from bonecast.measure.density import (
    DENSITY_COLUMNS,
    ROIS,
    DensitySettings,
    find_outliers,
    measure_density,
    region,
    summarise,
)
from bonecast.measure.frame import depth_mm, find_bodies
from bonecast.reasons import Reason
from bonecast.segment.bodies import split_bodies
from bonecast.segment.labelmaps import CONVENTIONS, translate

LEVELS = ["T12", "L1", "L2", "L3", "L4", "L5"]
ALL_ROIS = DensitySettings(rois=ROIS)


def measure(phantom, levels=LEVELS, settings=ALL_ROIS, ct=None, **more):
    volume = phantom.ct if ct is None else phantom.ct.like(ct)
    bodies = find_bodies(phantom.bodies, phantom.vertebrae, volume)
    rows = measure_density(bodies, levels, settings, **more)
    assert all(tuple(row) == names(DENSITY_COLUMNS) for row in rows)
    return {(row["level"], row["roi"]): row for row in rows}


def test_depth_counts_from_the_surface_between_voxels():
    mask = np.zeros((9, 9, 9), bool)
    mask[2:7, 2:7, 2:7] = True
    depths = depth_mm(mask, (1.0, 1.0, 1.0))
    assert depths[4, 4, 4] == pytest.approx(2.5)
    assert depths[2, 4, 4] == pytest.approx(0.5)
    assert depths[0, 0, 0] == 0


def test_depth_with_thick_slices_and_at_the_edge_of_the_array():
    mask = np.ones((40, 40, 5), bool)
    # Outside the array is outside the body: the middle slice lies 2.5 slices deep.
    assert depth_mm(mask, (1.0, 1.0, 5.0))[20, 20].tolist() == [2.5, 7.5, 12.5, 7.5, 2.5]


@pytest.mark.parametrize("tilt", [0, 15])
@pytest.mark.parametrize(
    ("spacing_mm", "tolerance_hu"),
    [((1, 1, 1), 1.0), ((0.8, 0.8, 2.5), 1.0), ((0.8, 0.8, 5), 3.0), ((3, 3, 3), 3.0)],
)
def test_known_attenuation_comes_back(draw_spine, DrawnBody, spacing_mm, tolerance_hu, tilt):
    drawn = {
        "L1": DrawnBody(hu=150),
        "L2": DrawnBody(hu=120, kind="wedge", loss=0.15),
        "L3": DrawnBody(hu=90),
    }
    rows = measure(draw_spine(drawn, spacing_mm, tilt))
    assert len(rows) == 9
    for (level, _), row in rows.items():
        assert row["included"] and row["reason"] is None
        assert abs(row["mean_hu"] - drawn[level].hu) <= tolerance_hu
        assert abs(row["median_hu"] - drawn[level].hu) <= tolerance_hu


def test_noise_leaves_the_mean_and_shows_in_the_spread(draw_spine, DrawnBody):
    rows = measure(draw_spine({"L1": DrawnBody(hu=100)}, (1, 1, 2), noise_hu=40))
    row = rows["L1", "hu_vol"]
    assert abs(row["mean_hu"] - 100) < 3
    assert row["sd_hu"] == pytest.approx(40, rel=0.05)
    assert row["volume_mm3"] == pytest.approx(2 * row["n_voxels"])


def test_the_circle_has_its_area(three_bodies):
    body = find_bodies(three_bodies.bodies, three_bodies.vertebrae)["L2"]
    for slab_mm in (1.0, 5.0, 9.0):
        circle = region(body, "hu_circle200", DensitySettings(slab_mm=slab_mm))
        assert circle.sum() / slab_mm == pytest.approx(200, rel=0.05)


def test_the_ellipse_lies_in_front_of_the_centre(three_bodies):
    body = find_bodies(three_bodies.bodies, three_bodies.vertebrae)["L2"]
    ellipse = np.argwhere(region(body, "hu_ellipse", ALL_ROIS)).mean(axis=0)
    centre = np.argwhere(body.mask).mean(axis=0)
    assert ellipse[1] - centre[1] == pytest.approx(0.08 * 32, abs=0.6)
    assert abs(ellipse[0] - centre[0]) < 0.6


def test_more_erosion_leaves_less(three_bodies):
    body = find_bodies(three_bodies.bodies, three_bodies.vertebrae)["L2"]
    wide = region(body, "hu_vol", DensitySettings(erosion_mm=2, endplate_fraction=0))
    narrow = region(body, "hu_vol", DensitySettings(erosion_mm=5, endplate_fraction=0))
    flat = region(body, "hu_vol", DensitySettings(erosion_mm=2, endplate_fraction=0.3))
    assert narrow.sum() < wide.sum() and not (narrow & ~wide).any()
    heights = np.flatnonzero(flat.any(axis=(0, 1)))
    assert np.ptp(heights) + 1 == pytest.approx(0.4 * 27, abs=1.5)


def test_unknown_region_is_named(three_bodies):
    body = find_bodies(three_bodies.bodies, three_bodies.vertebrae)["L2"]
    with pytest.raises(ValueError, match="hu_square"):
        region(body, "hu_square", ALL_ROIS)


def test_summary_of_plain_numbers():
    values = np.array([0, 10, 10, 10, 10, 10, 10, 10, 20, 1000])
    found = summarise(values, voxel_mm3=2.0)
    assert found["mean_hu"] == pytest.approx(109)
    assert found["median_hu"] == 10
    assert found["trimmed_mean_hu"] == pytest.approx(90 / 8)
    assert found["sd_hu"] == pytest.approx(values.std(ddof=1))
    assert (found["n_voxels"], found["volume_mm3"]) == (10, 20)


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


def test_a_level_far_from_its_neighbours_is_measured_and_left_out(draw_spine, DrawnBody):
    drawn = {level: DrawnBody(hu=100) for level in ("L1", "L2", "L3", "L4")}
    rows = measure(draw_spine(drawn | {"L3": DrawnBody(hu=300)}, (1.5, 1.5, 2)))
    assert rows["L3", "hu_vol"]["reason"] == Reason.OUTLIER
    assert rows["L3", "hu_vol"]["mean_hu"] == pytest.approx(300, abs=3)
    assert [k for k, row in rows.items() if not row["included"]] == [("L3", roi) for roi in ROIS]


def test_metal_beside_a_body_and_not_a_noisy_voxel(three_bodies):
    ct = three_bodies.ct.data.copy()
    bodies = find_bodies(three_bodies.bodies, three_bodies.vertebrae)
    x, y, z = (int((part.start + part.stop) / 2) for part in bodies["L2"].box)
    behind = bodies["L2"].box[1].start + 6 - 2
    ct[x - 2 : x + 2, behind - 2 : behind + 1, z - 2 : z + 2] = 2500
    ct[x, y, bodies["L1"].box[2].start + 12] = 1600
    rows = measure(three_bodies, ct=ct)
    assert rows["L2", "hu_vol"]["reason"] == Reason.METAL
    assert rows["L2", "hu_vol"]["included"] is False
    assert rows["L1", "hu_vol"]["included"] and rows["L3", "hu_vol"]["included"]


def test_fractured_and_unwanted_levels(three_bodies):
    rows = measure(three_bodies, levels=["L1", "L2"], fractured={"L2"})
    assert rows["L2", "hu_vol"]["reason"] == Reason.FRACTURED
    assert rows["L2", "hu_vol"]["mean_hu"] is not None
    assert rows["L3", "hu_vol"]["reason"] == Reason.LEVEL_NOT_ANALYSED
    assert rows["L3", "hu_vol"]["mean_hu"] is None


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
    assert [row["reason"] for row in rows] == [Reason.TOO_SMALL] * 2
    assert all(row["mean_hu"] is None and row["n_voxels"] is None for row in rows)


def test_a_vertebra_without_body_has_empty_rows(three_bodies):
    code = 21
    without = np.where(three_bodies.bodies.data == code, 0, three_bodies.bodies.data)
    bodies = find_bodies(three_bodies.bodies.like(without), three_bodies.vertebrae, three_bodies.ct)
    rows = measure_density(bodies, LEVELS, DensitySettings())
    assert {row["level"]: row["reason"] for row in rows}["L2"] == Reason.NO_BODY
    assert [row["level"] for row in rows] == ["L1", "L1", "L2", "L2", "L3", "L3"]


PEER_HU = {"L1": 110.0, "L2": 122.0, "L3": 120.0, "L4": 124.0, "L5": 129.0}
"""`vertebrae_L*_intensity_median` of TotalSegmentator's spine_report.json: 'after 4 mm erosion'."""


def read_peer_scan(shared_data):
    """CT and bodies of the scan that TotalSegmentator reported on, at 3 mm."""
    folder = shared_data / "ct" / "totalseg_lumbar"
    ct = load(folder / "ct.nii.gz")
    whole = translate(load(folder / "total_labels.nii.gz").data, CONVENTIONS["totalsegmentator"])
    parts = load(folder / "vertebral_bodies.nii.gz").data
    bodies = translate(parts, CONVENTIONS["totalsegmentator_bodies"])
    return ct, find_bodies(ct.like(bodies), ct.like(whole), ct)


def test_the_peers_numbers_come_from_half_of_its_erosion(shared_data):
    """On this grid its kernel of '4 mm' is a cube of 2 voxels: one voxel off, on one side."""
    ct, bodies = read_peer_scan(shared_data)
    for level, expected in PEER_HU.items():
        kept = ndimage.binary_erosion(bodies[level].mask, np.ones((2, 2, 2)))
        assert np.median(ct.data[bodies[level].box][kept]) == expected


def test_four_millimetres_on_every_side_hold_less_cortex(shared_data):
    ct, bodies = read_peer_scan(shared_data)
    settings = DensitySettings(rois=("hu_vol",), endplate_fraction=0)
    rows = measure_density(bodies, list(PEER_HU), settings)
    ours = {row["level"]: row["median_hu"] for row in rows if row["level"] in PEER_HU}
    for level, peer in PEER_HU.items():
        assert 5 <= peer - ours[level] <= 17
        # Four millimetres from voxel centre to voxel centre lie between the two.
        kept = ndimage.distance_transform_edt(bodies[level].mask, sampling=(3, 3, 3)) > 4
        assert ours[level] <= np.median(ct.data[bodies[level].box][kept]) <= peer


def test_a_noisy_real_scan_has_no_metal(shared_data):
    folder = shared_data / "ct" / "verse014"
    ct, vertebrae = load(folder / "ct.nii.gz"), load(folder / "vertebrae.nii.gz")
    bodies = find_bodies(vertebrae.like(split_bodies(vertebrae)), vertebrae, ct)
    rows = measure_density(bodies, LEVELS, DensitySettings(rois=("hu_vol",)))
    reasons = {row["level"]: row["reason"] for row in rows}
    assert Reason.METAL not in reasons.values()
    # L1 is sclerotic, twice as dense as the others.
    assert [reasons[level] for level in ("L1", "L2", "L3", "L4")] == [Reason.OUTLIER] + [None] * 3
