"""Label conventions: every route ends in VerSe codes, and mistakes are named."""

import numpy as np
import pytest

from bonecast.images import load
from bonecast.levels import VERSE_CODES
from bonecast.segment.labelmaps import CONVENTIONS, read_mapping, translate


@pytest.mark.parametrize(
    ("convention", "value", "level"),
    [
        ("verse", 20, "L1"),
        ("verse", 28, "T13"),
        ("totalsegmentator", 26, "S1"),
        ("totalsegmentator", 27, "L5"),
        ("totalsegmentator", 31, "L1"),
        ("totalsegmentator", 32, "T12"),
        ("totalsegmentator", 43, "T1"),
        ("totalsegmentator", 44, "C7"),
        ("totalsegmentator", 50, "C1"),
        ("totalsegmentator_bodies", 24, "L5"),
        ("totalsegmentator_bodies", 19, "T12"),
    ],
)
def test_known_values(convention, value, level):
    mask = np.array([[0, value]], dtype=np.int16)
    assert translate(mask, CONVENTIONS[convention]).tolist() == [[0, VERSE_CODES[level]]]


def test_verse_is_the_identity():
    mask = np.array([0, *VERSE_CODES.values()], dtype=np.uint8)
    assert np.array_equal(translate(mask, CONVENTIONS["verse"]), mask)


def test_other_organs_become_background():
    mask = np.array([1, 25, 51, 117], dtype=np.uint8)
    translated = translate(mask, CONVENTIONS["totalsegmentator"])
    assert translated.dtype == np.uint8
    assert not translated.any()


def test_whole_floats_are_labels_and_fractions_are_not():
    assert translate(np.array([31.0]), CONVENTIONS["totalsegmentator"]).tolist() == [20]
    with pytest.raises(ValueError, match="fractions"):
        translate(np.array([30.5]), CONVENTIONS["totalsegmentator"])


def test_negative_labels_are_refused():
    with pytest.raises(ValueError, match="-1"):
        translate(np.array([-1, 20]), CONVENTIONS["verse"])


@pytest.mark.parametrize(
    ("mapping", "message"),
    [({1: "L9"}, "unknown level L9"), ({1: "L1", 2: "L1"}, "more than one label stands for L1")],
)
def test_impossible_mappings_are_refused(mapping, message):
    with pytest.raises(ValueError, match=message):
        translate(np.zeros((2, 2), dtype=np.uint8), mapping)


@pytest.mark.parametrize(("name", "text"), [("m.yaml", "7: L2\n"), ("m.json", '{"7": "L2"}')])
def test_mapping_from_a_file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_mapping(tmp_path / name) == {7: "L2"}


def test_unknown_convention_is_named():
    with pytest.raises(ValueError, match="neither one of verse"):
        read_mapping("vertebrae")


def test_a_file_that_is_no_mapping_is_named(tmp_path):
    (tmp_path / "m.yaml").write_text("- L1\n- L2\n")
    with pytest.raises(ValueError, match=r"m\.yaml"):
        read_mapping(tmp_path / "m.yaml")


def test_totalsegmentator_bodies_lie_in_their_vertebrae(shared_data):
    folder = shared_data / "ct" / "totalseg_lumbar"
    whole = translate(load(folder / "total_labels.nii.gz").data, read_mapping("totalsegmentator"))
    bodies = translate(
        load(folder / "vertebral_bodies.nii.gz").data, read_mapping("totalsegmentator_bodies")
    )
    for level in ("T12", "L1", "L2", "L3", "L4", "L5"):
        body = bodies == VERSE_CODES[level]
        assert (whole[body] == VERSE_CODES[level]).mean() > 0.95
