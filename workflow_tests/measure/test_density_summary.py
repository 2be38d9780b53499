"""Summaries of density: which levels, by which rule, and classes only where they hold."""

import pytest

from bonecast.measure.columns import names
from bonecast.measure.density_summary import (
    ALTERNATIVES,
    CATEGORIES,
    category,
    hu_summary_columns,
    summarise_hu,
)
from bonecast.measure.summaries import Vertebra

ROIS = ["hu_vol", "hu_circle200", "hu_ellipse"]
LEVELS = ["L1", "L2", "L3", "L4"]


def spine(hu, left_out=(), roi="hu_circle200"):
    """Vertebrae from head to foot with a mean HU each."""
    return [
        Vertebra(
            level,
            density={roi: {"included": level not in left_out, "mean_hu": value, "sd_hu": 20.0}},
        )
        for level, value in hu.items()
    ]


def test_every_declared_column_is_made_and_no_other():
    for rois, levels in ((ROIS, LEVELS), (["hu_vol"], ["L1", "L2", "L3"])):
        declared = names(hu_summary_columns(rois, levels, 2))
        assert sorted(declared) == sorted(summarise_hu([], rois, levels, 2))
        assert len(declared) == len(set(declared))


def test_means_over_what_is_included():
    scan = spine({"T12": 180.0, "L1": 150.0, "L2": 500.0, "L3": 130.0, "L4": 120.0}, ["L2"])
    found = summarise_hu(scan, ROIS[1:2], LEVELS, 2)
    assert found["hu_circle200_mean_l1l4_hu"] == pytest.approx((150 + 130 + 120) / 3)
    assert found["hu_circle200_mean_l1l3_hu"] == 140.0
    assert (found["hu_circle200_min_hu"], found["hu_circle200_sd_l1l4_hu"]) == (120.0, 20.0)
    assert found["hu_circle200_levels"] == "L1 L3 L4"
    assert (found["n_levels_hu"], found["hu_reason"]) == (3, None)
    assert found["hu_circle200_summary_reason"] is None


def test_too_few_levels_give_no_mean_and_say_so():
    found = summarise_hu(spine({"L1": 150.0, "L2": 140.0}, ["L2"]), ROIS, LEVELS, 2)
    assert found["hu_circle200_mean_l1l4_hu"] is None
    assert found["hu_circle200_mean_l1l3_hu"] is None
    assert found["hu_circle200_min_hu"] is None
    assert found["hu_circle200_levels"] == "L1"
    assert found["hu_circle200_summary_reason"] == "too_few_levels"
    assert (found["n_levels_hu"], found["hu_reason"]) == (0, "too_few_levels")
    assert found["hu_vol_levels"] is None


def test_l1_is_replaced_by_its_neighbours_in_order():
    found = summarise_hu(spine({"T12": 150.0, "L2": 120.0}), ["hu_circle200"], LEVELS, 2)
    assert found["hu_circle200_l1_or_nearest_hu"] == 150.0
    assert found["hu_circle200_l1_or_nearest_level"] == "T12"
    # Thresholds are those of L1 itself.
    assert found["hu_circle200_l1_hu"] is None
    assert found["hu_circle200_l1_category_reason"] == "l1_not_included"


def test_the_slope_keeps_the_place_of_a_level_left_out():
    hu = {"T11": 180.0, "T12": 170.0, "L1": 160.0, "L2": 999.0, "L3": 140.0}
    found = summarise_hu(spine(hu, ["L2"]), ["hu_circle200"], LEVELS, 2)
    assert found["hu_circle200_slope_hu"] == pytest.approx(-10)
    two = summarise_hu(spine({"L1": 150.0, "L2": 140.0}), ["hu_circle200"], LEVELS, 2)
    assert two["hu_circle200_slope_hu"] is None


def test_classes_cover_every_value_as_their_sources_put_it():
    expected = {110: "<=110", 110.1: "110-135", 134.9: "110-135", 135: "135-160", 160: "135-160"}
    expected |= {160.1: "160-200", 200: "160-200", 200.1: ">200", -30: "<=110"}
    assert {hu: category(hu) for hu in expected} == expected
    assert set(expected.values()) == set(CATEGORIES)


@pytest.mark.parametrize(
    ("kvp", "left_out", "expected"),
    [
        (120, [], ("110-135", None)),
        (100, [], (None, "kvp_not_120")),
        (None, [], (None, "kvp_unknown")),
        (100, ["L1"], (None, "l1_not_included")),
    ],
)
def test_a_class_is_given_at_120_kv_and_beside_its_value(kvp, left_out, expected):
    found = summarise_hu(spine({"L1": 120.0, "L2": 110.0}, left_out), ROIS, LEVELS, 2, kvp)
    keys = ("hu_circle200_l1_category", "hu_circle200_l1_category_reason")
    assert tuple(found[key] for key in keys) == expected
    assert found["hu_circle200_l1_hu"] == (None if left_out else 120.0)


def test_a_volume_is_never_held_against_thresholds_of_drawn_regions():
    columns = hu_summary_columns(ROIS, LEVELS, 2)
    classed = {c.name for c in columns if c.name.endswith("_category")}
    assert classed == {"hu_circle200_l1_category", "hu_ellipse_l1_category"}
    assert "hu_vol_l1_hu" not in names(columns)


def test_the_block_of_the_models_holds_no_number_twice():
    members = [c.name for c in hu_summary_columns(ROIS, LEVELS, 2) if c.block == "hu"]
    assert members == [
        f"{roi}_{what}"
        for roi in ROIS
        for what in ("mean_l1l4_hu", "min_hu", "sd_l1l4_hu", "slope_hu")
    ]
    assert {c.block for c in hu_summary_columns(ROIS, LEVELS, 2)} == {"hu", ALTERNATIVES, "quality"}
