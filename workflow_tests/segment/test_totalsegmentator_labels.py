"""TotalSegmentator's labels to bodies with names, and what is in doubt."""

import numpy as np
import pytest

from bonecast.images import Volume, save
from bonecast.levels import VERSE_CODES
from bonecast.reasons import Excluded, Reason
from bonecast.runtime import write_json
from bonecast.segment.labelmaps import TOTALSEGMENTATOR, TOTALSEGMENTATOR_BODIES
from bonecast.segment.totalsegmentator_labels import label_from_totalsegmentator, name_bodies

# The package is not made for every Python that Bonecast runs on.
class_map = pytest.importorskip("totalsegmentator.map_to_binary").class_map

L2, L3, L4 = (VERSE_CODES[level] for level in ("L2", "L3", "L4"))
PP = {name.removeprefix("vertebrae_"): label for label, name in class_map["vertebrae_pp"].items()}
SPACING_MM = (1.0, 1.0, 2.0)


@pytest.fixture
def whole() -> np.ndarray:
    """Three vertebrae, L4 below."""
    mask = np.zeros((30, 40, 50), np.uint8)
    for code, bottom in ((L4, 4), (L3, 20), (L2, 36)):
        mask[5:25, 5:35, bottom : bottom + 11] = code
    return mask


def test_numbers_known_by_name_are_those_of_this_version():
    total = {
        label: name.removeprefix("vertebrae_")
        for label, name in class_map["total"].items()
        if name.startswith("vertebrae_")
    }
    assert total == TOTALSEGMENTATOR
    assert {label: level for level, label in PP.items()} == TOTALSEGMENTATOR_BODIES


def test_a_mask_of_bodies_takes_the_names_of_the_vertebrae(whole):
    labels = np.zeros_like(whole)
    labels[8:22, 22:37, 4:47] = 2  # discs, overwritten by the bodies
    for bottom in (4, 20, 36):
        labels[8:22, 22:37, bottom : bottom + 11] = 1  # 2 mm beyond the vertebra in front
    bodies, completed, flags = name_bodies(labels, class_map["vertebrae_body"], whole, SPACING_MM)
    for code, bottom in ((L4, 4), (L3, 20), (L2, 36)):
        assert (bodies[8:22, 22:37, bottom : bottom + 11] == code).all()
    assert (bodies > 0).sum() == (labels == 1).sum()
    assert np.array_equal(completed > 0, (whole > 0) | (bodies > 0))
    assert flags == []


def test_a_body_far_from_any_vertebra_has_no_name(whole):
    labels = np.zeros_like(whole)
    labels[8:22, 22:33, 20:31] = 1
    whole[whole == L3] = 0
    bodies, _, _ = name_bodies(labels, class_map["vertebrae_body"], whole, SPACING_MM)
    # L4 ends 10 mm below, L2 begins 10 mm above.
    assert not bodies.any()


def test_names_that_disagree_are_flagged_and_those_of_task_total_kept(whole):
    labels = np.zeros_like(whole)
    for level, bottom in (("L5", 4), ("L3", 20), ("L2", 36)):
        labels[8:22, 22:33, bottom : bottom + 11] = PP[level]
    bodies, _, flags = name_bodies(labels, class_map["vertebrae_pp"], whole, SPACING_MM)
    assert set(np.unique(bodies)) == {0, L2, L3, L4}
    assert flags == ["L4 is called L5 by the task for bodies"]


def record(folder, ct: Volume, labels: np.ndarray, **more) -> None:
    """A scan's raw result, as the batch leaves it."""
    label_map = {str(label): name for label, name in class_map["total"].items()}
    about = {
        "backend": "totalsegmentator",
        "model": {"name": "total (fast)", "sha256": "0"},
        "versions": {},
        "device": "cpu",
        "seconds": 1.0,
        "fallback": "",
        "tasks": {"classes": "total"},
        "label_maps": {"classes": label_map},
        "error": "",
    }
    save(ct.like(labels), folder / "p1.nii.gz")
    write_json(about | more, folder / "p1.json")


def test_without_a_task_for_bodies_they_are_cut_out(tmp_path, whole):
    ct = Volume(np.zeros(whole.shape, np.int16), np.diag([*SPACING_MM, 1.0]))
    labels = np.zeros_like(whole)
    for level, code in (("L2", L2), ("L3", L3), ("L4", L4)):
        labels[whole == code] = {name: n for n, name in TOTALSEGMENTATOR.items()}[level]
    labels[10:20, 10:16] = np.where(whole[10:20, 10:16] > 0, 0, labels[10:20, 10:16])
    labels[12:18, 8:16] = 0  # the canal
    aorta = next(label for label, name in class_map["total"].items() if name == "aorta")
    labels[12:18, 36:39] = aorta
    record(tmp_path, ct, labels)
    found = label_from_totalsegmentator(ct, tmp_path / "p1.nii.gz")
    assert found.provenance["bodies"] == "split from whole vertebrae"
    assert found.provenance["label_map"]["29"] == "L3"
    assert found.provenance["tissue"] == {"20": "aorta"}
    assert 0 < (found.bodies.data == L3).sum() < (found.whole.data == L3).sum()


def test_a_scan_that_failed_or_holds_no_vertebra_is_left_out(tmp_path, whole):
    ct = Volume(np.zeros(whole.shape, np.int16), np.diag([*SPACING_MM, 1.0]))
    for more, reason in (
        ({"error": "ValueError"}, Reason.SEGMENTATION_FAILED),
        ({}, Reason.NO_VERTEBRA),
    ):
        record(tmp_path, ct, np.zeros_like(whole), **more)
        with pytest.raises(Excluded) as excluded:
            label_from_totalsegmentator(ct, tmp_path / "p1.nii.gz")
        assert excluded.value.reason == reason


def test_a_result_that_went_missing_is_named(tmp_path, whole):
    ct = Volume(np.zeros(whole.shape, np.int16), np.diag([*SPACING_MM, 1.0]))
    maps = {"classes": {"29": "vertebrae_L3"}, "bodies": {"1": "vertebrae_body"}}
    record(tmp_path, ct, np.zeros_like(whole), label_maps=maps)
    with pytest.raises(FileNotFoundError, match=r"p1\.bodies\.nii\.gz is missing"):
        label_from_totalsegmentator(ct, tmp_path / "p1.nii.gz")
