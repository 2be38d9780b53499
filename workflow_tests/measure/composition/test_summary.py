"""One row per scan: level used, indices by height, published limits, calcium."""

from math import log

import pytest

from bonecast.measure.columns import names
from bonecast.measure.composition.summary import (
    COMPOSITION_SUMMARY_COLUMNS,
    LIMITS,
    Person,
    limit_for,
    summarise_composition,
)
from bonecast.reasons import Reason


def row(area=None, hu=None, method="masks", reason=None, agatston=None):
    return {
        "area_cm2": area,
        "density_hu": hu,
        "agatston": agatston,
        "method": method,
        "included": reason is None,
        "reason": reason,
    }


def level(muscle=130.0, hu=36.0, **others):
    """All regions of a level."""
    regions = {"muscle": row(muscle, hu), "sat": row(200.0, -100.0), "vat": row(100.0, -95.0)}
    return regions | {"psoas": row(20.0, 42.0), "back_muscles": row(45.0, 33.0)} | others


CUT = {"muscle": row(reason=Reason.CUT_BY_FIELD_OF_VIEW)}


def test_every_column_is_there():
    for levels in ({}, {"L3": level()}):
        assert tuple(summarise_composition(levels, Person())) == names(COMPOSITION_SUMMARY_COLUMNS)


@pytest.mark.parametrize(
    ("in_view", "used"),
    [
        (("T12", "L1", "L2", "L3", "L4"), "L3"),
        (("L1", "L2", "L4"), "L2"),
        (("L1", "L4", "L5"), "L4"),
        (("T11", "T12", "L1"), "L1"),
        (("T10", "T11", "T12"), "T12"),
        (("T8", "T9"), None),
    ],
)
def test_level_falls_back_in_the_published_order(in_view, used):
    out = summarise_composition({name: level() for name in in_view}, Person())
    assert out["composition_level"] == used
    assert out["muscle_area_cm2"] == (130.0 if used else None)
    assert out["composition_reason"] == (None if used else Reason.TOO_FEW_LEVELS)


def test_a_level_without_muscle_is_passed_over():
    out = summarise_composition({"L3": level() | CUT, "L4": level(muscle=120.0)}, Person())
    assert (out["composition_level"], out["muscle_area_cm2"]) == ("L4", 120.0)


def test_without_muscle_the_rest_is_still_there():
    out = summarise_composition({"L3": level() | CUT}, Person())
    assert out["composition_reason"] == out["limits_reason"] == Reason.CUT_BY_FIELD_OF_VIEW
    assert out["muscle_area_cm2"] is None and out["psoas_area_cm2"] == 20.0


def test_derived_values_say_so():
    regions = {
        "muscle": row(method=None, reason=Reason.NO_TISSUE_MASK),
        "back_muscles": row(None, 30.0, "derived"),
        "sat": row(180.0, -100.0, "derived"),
    }
    out = summarise_composition({"L3": regions}, Person())
    assert out["composition_method"] == "derived"
    assert (out["back_muscles_density_hu"], out["back_muscles_area_cm2"]) == (30.0, None)
    mixed = summarise_composition({"L3": regions | {"psoas": row(20.0, 40.0)}}, Person())
    assert mixed["composition_method"] == "derived masks"


def test_indices_need_a_height_and_ratios_do_not():
    levels = {"L3": level(), "L1": level(vat=row(50.0, -95.0))}
    out = summarise_composition(levels, Person("F", 1.6))
    assert out["smi_cm2_m2"] == pytest.approx(130 / 2.56)
    assert out["psoas_index_cm2_m2"] == pytest.approx(20 / 2.56)
    assert out["smg"] == pytest.approx(36 * 130 / 2.56)
    assert (out["vs_ratio"], out["vs_ratio_l1"]) == (0.5, 0.25)
    without = summarise_composition(levels, Person("F"))
    assert without["smi_cm2_m2"] is without["smg"] is None and without["vs_ratio"] == 0.5


@pytest.mark.parametrize(
    ("name", "person", "limit"),
    [
        ("low_smi_martin", Person("F", 1.6), 41),
        ("low_smi_martin", Person("M", 1.8, 80.9), 43),
        ("low_smi_martin", Person("M", 1.8, 81.0), 53),
        ("low_smd_martin", Person(None, 1.8, 70.0), 41),
        ("low_smd_martin", Person(None, 1.8, 90.0), 33),
        ("low_sma_derstine", Person("F"), 92.2),
        ("low_sma_derstine", Person("M"), 144.3),
        ("low_smi_derstine", Person("F"), 34.4),
        ("low_smi_derstine", Person("M"), 45.4),
        ("low_smd_derstine", Person("F"), 34.3),
        ("low_smd_derstine", Person("M"), 38.5),
        ("low_smi_prado", Person("F"), 38.5),
        ("low_smi_prado", Person("M"), 52.4),
        ("low_smi_prado", Person(), Reason.NO_SEX),
        ("low_smi_martin", Person("M"), Reason.NO_HEIGHT),
        ("low_smi_martin", Person("M", 1.8), Reason.NO_WEIGHT),
    ],
)
def test_limits_are_those_published(name, person, limit):
    assert limit_for(LIMITS[name], person) == limit


@pytest.mark.parametrize(
    ("person", "judged", "reason"),
    [
        (Person("M", 1.8, 90.0), set(LIMITS), None),
        (Person("M", 1.8), {*LIMITS} - {"low_smi_martin", "low_smd_martin"}, Reason.NO_WEIGHT),
        (Person("M"), {"low_sma_derstine", "low_smd_derstine"}, Reason.NO_HEIGHT),
        (Person(None, 1.8, 90.0), {"low_smd_martin"}, Reason.NO_SEX),
    ],
)
def test_limits_are_judged_as_far_as_the_person_is_known(person, judged, reason):
    out = summarise_composition({"L3": level()}, person)
    assert {name for name in LIMITS if out[name] is not None} == judged
    assert out["limits_reason"] == reason
    if "low_sma_derstine" in judged:
        assert out["low_sma_derstine"] is True and out["low_smd_derstine"] is True


@pytest.mark.parametrize(
    ("kvp", "empty", "reason"),
    [
        (None, set(), None),
        (120.0, set(), None),
        (100.0, {"low_smd_martin", "low_smd_derstine"}, Reason.KVP_NOT_120),
    ],
)
def test_limits_of_attenuation_hold_at_120_kv(kvp, empty, reason):
    out = summarise_composition({"L3": level()}, Person("M", 1.8, 90.0), kvp)
    assert {name for name in LIMITS if out[name] is None} == empty
    assert out["limits_reason"] == reason
    assert out["muscle_density_hu"] == 36.0


def test_limits_of_attenuation_say_what_changes_it():
    rows = {c.name: c.definition for c in COMPOSITION_SUMMARY_COLUMNS if c.name in LIMITS}
    assert {name for name, text in rows.items() if "contrast medium raises" in text} == {
        "low_smd_martin",
        "low_smd_derstine",
    }


def test_limits_hold_at_l3_alone():
    out = summarise_composition({"L2": level()}, Person("M", 1.8, 90.0))
    assert {out[name] for name in LIMITS} == {None}
    assert out["limits_reason"] == Reason.NOT_AT_L3


def test_calcium_needs_the_whole_aorta():
    levels = {name: level(aorta=row(agatston=10.0)) for name in ("L1", "L2", "L3", "L4")}
    out = summarise_composition(levels, Person())
    assert out["aortic_calcium_agatston"] == 40.0
    assert out["aortic_calcium_log1p"] == pytest.approx(log(41))
    assert out["aortic_calcium_reason"] is None
    levels["L4"]["aorta"] = row(reason=Reason.TOUCHES_BORDER)
    out = summarise_composition(levels, Person())
    assert out["aortic_calcium_agatston"] is None
    assert out["aortic_calcium_reason"] == Reason.TOUCHES_BORDER
