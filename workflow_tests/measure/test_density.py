"""Attenuation: known HU comes back at any voxel size, through blur, noise and obliquity."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from bonecast.images import load
from bonecast.levels import VERSE_CODES
from bonecast.measure.bodies import find_bodies
from bonecast.measure.columns import names
from bonecast.measure.density import (
    DENSITY_COLUMNS,
    ROIS,
    DensitySettings,
    measure_density,
    region,
    summarise,
)
from bonecast.measure.frame import depth_mm
from bonecast.segment.labelmaps import CONVENTIONS, translate

LEVELS = ["T12", "L1", "L2", "L3", "L4", "L5"]
ALL_ROIS = DensitySettings()


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


SPACINGS = {
    (0.6, 0.6, 0.6): 1.0,
    (0.8, 0.8, 1): 1.0,
    (1, 1, 1): 1.0,
    (0.7, 0.7, 2.5): 1.0,
    (0.8, 0.8, 5): 3.0,
    (1, 1, 5): 3.0,
    (3, 3, 3): 3.0,
}
"""Voxel size in mm, and the error in HU that may remain."""


@pytest.mark.parametrize(("tilt", "turn"), [(0, 0), (15, 10), (30, 20)])
@pytest.mark.parametrize(("spacing_mm", "most_hu"), SPACINGS.items())
def test_known_attenuation_comes_back(draw_spine, DrawnBody, spacing_mm, most_hu, tilt, turn):
    """Seen through a scanner's blur, straight and oblique, in all three regions."""
    drawn = {"L1": DrawnBody(hu=200), "L2": DrawnBody(hu=60, kind="wedge", loss=0.15)}
    rows = measure(draw_spine(drawn, spacing_mm, tilt, turn, blur_mm=1.5))
    assert len(rows) == 6
    for (level, _), row in rows.items():
        assert row["included"] and row["reason"] is row["reasons"] is None
        for value in ("mean_hu", "median_hu", "trimmed_mean_hu"):
            assert abs(row[value] - drawn[level].hu) <= most_hu


@pytest.mark.parametrize(("spacing_mm", "most_hu"), [((1, 1, 1), 1.0), ((0.8, 0.8, 5), 3.0)])
def test_a_mask_a_millimetre_too_large_changes_little(draw_spine, DrawnBody, spacing_mm, most_hu):
    phantom = draw_spine({"L1": DrawnBody(hu=80)}, spacing_mm, 15, 10, blur_mm=1.5)
    away = ndimage.distance_transform_edt(phantom.bodies.data == 0, sampling=spacing_mm)
    loose = np.where(away <= 1, VERSE_CODES["L1"], 0).astype(np.uint8)
    assert np.count_nonzero(loose) > 1.05 * np.count_nonzero(phantom.bodies.data)
    rows = measure(replace(phantom, bodies=phantom.bodies.like(loose)))
    assert all(abs(row["mean_hu"] - 80) <= most_hu for row in rows.values())


@pytest.mark.parametrize(("spacing_mm", "most_hu"), [((1, 1, 1), 1.0), ((0.8, 0.8, 5), 3.0)])
def test_noise_leaves_the_mean_and_shows_in_the_spread(draw_spine, DrawnBody, spacing_mm, most_hu):
    drawn = {level: DrawnBody(hu=100) for level in ("L1", "L2", "L3", "L4")}
    rows = measure(draw_spine(drawn, spacing_mm, 10, 5, noise_hu=25, blur_mm=1.5))
    for roi in ROIS:
        found = [row for (_, name), row in rows.items() if name == roi]
        # Of four bodies together: the mean of 1000 noisy voxels in one circle strays by 0.8 HU.
        assert abs(np.mean([row["mean_hu"] for row in found]) - 100) <= most_hu
        assert np.mean([row["sd_hu"] for row in found]) == pytest.approx(25, rel=0.05)
        for row in found:
            assert row["volume_mm3"] == pytest.approx(np.prod(spacing_mm) * row["n_voxels"])


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
