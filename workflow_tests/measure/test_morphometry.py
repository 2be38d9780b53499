"""Heights, end-plates and cross-section of drawn bodies; grades and curves from numbers."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from bonecast.measure.bodies import find_bodies
from bonecast.measure.columns import names
from bonecast.measure.morphometry.deformity import (
    GENANT_LOSS,
    Expected,
    expect,
    grade_deformity,
    grade_probabilities,
    intact,
)
from bonecast.measure.morphometry.heights import measure_shape
from bonecast.measure.morphometry.summary import cobb_angle, summarise_morphometry
from bonecast.measure.morphometry.table import MORPHOMETRY_COLUMNS, measure_morphometry
from bonecast.measure.summaries import Vertebra
from bonecast.reasons import Reason

LEVELS = [*(f"T{i}" for i in range(1, 13)), *(f"L{i}" for i in range(1, 6))]
PARTS = ("anterior", "middle", "posterior")


def measure(phantom, levels=LEVELS):
    rows = measure_morphometry(find_bodies(phantom.bodies, phantom.vertebrae), levels)
    assert all(tuple(row) == names(MORPHOMETRY_COLUMNS) for row in rows)
    return {row["level"]: row for row in rows}


@pytest.mark.parametrize(
    ("spacing_mm", "tilt", "turn"),
    [((0.8, 0.8, 1), 0, 0), ((1, 1, 1.5), 20, 0), ((1, 1, 3), 12, 20)],
)
def test_heights_of_drawn_bodies(draw_spine, DrawnBody, spacing_mm, tilt, turn):
    drawn = {
        "T12": DrawnBody(25.4),
        "L1": DrawnBody(27.2, "wedge", 0.3),
        "L2": DrawnBody(27.9, "biconcave", 0.3),
        "L3": DrawnBody(27.5),
    }
    rows = measure(draw_spine(drawn, spacing_mm, tilt, turn))
    for level, body in drawn.items():
        for part, true in zip(PARTS, body.heights(), strict=True):
            error = rows[level][f"{part}_se_mm"]
            # A voxel that the drawing covers by exactly half is left out of its mask.
            assert rows[level][f"{part}_mm"] == pytest.approx(true - 0.3, abs=2 * error + 0.6)
            assert 0 < error < 0.45 * spacing_mm[2]
        assert rows[level]["depth_mm"] == pytest.approx(32, abs=2)
        assert rows[level]["thick_slices"] is False
    assert [rows[level]["genant_type"] for level in drawn] == ["none", "wedge", "biconcave", "none"]


def test_cross_section_of_an_elliptic_cylinder(draw_spine, DrawnBody):
    phantom = draw_spine({"L1": DrawnBody(27), "L2": DrawnBody(28)}, (1, 1, 1.5), 15, 10)
    for level, row in measure(phantom).items():
        height = {"L1": 27, "L2": 28}[level]
        assert row["area_mm2"] == pytest.approx(np.pi * 22 * 16, rel=0.02)
        assert row["width_mm"] == pytest.approx(44, rel=0.02)
        assert row["volume_mm3"] == pytest.approx(np.pi * 22 * 16 * height, rel=0.04)


@pytest.mark.parametrize(("tilt", "turn"), [(0, 0), (20, 0), (15, 30), (12, 90)])
def test_tilt_of_end_plates(draw_spine, DrawnBody, tilt, turn):
    rows = measure(
        draw_spine(
            {level: DrawnBody() for level in ("L1", "L2", "L3")},
            tilt_degrees=tilt,
            turn_degrees=turn,
        )
    )
    lean, turned = np.deg2rad([tilt, turn])
    up = np.array([-np.sin(turned) * np.sin(lean), np.cos(turned) * np.sin(lean), np.cos(lean)])
    for row in rows.values():
        for plate in ("upper", "lower"):
            sagittal, coronal = (np.rad2deg(np.arctan2(up[k], up[2])) for k in (1, 0))
            assert row[f"{plate}_sagittal_deg"] == pytest.approx(sagittal, abs=1)
            assert row[f"{plate}_coronal_deg"] == pytest.approx(coronal, abs=1)


def test_slices_over_3_mm_are_flagged(draw_spine, DrawnBody):
    for z, thick in ((3.0, False), (4.0, True)):
        row = measure(draw_spine({"L1": DrawnBody()}, (1, 1, z)))["L1"]
        assert row["thick_slices"] is thick


def test_cut_unwanted_and_missing_bodies_have_empty_rows(three_bodies):
    bodies = find_bodies(three_bodies.bodies, three_bodies.vertebrae)
    cut = dataclasses.replace(bodies["L1"], touches_border=True)
    rows = measure_morphometry(bodies | {"L1": cut, "L2": None}, ["L1", "L2"])
    reasons = [Reason.TOUCHES_BORDER, Reason.NO_BODY, Reason.LEVEL_NOT_ANALYSED]
    assert [row["reason"] for row in rows] == reasons
    assert all(row["anterior_mm"] is None and row["genant_grade"] is None for row in rows)
    assert not any(row["included"] for row in rows)


def test_a_body_with_a_missing_front_cannot_be_measured(three_bodies):
    body = find_bodies(three_bodies.bodies, three_bodies.vertebrae)["L2"]
    shredded = body.mask.copy()
    front = body.mask.shape[1] // 2
    shredded[::2, front:, :] = False
    shredded[:, front::2, :] = False
    assert measure_shape(dataclasses.replace(body, mask=shredded)) is None


def test_a_rough_surface_widens_the_stated_error(three_bodies):
    body = find_bodies(three_bodies.bodies, three_bodies.vertebrae)["L2"]
    depth = ndimage.distance_transform_edt(body.mask) - ndimage.distance_transform_edt(~body.mask)
    rng, found = np.random.default_rng(2), []
    for _ in range(20):
        noise = ndimage.gaussian_filter(rng.standard_normal(depth.shape), 2)
        rough = depth + 0.7 * noise / noise.std() > 0
        found.append(measure_shape(dataclasses.replace(body, mask=rough)))
    stated = np.mean([shape.errors for shape in found], axis=0)
    made = np.std([shape.heights for shape in found], axis=0)
    # The anterior height is a mean over a larger part, so roughness adds less to it.
    assert (stated[1:] > 1.05 * measure_shape(body).errors[1:]).all()
    assert (made < 1.3 * stated).all() and (made > 0.3 * stated).all()


# Grades, from heights alone.


def test_neighbours_are_compared_along_the_natural_trend():
    natural = {level: 20 * intact(level) for level in ("T10", "T11", "T12", "L1", "L2", "L5")}
    for level, expected in expect(natural).items():
        assert expected.heights == pytest.approx(natural[level])
    crushed = natural | {"T12": 0.7 * natural["T12"]}
    for level, expected in expect(crushed).items():
        assert expected.heights == pytest.approx(natural[level], rel=1e-3)


def test_a_persons_own_slope_and_shape_are_allowed_for():
    own = np.array([0.96, 0.97, 1.0])
    levels = ("T8", "T9", "T10", "T11", "T12", "L1", "L2")
    person = {name: 20 * intact(name) * own * 1.01**i for i, name in enumerate(levels)}
    for level, expected in expect(person).items():
        assert expected.heights == pytest.approx(person[level], rel=0.02)


def test_two_crushed_neighbours_do_not_hide_each_other():
    heights = {level: 20 * intact(level) for level in ("T10", "T11", "T12", "L1", "L2")}
    expected = expect(heights | {"T10": 0.7 * heights["T10"], "T11": 0.7 * heights["T11"]})
    for level, natural in heights.items():
        assert expected[level].heights == pytest.approx(natural, rel=0.01)


def test_supernumerary_vertebrae_are_compared_where_they_lie():
    assert intact("T12")[2] < intact("T13")[2] < intact("L1")[2]
    assert intact("L6") == pytest.approx(intact("L5"))


def test_a_vertebra_alone_is_judged_by_itself():
    assert expect({"L1": np.array([24.0, 23, 25])}) == {}
    assert expect({"C7": np.array([24.0, 23, 25])}) == {}
    found = grade_deformity("L1", np.array([17.0, 23, 25]), np.full(3, 0.1), None)
    assert (found.grade, found.kind, found.posterior_ratio) == (2, "wedge", None)


@pytest.mark.parametrize(
    ("heights", "expected"),
    [
        ((25, 25, 27), (0, "none")),
        ((25, 21, 27), (1, "biconcave")),
        ((25, 20, 27), (2, "biconcave")),
        ((25, 16, 27), (3, "biconcave")),
        ((20, 25, 27), (1, "wedge")),
        ((18, 22, 27), (2, "wedge")),
        ((14, 20, 27), (3, "wedge")),
        ((20.5, 20.5, 21), (1, "crush")),
        ((17, 17.5, 19), (2, "crush")),
        ((13, 14, 16), (3, "crush")),
        # Shorter than its neighbours by a quarter in front, though its own back is low too.
        ((18.9, 21, 22.5), (2, "wedge")),
        # Exactly a fifth, which binary fractions miss by a hair.
        ((25.2, 21.6, 27), (1, "biconcave")),
    ],
)
def test_grades(heights, expected):
    normal = Expected(np.array([25.2, 25.4, 27.0]), 0.025)
    found = grade_deformity("L1", np.array(heights, float), np.full(3, 0.2), normal)
    assert (found.grade, found.kind) == expected
    assert 0.2 < found.probability <= 1 and found.alternative != found.grade


def test_natural_wedging_is_no_deformity():
    backwards = grade_deformity("L5", np.array([29.0, 25, 25]), np.full(3, 0.2), None)
    forwards = grade_deformity("T12", np.array([20.0, 21.5, 24]), np.full(3, 0.2), None)
    assert (backwards.grade, forwards.grade) == (0, 0)


def test_probabilities_of_grades():
    for loss, sd in ((0.0, 0.02), (0.24, 0.02), (0.39, 0.05), (0.6, 0.0)):
        shares = grade_probabilities(loss, sd)
        assert shares.sum() == pytest.approx(1) and (shares >= 0).all()
    assert grade_probabilities(0.25, 0.01)[1:3] == pytest.approx([0.5, 0.5])
    draws = np.random.default_rng(1).normal(0.23, 0.02, 100_000)
    counted = np.bincount(np.searchsorted(GENANT_LOSS, draws, side="right"), minlength=4) / 1e5
    assert grade_probabilities(0.23, 0.02) == pytest.approx(counted, abs=0.01)


# Curves and summaries.


def test_cobb_angle_is_the_largest():
    upper = {"T10": 1.0, "T11": 8.0, "T12": 3.0, "L1": -9.0}
    lower = {"T10": 0.5, "T11": 7.0, "T12": 2.0, "L1": -10.0}
    assert cobb_angle(upper, lower) == (18.0, "T11-L1")


def summary_of(tilts, **more):
    """Summary of vertebrae of these (upper, lower) sagittal tilts."""
    shape = {"included": True, "genant_grade": 1, "genant_alternative": 2, "thick_slices": True}
    shape |= {"upper_coronal_deg": 0.0, "lower_coronal_deg": 0.0} | more
    vertebrae = [
        Vertebra(level, morphometry=shape | {"upper_sagittal_deg": a, "lower_sagittal_deg": b})
        for level, (a, b) in tilts.items()
    ]
    return summarise_morphometry(vertebrae, 2)


def test_curves_need_their_levels():
    full = summary_of(
        {
            "T4": (20, 18),
            "T8": (0, -2),
            "T12": (-10, -12),
            "L1": (-12, -12),
            "L3": (0, 0),
            "L5": (15, 22),
        }
    )
    assert (full["kyphosis_t4t12_deg"], full["lordosis_l1l5_deg"]) == (32, 34)
    assert (full["kyphosis_in_view_deg"], full["kyphosis_in_view_levels"]) == (32, "T4-T12")
    assert (full["sdi"], full["n_vertebral_fractures"], full["n_unsure_grades"]) == (5, 0, 5)
    assert full["thick_slices"] is True
    part = summary_of({"T10": (5, 4), "T11": (2, 0), "T12": (-2, -4), "L1": (-4, -5)})
    assert part["kyphosis_t4t12_deg"] is None and part["lordosis_l1l5_deg"] is None
    assert (part["kyphosis_in_view_deg"], part["kyphosis_in_view_levels"]) == (9, "T10-T12")
    few = summary_of({"T12": (5, 4)})
    assert few["sdi"] is None and few["cobb_deg"] is None and few["kyphosis_in_view_deg"] is None
    assert few["morphometry_reason"] == "too_few_levels"
