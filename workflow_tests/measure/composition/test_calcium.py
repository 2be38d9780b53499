"""Agatston scores against lesions counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from bonecast.levels import LEVELS
from bonecast.measure.composition.calcium import (
    CALCIUM_LEVELS,
    LESION_HU,
    agatston,
    level_slices,
    measure_calcium,
)
from bonecast.reasons import Reason
from bonecast.segment.tissues import Tissue

SPACING_MM = (0.5, 0.5, 3.0)


def score(paint, kvp=120, spacing_mm=SPACING_MM, blood_hu=40):
    """Score of an aorta of 40 x 40 voxels and two slices with what `paint` puts in it."""
    hu = np.full((50, 50, 2), blood_hu, np.int16)
    aorta = np.zeros(hu.shape, bool)
    aorta[5:45, 5:45] = True
    paint(hu)
    return agatston(hu, aorta, spacing_mm, kvp)


def lesion(peak, x=slice(10, 14), y=slice(10, 12), z=0):
    """Eight voxels, 2 mm2, all of one attenuation."""

    def paint(hu):
        hu[x, y, z] = peak

    return paint


@pytest.mark.parametrize("kvp", LESION_HU)
def test_weight_changes_at_every_limit(kvp):
    for weight, limit in enumerate(LESION_HU[kvp]):
        assert score(lesion(limit - 1), kvp) == pytest.approx(2.0 * weight)
        assert score(lesion(limit), kvp) == pytest.approx(2.0 * (weight + 1))


def test_three_lesions_add_up():
    def paint(hu):
        hu[10:14, 10:12, 0] = 150  # 2 mm2, weight 1
        hu[20:24, 20:24, 0] = 250  # 4 mm2, weight 3 by its peak
        hu[22, 22, 0] = 350
        hu[30:32, 30:34, 1] = 900  # 2 mm2, weight 4

    assert score(paint) == pytest.approx(2 + 12 + 8)


def test_score_grows_with_the_distance_of_slices():
    assert score(lesion(150), spacing_mm=(0.5, 0.5, 1.5)) == pytest.approx(1.0)
    assert score(lesion(150), spacing_mm=(0.5, 0.5, 5.0)) == pytest.approx(2.0 * 5 / 3)


def test_lesion_of_1_mm2_counts_and_a_smaller_one_does_not():
    assert score(lesion(500, slice(10, 12), slice(10, 12))) == pytest.approx(4.0)
    assert score(lesion(500, slice(10, 13), slice(10, 11))) == 0.0


def test_voxels_that_touch_at_a_corner_are_one_lesion():
    def paint(hu):
        hu[10:12, 10, 0] = 150
        hu[12:14, 11, 0] = 450

    assert score(paint) == pytest.approx(4.0)


def test_bone_beside_the_aorta_does_not_count():
    def paint(hu):
        hu[45:, :, :] = 700

    assert score(paint) == 0.0

    def across_the_wall(hu):
        paint(hu)
        hu[43:45, 10:14, 0] = 150

    # Its peak is that of the part inside.
    assert score(across_the_wall) == pytest.approx(2.0)


@pytest.fixture(scope="module")
def native(draw_trunk):
    """T12 to L5 with one lesion of 4 x 4 mm at the middle of L2 and one just above T12's middle."""
    trunk = draw_trunk(("T12", "L1", "L2", "L3", "L4", "L5"), spacing_mm=(1.0, 1.0, 3.0))
    hu = trunk.ct.data.copy()
    x, y = (np.array(hu.shape[:2]) / 2).astype(int)
    for level in ("L2", "T12"):
        z = trunk.bodies[level].frame.origin_mm[2]
        k = int(round((z - trunk.ct.affine[2, 3]) / 3))
        hu[x : x + 4, y + 18 : y + 22, k] = 450
    return trunk, trunk.ct.like(hu)


def measured(native, contrast=False, kvp=120.0, ct=None, tissue="own", bodies=None):
    trunk, own = native
    tissue = trunk.tissue if tissue == "own" else tissue
    rows = measure_calcium(ct or own, bodies or trunk.bodies, tissue, LEVELS, contrast, kvp)
    return {row["level"]: row for row in rows}


def test_a_lesion_is_scored_at_its_level(native):
    rows = measured(native)
    assert tuple(rows) == CALCIUM_LEVELS
    assert {level: row["agatston"] for level, row in rows.items()} == {
        "L1": 0.0,
        "L2": pytest.approx(16 * 4),
        "L3": 0.0,
        "L4": 0.0,
    }
    assert all(row["included"] and row["method"] == "masks" for row in rows.values())


def test_levels_share_out_the_slices(native):
    trunk, ct = native
    first, spacing = ct.affine[2, 3], ct.spacing_mm[2]
    middles = {
        level: (body.frame.origin_mm[2] - first) / spacing for level, body in trunk.bodies.items()
    }
    parts = [level_slices(level, middles, ct.data.shape[2]) for level in ("L4", "L3", "L2", "L1")]
    assert all(low.stop == high.start for low, high in zip(parts, parts[1:], strict=False))
    assert sum(part.stop - part.start for part in parts) == pytest.approx(4 * 32 / 3, abs=1)


@pytest.mark.parametrize("degrees", [-20, 20])
def test_a_tilted_scan_has_its_lesion_at_the_same_level(native, degrees):
    """The same voxels in world axes turned about x: what z of the world a slice has changes."""
    trunk, ct = native
    turn = np.eye(4)
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn[1:3, 1:3] = [[c, -s], [s, c]]
    tissue = replace(trunk.tissue, affine=turn @ trunk.tissue.affine)
    bodies = {
        level: replace(
            body,
            affine=turn @ body.affine,
            frame=replace(
                body.frame,
                origin_mm=turn[:3, :3] @ body.frame.origin_mm,
                axes=body.frame.axes @ turn[:3, :3].T,
            ),
        )
        for level, body in trunk.bodies.items()
    }
    rows = measured(native, ct=replace(ct, affine=turn @ ct.affine), tissue=tissue, bodies=bodies)
    scores = {level: row["agatston"] for level, row in rows.items()}
    assert scores == {level: row["agatston"] for level, row in measured(native).items()}


def test_an_aorta_that_divides_above_l4_has_no_calcium_there(native):
    trunk, ct = native
    end = round((trunk.bodies["L3"].frame.origin_mm[2] - ct.affine[2, 3]) / ct.spacing_mm[2]) - 3
    short = trunk.tissue.data.copy()
    below = short[:, :, :end]
    below[below == Tissue.AORTA] = 0
    rows = measured(native, tissue=trunk.tissue.like(short))
    assert rows["L4"]["agatston"] == 0 and rows["L4"]["included"]
    assert rows["L2"]["agatston"] == pytest.approx(16 * 4)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"contrast": True}, Reason.CONTRAST),
        ({"contrast": None}, Reason.PHASE_UNKNOWN),
        ({"kvp": None}, Reason.KVP_NOT_TABULATED),
        ({"kvp": 140.0}, Reason.KVP_NOT_TABULATED),
        ({"tissue": None}, Reason.NO_TISSUE_MASK),
    ],
)
def test_no_score_but_a_reason(native, changed, reason):
    rows = measured(native, **changed)
    assert {(row["agatston"], row["reason"]) for row in rows.values()} == {(None, reason)}


def test_without_an_aorta_there_is_no_score(native):
    trunk, _ = native
    bare = trunk.tissue.like(np.where(trunk.tissue.data == Tissue.AORTA, 0, trunk.tissue.data))
    assert {row["reason"] for row in measured(native, tissue=bare).values()} == {
        Reason.NO_TISSUE_MASK
    }


@pytest.mark.parametrize(("noise_hu", "reason"), [(20, None), (45, Reason.TOO_NOISY)])
def test_noise_scores_nothing(native, noise_hu, reason):
    _, ct = native
    noise = np.random.default_rng(3).normal(0, noise_hu, ct.data.shape)
    rows = measured(native, ct=ct.like(np.round(ct.data + noise).astype(np.int16)))
    assert {row["reason"] for row in rows.values()} == {reason}
    if reason is None:
        assert rows["L3"]["agatston"] == 0.0


def test_unmarked_contrast_is_noticed(native):
    trunk, ct = native
    bright = np.where(trunk.tissue.data == Tissue.AORTA, 180, ct.data).astype(np.int16)
    noise = np.random.default_rng(3).normal(0, 10, ct.data.shape).astype(np.int16)
    rows = measured(native, ct=ct.like(bright + noise))
    assert {row["reason"] for row in rows.values()} == {Reason.TOO_NOISY}


def test_a_level_at_the_end_of_the_scan_is_not_scored(native):
    trunk, _ = native
    without = {level: body for level, body in trunk.bodies.items() if level not in ("T12", "L5")}
    rows = measured(native, bodies=without)
    assert rows["L1"]["included"] and rows["L4"]["included"]
    alone = measured(native, bodies={"L2": trunk.bodies["L2"]})
    assert alone["L2"]["reason"] == Reason.TOUCHES_BORDER
