"""Areas and attenuation against a drawn trunk of closed form."""

import numpy as np
import pytest

from bonecast.images import Volume
from bonecast.levels import LEVELS
from bonecast.measure.bodies import find_bodies
from bonecast.measure.columns import names
from bonecast.measure.composition.measure import (
    COMPOSITION_COLUMNS,
    level_columns,
    measure_composition,
)
from bonecast.measure.composition.regions import REGIONS, behind_vertebra
from bonecast.phantom.anatomy import draw_torso
from bonecast.phantom.torso import Scanner, image_torso
from bonecast.reasons import Reason
from bonecast.segment.tissues import Tissue

OWN = object()
"""The trunk's own tissue map."""


def measured(trunk, tissue=OWN, ct=None):
    """Rows of the trunk by level and region."""
    ct, tissue = ct or trunk.ct, trunk.tissue if tissue is OWN else tissue
    rows = measure_composition(ct, trunk.vertebrae, trunk.bodies, tissue, LEVELS)
    assert all(tuple(row) == names(COMPOSITION_COLUMNS) for row in rows)
    return {(row["level"], row["region"]): row for row in rows}


@pytest.mark.parametrize("spacing_mm", [(0.7, 0.7, 1.0), (1.0, 1.0, 2.0), (1.5, 1.5, 5.0)])
def test_areas_of_masks_are_those_drawn(draw_trunk, spacing_mm):
    trunk = draw_trunk(("L2", "L3", "L4"), spacing_mm)
    rows = measured(trunk)
    for name, area in trunk.areas_cm2.items():
        row = rows["L3", name]
        assert (row["method"], row["included"], row["reason"]) == ("masks", True, None)
        assert row["area_cm2"] == pytest.approx(area, rel=0.015), name
        assert row["slab_area_cm2"] == pytest.approx(area, rel=0.015), name


def test_attenuation_is_that_drawn_and_empty_where_nothing_is(trunk):
    rows = measured(trunk)
    truth = {"muscle": 52, "psoas": 52, "back_muscles": 52, "sat": -105, "vat": -95, "imat": None}
    assert {name: rows["L3", name]["density_hu"] for name in truth} == truth
    assert {name: rows["L3", name]["slab_density_hu"] for name in truth} == truth


def test_fat_within_muscle_is_intermuscular_and_not_muscle(trunk):
    hu = trunk.ct.data.copy()
    muscle = trunk.tissue.data == Tissue.SKELETAL_MUSCLE
    streaks = muscle & (np.arange(hu.shape[0]) % 4 == 0)[:, None, None]
    hu[streaks] = -80
    rows = measured(trunk, ct=trunk.ct.like(hu))
    n_fat, n_all = np.count_nonzero(streaks[:, :, 5]), trunk.areas_cm2["muscle"]
    assert rows["L3", "imat"]["area_cm2"] == pytest.approx(n_fat / 100)
    assert rows["L3", "muscle"]["area_cm2"] == pytest.approx(n_all - n_fat / 100, rel=0.01)
    assert rows["L3", "muscle"]["density_hu"] == 52


def test_layout_in_memory_changes_nothing(trunk):
    other = Volume(np.asfortranarray(trunk.tissue.data), trunk.tissue.affine)
    assert measured(trunk, tissue=other) == measured(trunk)


def test_slab_is_a_mean_over_20_mm(trunk):
    """Wider above the middle, narrower below: the slab's mean is the middle's area."""
    tissue = trunk.tissue.data.copy()
    middle = int(
        np.rint(np.linalg.inv(trunk.ct.affine)[2] @ [*trunk.bodies["L3"].frame.origin_mm, 1])
    )
    plane = tissue[:, :, middle] == Tissue.SUBCUTANEOUS_FAT
    far = (np.arange(plane.shape[1]) < 20)[None, :] & plane
    tissue[:, :, middle + 1 :][far] = 0
    row = measured(trunk, tissue=trunk.tissue.like(tissue))["L3", "sat"]
    # Five slices 4 mm apart in 20 mm: two of them lie above the middle.
    lost = np.count_nonzero(far) / 100
    assert row["area_cm2"] == pytest.approx(trunk.areas_cm2["sat"], rel=0.01)
    assert row["area_cm2"] - row["slab_area_cm2"] == pytest.approx(lost * 2 / 5)


def test_field_of_view_that_cuts_the_skin_leaves_muscle(draw_trunk):
    rows = measured(draw_trunk(field_mm=(300.0, 260.0)))
    assert rows["L3", "sat"]["reason"] == Reason.CUT_BY_FIELD_OF_VIEW
    assert rows["L3", "sat"]["area_cm2"] is None and not rows["L3", "sat"]["included"]
    for name in ("muscle", "psoas", "imat", "vat"):
        assert rows["L3", name]["included"], name


def test_field_of_view_inside_the_wall_leaves_psoas_and_back(draw_trunk):
    rows = measured(draw_trunk(field_mm=(200.0, 180.0)))
    for name in ("muscle", "imat", "sat", "vat"):
        assert rows["L3", name]["reason"] == Reason.CUT_BY_FIELD_OF_VIEW, name
    for name in ("psoas", "back_muscles"):
        assert rows["L3", name]["included"], name


def test_round_field_of_view_cuts_too(draw_trunk):
    trunk = draw_trunk(field_mm=(300.0, 300.0))
    x, y = (np.arange(300) - 149.5 for _ in range(2))
    outside = np.hypot(x[:, None], y[None]) > 150
    wide = measured(draw_trunk(field_mm=(340.0, 340.0)))
    assert wide["L3", "sat"]["included"], "air in the corners is no reconstruction circle"
    hu, code = trunk.ct.data.copy(), trunk.tissue.data.copy()
    hu[outside], code[outside] = -1024, 0
    for tissue in (trunk.tissue.like(code), None):
        rows = measured(trunk, ct=trunk.ct.like(hu), tissue=tissue)
        assert rows["L3", "sat"]["reason"] == Reason.CUT_BY_FIELD_OF_VIEW


def test_ends_of_the_scan(draw_trunk):
    rows = measured(draw_trunk(("L3", "L4"), margin_mm=-1.0))
    assert rows["L3", "muscle"]["area_cm2"] > 0
    assert rows["L3", "muscle"]["slab_area_cm2"] > 0
    rows = measured(draw_trunk(("L3", "L4"), margin_mm=-6.0))
    assert {row["reason"] for row in rows.values()} >= {Reason.TOUCHES_BORDER}
    assert not any(row["included"] for row in rows.values())


def test_level_without_the_muscle_has_none(trunk):
    tissue = trunk.tissue.data.copy()
    low = trunk.bodies["L3"].box[2].stop
    tissue[:, :, low:][tissue[:, :, low:] == Tissue.ILIOPSOAS_LEFT] = 0
    row = measured(trunk, tissue=trunk.tissue.like(tissue))["L2", "psoas"]
    assert (row["area_cm2"], row["method"], row["reason"]) == (None, "masks", Reason.TOO_SMALL)


def test_a_map_of_one_slice_tells_that_slice_alone(trunk):
    tissue = np.zeros_like(trunk.tissue.data)
    z = trunk.bodies["L3"].frame.origin_mm[2] - trunk.ct.affine[2, 3]
    k = round(z / trunk.ct.spacing_mm[2])
    tissue[:, :, k] = trunk.tissue.data[:, :, k]
    rows = measured(trunk, tissue=trunk.tissue.like(tissue))
    for name in REGIONS:
        assert rows["L3", name]["area_cm2"] == pytest.approx(trunk.areas_cm2[name], rel=0.015)
        assert rows["L3", name]["slab_area_cm2"] is None
        assert (rows["L2", name]["area_cm2"], rows["L2", name]["reason"]) == (
            None,
            Reason.NO_TISSUE_MASK,
        )


@pytest.mark.parametrize("spacing_mm", [(0.8, 0.8, 1.0), (1.5, 1.5, 3.0)])
def test_what_is_derived_is_near_the_masks(draw_trunk, spacing_mm):
    trunk = draw_trunk(spacing_mm=spacing_mm, noise_hu=15)
    rows, truth = measured(trunk, tissue=None), measured(trunk)
    for level in ("L2", "L3", "L4"):
        sat, back = rows[level, "sat"], rows[level, "back_muscles"]
        assert sat["method"] == back["method"] == "derived"
        assert sat["area_cm2"] == pytest.approx(truth[level, "sat"]["area_cm2"], rel=0.03)
        assert sat["slab_area_cm2"] == pytest.approx(truth[level, "sat"]["slab_area_cm2"], rel=0.03)
        assert back["area_cm2"] is None and back["included"]
        assert (sat["reason"], back["reason"]) == (None, Reason.AREA_NOT_DERIVED)
        assert back["density_hu"] == pytest.approx(52, abs=1)
        for name in ("muscle", "psoas", "imat", "vat"):
            assert rows[level, name]["reason"] == Reason.NO_TISSUE_MASK


def test_derived_values_of_a_phantom_torso():
    """Muscles of the project's own phantom, blurred and noisy; its fat is an ellipse's ring."""
    rng = np.random.default_rng(4)
    torso = draw_torso(rng, trabecular_hu=120)
    centre = torso.vertebra("L3").centre
    middle = torso.body_half_depth_mm - torso.fat_mm - 62 * torso.scale
    place = (0.0, middle, float(centre[2]))
    scanner = Scanner((340, 340, 27), (1.25, 1.25, 3.0), place, noise_hu=20, blur_mm=0.6)
    ct, label = image_torso(torso, scanner, rng)
    bodies = np.where((label > 7) & (label < 26), label, 0).astype(np.uint8)
    arches = np.where((label > 107) & (label < 126), label - 100, 0).astype(np.uint8)
    whole = ct.like(np.maximum(bodies, arches))
    rows = measure_composition(ct, whole, find_bodies(ct.like(bodies), whole, ct), None, ["L3"])
    found = {row["region"]: row for row in rows if row["level"] == "L3"}
    a, b, fat = torso.body_half_width_mm, torso.body_half_depth_mm, torso.fat_mm
    x, y = ((np.arange(340) - 169.5) * 1.25 for _ in range(2))
    inside = [
        (x[:, None] / (a - less)) ** 2 + (y[None] / (b - less)) ** 2 <= 1 for less in (0, fat)
    ]
    hu = ct.data[:, :, 13]
    ring = inside[0] & ~inside[1] & (hu >= -190) & (hu <= -30)
    assert found["sat"]["area_cm2"] == pytest.approx(ring.sum() * 0.015625, rel=0.035)
    # Edges that muscle and fat share lie in the window: a mask reads low too.
    assert -5 < found["back_muscles"]["density_hu"] - torso.hu["muscle"] < 0


def test_a_map_of_named_muscles_alone_leaves_the_rest_derived(trunk):
    named = np.where(trunk.tissue.data >= Tissue.ILIOPSOAS_LEFT, trunk.tissue.data, 0)
    rows = measured(trunk, tissue=trunk.tissue.like(named.astype(np.uint8)))
    methods = {name: rows["L3", name]["method"] for name in REGIONS}
    assert methods == {
        "muscle": None,
        "psoas": "masks",
        "back_muscles": "masks",
        "imat": None,
        "sat": "derived",
        "vat": None,
    }


def test_thoracic_levels_are_not_derived(draw_trunk):
    trunk = draw_trunk(("T8", "T9", "T10"))
    rows = measured(trunk, tissue=None)
    assert rows["T9", "sat"]["reason"] == Reason.NO_TISSUE_MASK
    assert rows["T10", "sat"]["included"]


def test_bodies_without_arches_tell_no_back_muscle(trunk):
    bare = trunk.vertebrae.like(np.zeros_like(trunk.vertebrae.data))
    assert behind_vertebra(trunk.bodies["L3"], bare, [10]) is None


def test_levels_left_out_have_rows_and_no_values(trunk):
    rows = measure_composition(trunk.ct, trunk.vertebrae, trunk.bodies, trunk.tissue, ["L3"])
    others = [row for row in rows if row["level"] != "L3"]
    assert {row["reason"] for row in others} == {Reason.LEVEL_NOT_ANALYSED}
    assert all(row["area_cm2"] is None and row["density_hu"] is None for row in others)


def test_a_mean_lies_in_the_window_of_its_region():
    ranges = {column.name: (column.low, column.high) for column in level_columns()}
    assert ranges["imat_density_hu"] == ranges["sat_slab_density_hu"] == (-190, -30)
    assert ranges["muscle_density_hu"] == (-29, 150)
    assert ranges["imat_area_cm2"] == (0, None)
