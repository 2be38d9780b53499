"""What a series scores, and what the others are told."""

import dataclasses

import pytest
import yaml

from bonecast.dicom.scoring import MERITS, WEIGHTS, Settings, compare, score_all
from bonecast.reasons import Reason

OTHER = {"SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.9", "SeriesNumber": 9}

SHARP = {"ConvolutionKernel": "Bl57"}
THICK = {"SliceThickness": 5}
DERIVED = {"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]}
CONTRAST = {"ContrastBolusAgent": "Iomeprol"}
NATIVE = {"SeriesDescription": "Abdomen native"}


def test_defaults_are_those_of_the_configuration(repo):
    ingest = yaml.safe_load((repo / "config.yaml").read_text(encoding="utf-8"))["ingest"]
    ingest.pop("threads")
    assert dataclasses.asdict(Settings()) == ingest | {
        "preferred_thickness_mm": tuple(ingest["preferred_thickness_mm"])
    }
    assert [merit.name for merit in MERITS] == list(WEIGHTS)
    assert sum(WEIGHTS.values()) == 100


# Each has one thing that counts for more, and lacks the next.
@pytest.mark.parametrize(
    ("worse", "better", "words"),
    [
        (DERIVED, THICK | SHARP | CONTRAST, "original, not derived, images (+22)"),
        (DERIVED, {"step_mm": (0, 0.2, 1)}, "original, not derived, images (+22)"),
        ({"slices": 12}, {"slices": 30} | THICK, "longer coverage (+10)"),
        (THICK, SHARP, "a slice thickness nearer to the preferred range (+8.67)"),
        (SHARP, CONTRAST, "a softer kernel (+8)"),
        (CONTRAST | {"KVP": 120}, NATIVE | {"KVP": 80}, "no contrast medium (+4)"),
        (CONTRAST, {"KVP": 100}, "no contrast medium named in its header (+2)"),
        ({"KVP": 80}, {"SliceThickness": 3, "KVP": 120}, "voltage nearer to the preferred one"),
        ({}, {"slices": 15, "spacing_mm": 2.4, "SliceThickness": 2.4}, "thinner slices (+0.1)"),
        (SHARP, {"ConvolutionKernel": None}, "a kernel that is not known to sharpen edges (+4)"),
        ({"ConvolutionKernel": None}, {}, "a softer kernel (+4)"),
    ],
)
@pytest.mark.parametrize("better_first", [True, False])
def test_the_better_series_is_chosen_and_the_other_told_why(
    ct, tmp_path, worse, better, words, better_first
):
    """Whichever comes first in the folder."""
    first, second = (better, worse) if better_first else (worse, better)
    ct.write(tmp_path / "one", **first)
    ct.write(tmp_path / "two", **(OTHER | second))
    _, decisions = ct.decide(tmp_path)
    assert [decision.chosen for decision in decisions] == [better_first, not better_first]
    lost, won = decisions[better_first], decisions[not better_first]
    assert lost.reason is Reason.NOT_PREFERRED
    assert words in lost.detail
    assert lost.detail.startswith("S01 scores" if better_first else "S02 scores")
    assert won.score > lost.score
    assert won.detail.startswith(f"scores {won.score:g}, best of 2 suited series")


def test_of_equals_the_first_is_chosen(ct, tmp_path):
    ct.write(tmp_path / "one", **OTHER)
    ct.write(tmp_path / "two")
    first, second = ct.decide(tmp_path)[1]
    assert first.chosen
    assert second.detail == f"S01 scores {first.score:g} too and comes first"


def axial(ct, tmp_path, **values):
    """A series as the index finds it, with other values."""
    if not tmp_path.joinpath("in").exists():
        ct.write(tmp_path / "in")
    (series,) = ct.decide(tmp_path / "in")[0].series
    return dataclasses.replace(series, **({"body_part": ""} | values))


@pytest.mark.parametrize(
    ("worse", "better", "points"),
    [
        ({"body_part": "head"}, {"body_part": "abdomen"}, 14),
        ({"body_part": "limb"}, {"body_part": "spine"}, 14),
        ({"body_part": "limb"}, {"body_part": "whole_body head"}, 14),
        ({"body_part": "head"}, {"body_part": ""}, 7),
        ({"body_part": "neck"}, {"body_part": "chest"}, 7),
        ({"body_part": "head neck"}, {"body_part": "chest abdomen"}, 14),
        ({"image_type": ""}, {"image_type": "ORIGINAL\\PRIMARY"}, 11),
        ({"contrast": None}, {"contrast": False}, 2),
        ({"contrast": True}, {"contrast": None}, 2),
        ({"kvp": None}, {"kvp": 120.0}, 1),
        ({"kvp": 140.0}, {"kvp": 120.0}, 1),
        ({"kvp": 80.0}, {"kvp": 120.0}, 2),
        ({"thickness_mm": 4.5}, {"thickness_mm": 3.0}, 6.5 + 0.25),
    ],
)
def test_points(ct, tmp_path, worse, better, points):
    group = {0: axial(ct, tmp_path, **worse), 1: axial(ct, tmp_path, **better)}
    scores = score_all(group, Settings())
    assert scores[1].total - scores[0].total == pytest.approx(points, abs=0.006)


def test_thinner_than_preferred_loses_points_in_proportion(ct, tmp_path):
    group = {0: axial(ct, tmp_path), 1: axial(ct, tmp_path)}
    settings = Settings(preferred_thickness_mm=(4.0, 5.0), weights={"thickness": 10})
    assert score_all(group, settings)[0].total == 7.5


def test_words_add_up_to_the_difference(ct, tmp_path):
    soft = axial(ct, tmp_path, thickness_mm=4.0)
    sharp = axial(ct, tmp_path, kernel="Bl57", body_part="head")
    scores = score_all({0: soft, 1: sharp}, Settings())
    assert compare("S01", scores[0], scores[1]) == (
        "S01 scores 86 against 75.5: a softer kernel (+8), no head or limb by its header (+7); "
        "this one has a slice thickness nearer to the preferred range (-4.33), "
        "thinner slices (-0.17)"
    )


def test_other_weights_choose_another_series(ct, tmp_path):
    ct.write(tmp_path / "one", **THICK)
    ct.write(tmp_path / "two", **(OTHER | SHARP))
    assert [d.chosen for d in ct.decide(tmp_path)[1]] == [False, True]
    settings = Settings(weights=WEIGHTS | {"soft_kernel": 20})
    assert [d.chosen for d in ct.decide(tmp_path, settings)[1]] == [True, False]
    ignorant = Settings(weights=dict.fromkeys(WEIGHTS, 0))
    decisions = ct.decide(tmp_path, ignorant)[1]
    assert [d.chosen for d in decisions] == [True, False]
    assert decisions[1].detail == "S01 scores 0 too and comes first"


def test_preferred_voltage_is_configured(ct, tmp_path):
    ct.write(tmp_path / "one", KVP=120)
    ct.write(tmp_path / "two", **(OTHER | {"KVP": 100}))
    assert [d.chosen for d in ct.decide(tmp_path)[1]] == [True, False]
    settings = Settings(preferred_kvp=100)
    assert [d.chosen for d in ct.decide(tmp_path, settings)[1]] == [False, True]
