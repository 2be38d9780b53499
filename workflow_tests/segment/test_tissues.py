"""One code a structure, the specific before the general."""

import numpy as np
import pytest

from bonecast.segment.tissues import (
    RIB_CODES,
    TISSUE_CODES,
    TISSUE_NAMES,
    Tissue,
    combine,
    present,
    tissue_codes,
)

# The package is not made for every Python that Bonecast runs on.
class_map = pytest.importorskip("totalsegmentator.map_to_binary").class_map


def test_codes_are_unique_and_fit_a_byte():
    assert len(TISSUE_NAMES) == len(TISSUE_CODES) == len(Tissue) + 24
    assert min(TISSUE_NAMES) > 0 and max(TISSUE_NAMES) < 256


def test_every_structure_is_one_that_totalsegmentator_names():
    known = {*class_map["total"].values(), *class_map["tissue_4_types"].values()}
    assert TISSUE_CODES.keys() <= known


def test_a_named_muscle_has_its_voxels_before_muscle_as_such():
    names = {1: "subcutaneous_fat", 2: "torso_fat", 3: "skeletal_muscle"}
    general = tissue_codes(np.array([1, 2, 3, 3, 0, 2]), names)
    specific = tissue_codes(np.array([0, 0, 0, 4, 5, 5]), {4: "iliopsoas_left", 5: "aorta"})
    combined = combine(general, specific)
    assert [TISSUE_NAMES[code] for code in combined.tolist()] == [
        "subcutaneous_fat",
        "torso_fat",
        "skeletal_muscle",
        "iliopsoas_left",
        "aorta",
        "aorta",
    ]
    assert combined.dtype == np.uint8


def test_organs_that_tell_the_phase_take_no_voxel_from_another():
    bowel = tissue_codes(np.array([1, 1, 2, 2]), {1: "colon", 2: "kidney_left"})
    fat = tissue_codes(np.array([1, 0, 2, 0]), {1: "torso_fat", 2: "aorta"})
    for maps in ((bowel, fat), (fat, bowel)):
        combined = combine(*maps)
        assert [TISSUE_NAMES[code] for code in combined.tolist()] == [
            *("torso_fat", "colon", "aorta", "kidney_left"),
        ]
        assert combined.dtype == np.uint8


def test_what_is_no_structure_of_the_map_is_nothing():
    assert tissue_codes(np.array([1, 2]), {1: "spleen", 2: "vertebrae_L1"}).tolist() == [0, 0]


def test_a_map_is_described_by_what_it_holds():
    found = present(np.array([0, RIB_CODES["rib_right_12"], Tissue.AORTA], np.uint8))
    assert found == {"20": "aorta", "132": "rib_right_12"}
