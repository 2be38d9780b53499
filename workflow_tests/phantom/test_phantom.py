"""The phantom holds what was planted, and a seed gives the same cohort again."""

import numpy as np
import pydicom
import pytest
from scipy.ndimage import binary_erosion

from bonecast.levels import VERSE_CODES
from bonecast.phantom.agreement import compare_masks
from bonecast.phantom.anatomy import Deformity, draw_torso
from bonecast.phantom.cohort import clinical_table, draw_cohort, truth_tables
from bonecast.phantom.demo import write_participant
from bonecast.phantom.torso import Scanner, image_torso


def test_trabecular_attenuation_is_the_planted_one():
    rng = np.random.default_rng(5)
    torso = draw_torso(rng, trabecular_hu=130, scale=1.0, texture_hu=5)
    l2 = torso.vertebra("L2")
    scanner = Scanner((60, 60, 40), (1, 1, 1), tuple(l2.centre), noise_hu=10, blur_mm=0.6)
    ct, label = image_torso(torso, scanner, rng)
    core = binary_erosion(label == VERSE_CODES["L2"], iterations=5)
    assert core.sum() > 3000
    assert abs(ct.data[core].mean() - l2.trabecular_hu) < 1.5


@pytest.mark.parametrize(
    ("kind", "lost"), [("wedge", "anterior"), ("biconcave", "middle"), ("crush", "posterior")]
)
def test_deformities_take_the_height_they_name(kind, lost):
    def draw(deformities):
        torso = draw_torso(np.random.default_rng(3), trabecular_hu=100, deformities=deformities)
        return dict(
            zip(("anterior", "middle", "posterior"), torso.vertebra("L1").heights_mm(), strict=True)
        )

    intact, broken = draw({}), draw({"L1": Deformity(kind, 3, 0.45)})
    loss = 1 - broken[lost] / intact[lost]
    assert 0.40 < loss < 0.47
    if kind != "crush":
        # The rim of a biconcave body gives way a little too.
        assert 1 - broken["posterior"] / intact["posterior"] < 0.1


def test_cohort_is_reproducible_and_depends_on_the_seed():
    first, again, other = draw_cohort(7), draw_cohort(7), draw_cohort(8)
    assert clinical_table(first).equals(clinical_table(again))
    assert not clinical_table(first).equals(clinical_table(other))


def test_shipped_participants_are_those_of_the_cohort(repo):
    lines = (repo / "resources/demo/participants.tsv").read_text().splitlines()[1:]
    assert [line.split("\t") for line in lines] == [
        [p.participant_id, p.site] for p in draw_cohort(0)
    ]


def test_hazard_orders_the_outcomes():
    people, _ = truth_tables(draw_cohort(20261123))
    early = people[(people.event == 1) & (people.time_years < 3)]
    free = people[(people.event == 0) & (people.time_years > 5)]
    assert early.log_hazard.mean() > free.log_hazard.mean() + 1


def test_written_dicom_gives_back_the_volume(tmp_path):
    person = next(p for p in draw_cohort(20261123) if p.view == "L1-S")
    for folder in ("masks", "bodies"):
        (tmp_path / "truth" / folder).mkdir(parents=True)
    write_participant(person, tmp_path / "dicom", tmp_path / "truth")
    series = sorted((tmp_path / "dicom" / person.participant_id).rglob("SE02/*.dcm"))
    first = pydicom.dcmread(series[0])
    assert first.Modality == "CT" and first.file_meta.TransferSyntaxUID.is_little_endian
    assert "Phantom" in str(first.PatientName)
    hu = first.pixel_array + float(first.RescaleIntercept)
    assert -1024 <= hu.min() < -50 and hu.max() > 250
    positions = [
        float(pydicom.dcmread(p, stop_before_pixels=True).ImagePositionPatient[2]) for p in series
    ]
    steps = np.diff(sorted(positions))
    assert np.allclose(steps, float(first.SliceThickness), atol=1e-3)


def test_compare_masks_sees_a_shifted_name():
    truth = np.zeros((4, 4, 12), np.uint8)
    truth[:, :, 2:5], truth[:, :, 7:10] = 21, 20
    assert compare_masks(truth, truth) == {"right": True, "dice": 1.0}
    shifted = np.where(truth > 0, truth + 1, 0)
    assert not compare_masks(shifted, truth)["right"]
    missed = np.where(truth == 20, 0, truth)
    assert not compare_masks(missed, truth)["right"]
