"""Heights and Genant grades of drawn bodies, and of real ones that readers have graded."""

import numpy as np
import pytest

from bonecast.images import load
from bonecast.measure.columns import names
from bonecast.measure.frame import find_bodies
from bonecast.measure.morphometry import (
    BANDS,
    MORPHOMETRY_COLUMNS,
    grade_deformity,
    measure_heights,
    measure_morphometry,
    neighbour_ratios,
)
from bonecast.reasons import Reason
from bonecast.segment.bodies import split_bodies

LEVELS = [*(f"T{i}" for i in range(1, 13)), *(f"L{i}" for i in range(1, 6))]


def measure(phantom, levels=LEVELS):
    rows = measure_morphometry(find_bodies(phantom.bodies, phantom.vertebrae), levels)
    assert all(tuple(row) == names(MORPHOMETRY_COLUMNS) for row in rows)
    return {row["level"]: row for row in rows}


@pytest.mark.parametrize(
    ("spacing_mm", "tilt", "turn", "tolerance_mm"),
    [((0.8, 0.8, 1), 0, 0, 1.0), ((1, 1, 1.5), 20, 0, 1.0), ((1, 1, 3), 12, 20, 1.5)],
)
def test_heights_of_drawn_bodies(draw_spine, DrawnBody, spacing_mm, tilt, turn, tolerance_mm):
    drawn = {
        "T12": DrawnBody(25.4),
        "L1": DrawnBody(27.2, "wedge", 0.3),
        "L2": DrawnBody(27.9, "biconcave", 0.3),
        "L3": DrawnBody(27.5),
    }
    rows = measure(draw_spine(drawn, spacing_mm, tilt, turn))
    for level, body in drawn.items():
        for band in BANDS:
            assert rows[level][f"{band}_mm"] == pytest.approx(
                body.band_height(band), abs=tolerance_mm
            )
        assert rows[level]["depth_mm"] == pytest.approx(32, abs=2)
    assert [rows[level]["genant_type"] for level in drawn] == ["none", "wedge", "biconcave", "none"]


@pytest.mark.parametrize("spacing_mm", [(0.9, 0.9, 1.2), (0.9, 0.9, 3)])
@pytest.mark.parametrize("kind", ["wedge", "biconcave", "crush"])
@pytest.mark.parametrize(("loss", "grade"), [(0.12, 0), (0.31, 2), (0.5, 3)])
def test_planted_fractures(draw_spine, DrawnBody, spacing_mm, kind, loss, grade):
    drawn = {
        "L1": DrawnBody(27.2),
        "L2": DrawnBody(27.6, kind, loss),
        "L3": DrawnBody(27.2),
    }
    rows = measure(draw_spine(drawn, spacing_mm, 8))
    assert abs(rows["L2"]["genant_grade"] - grade) <= (0 if spacing_mm[2] < 2 else 1)
    assert rows["L2"]["genant_type"] == (kind if grade else "none")
    assert rows["L1"]["genant_grade"] == rows["L3"]["genant_grade"] == 0


@pytest.mark.parametrize(
    ("heights", "against", "expected"),
    [
        ((27, 26, 27), (1.0, 1.0, 1.0), (0, "none")),
        ((22, 26, 27), (0.9, 1.0, 1.0), (0, "none")),
        ((21, 26, 27), (0.9, 1.0, 1.0), (1, "wedge")),
        ((20, 24, 27), (0.9, 1.0, 1.0), (2, "wedge")),
        ((26, 16, 27), (1.0, 0.9, 1.0), (3, "biconcave")),
        ((20, 20, 20), (0.72, 0.74, 0.73), (2, "crush")),
        ((12, 15, 20), (0.5, 0.6, 0.75), (3, "crush")),
        # Lower than its neighbours by a quarter, though its own back is low too.
        ((19, 20, 22), (0.74, 0.82, 0.84), (2, "wedge")),
        # No neighbours: judged by itself.
        ((20, 26, 27), (None, None, None), (2, "wedge")),
        # Exactly a fifth, which binary fractions miss by a hair.
        ((16, 20, 20), (1.0, 1.0, 1.0), (1, "wedge")),
        # L5 is naturally higher in front.
        ((29, 25, 23), (1.0, 1.0, 0.95), (0, "none")),
    ],
)
def test_grades(heights, against, expected):
    assert grade_deformity(*heights, dict(zip(BANDS, against, strict=True))) == expected


def test_neighbours_are_compared_along_the_natural_trend():
    natural = {"T10": 20.2, "T11": 21.3, "T12": 22.7, "L1": 23.8, "L2": 24.3, "L5": 22.9}
    assert all(np.isclose(ratio, 1) for ratio in neighbour_ratios(natural).values())
    crushed = neighbour_ratios(natural | {"T12": 22.7 * 0.7})
    assert crushed["T12"] == pytest.approx(0.7)
    assert all(np.isclose(ratio, 1) for level, ratio in crushed.items() if level != "T12")


def test_two_crushed_neighbours_do_not_hide_each_other():
    heights = {"T10": 20.2 * 0.7, "T11": 21.3 * 0.7, "T12": 22.7, "L1": 23.8, "L2": 24.3}
    ratios = neighbour_ratios(heights)
    assert ratios["T10"] < 0.75 and ratios["T11"] < 0.75
    assert min(ratios["T12"], ratios["L1"], ratios["L2"]) > 0.95


def test_a_vertebra_alone_has_no_neighbours():
    assert neighbour_ratios({"L1": 24.0}) == {"L1": None}
    assert neighbour_ratios({"L1": 24.0, "T1": 14.0}) == {"L1": None, "T1": None}
    assert neighbour_ratios({"C7": 14.0, "T1": 15.0})["C7"] is None


def test_supernumerary_vertebrae_are_compared_where_they_lie():
    heights = {"T12": 22.7, "T13": 23.3, "L1": 23.8, "L5": 22.9, "L6": 22.9 * 0.7}
    ratios = neighbour_ratios(heights)
    assert ratios["T13"] == pytest.approx(1) and ratios["L1"] == pytest.approx(1)
    assert ratios["L6"] == pytest.approx(0.7)


def test_cut_unwanted_and_missing_bodies_have_empty_rows(three_bodies):
    bodies = find_bodies(three_bodies.bodies, three_bodies.vertebrae)
    cut = bodies["L1"].__class__(**(vars(bodies["L1"]) | {"touches_border": True}))
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
    assert measure_heights(body.__class__(**(vars(body) | {"mask": shredded}))) is None


def test_slab_deviation_shows_an_uneven_end_plate(draw_spine, DrawnBody):
    plain = measure(draw_spine({"L1": DrawnBody(27)}, (1, 1, 1)))["L1"]
    wedge = measure(draw_spine({"L1": DrawnBody(27, "wedge", 0.4)}, (1, 1, 1)))["L1"]
    assert plain["anterior_sd_mm"] < 0.2 < wedge["anterior_sd_mm"]


def test_fractures_graded_by_readers(shared_data):
    """VerSe's grades: T9 2, T10 2, L1 3; T11, T12, L2 and L3 not fractured."""
    vertebrae = load(shared_data / "masks" / "verse004_T9-L5" / "sub-verse004_seg-vert_msk.nii.gz")
    bodies = find_bodies(vertebrae.like(split_bodies(vertebrae)), vertebrae)
    grades = {row["level"]: row["genant_grade"] for row in measure_morphometry(bodies, LEVELS)}
    assert grades["L1"] == 3
    assert grades["T9"] >= 1 and grades["T10"] >= 1
    assert [grades[level] for level in ("T11", "T12", "L2", "L3")] == [0, 0, 0, 0]


def test_intact_lumbar_spine(shared_data):
    vertebrae = load(shared_data / "ct" / "verse014" / "vertebrae.nii.gz")
    bodies = find_bodies(vertebrae.like(split_bodies(vertebrae)), vertebrae)
    rows = {row["level"]: row for row in measure_morphometry(bodies, LEVELS)}
    assert [rows[level]["genant_grade"] for level in ("L1", "L2", "L3", "L4")] == [0, 0, 0, 0]
    assert all(20 < rows[level]["posterior_mm"] < 32 for level in ("L1", "L2", "L3", "L4"))
