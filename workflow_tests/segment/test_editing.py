"""The folder in which a person corrects a mask, and the names and colours in it."""

import shlex

import numpy as np
import pytest

from bonecast.images import Volume, load, save
from bonecast.levels import LEVELS, VERSE_CODES
from bonecast.report.palette import level_colour, rgb
from bonecast.segment.editing import itksnap_labels, slicer_labels, write_editing_folder


def test_itksnap_reads_index_colour_alpha_visibility_mesh_and_name():
    lines = [line for line in itksnap_labels().splitlines() if not line.startswith("#")]
    rows = [shlex.split(line) for line in lines]
    assert rows[0] == ["0", "0", "0", "0", "0", "0", "0", "Clear Label"]
    assert {row[7]: int(row[0]) for row in rows[1:]} == VERSE_CODES
    for row in rows[1:]:
        assert tuple(map(int, row[1:4])) == rgb(level_colour(row[7]))
        assert row[4:7] == ["1", "1", "1"]


def test_slicer_reads_value_name_and_colour():
    lines = [line for line in slicer_labels().splitlines() if not line.startswith("#")]
    rows = [line.split() for line in lines]
    assert all(len(row) == 6 for row in rows)
    assert {row[1]: int(row[0]) for row in rows[1:]} == VERSE_CODES
    assert len(rows) == len(LEVELS) + 1
    for _, name, *colour, opacity in rows[1:]:
        assert tuple(map(int, colour)) == rgb(level_colour(name)) and opacity == "255"


@pytest.fixture
def results(tmp_path):
    """A scan and its masks as the workflow leaves them."""
    ct = Volume(np.zeros((6, 5, 4), np.int16), np.diag([1.0, 1.0, 3.0, 1.0]))
    mask = np.zeros(ct.data.shape, np.uint8)
    mask[2:4, 2:4, 1:3] = 20
    for name, data in (("ct", ct.data), ("vertebrae", mask), ("bodies", mask)):
        save(ct.like(data), tmp_path / f"{name}.nii.gz")
    return [tmp_path / f"{name}.nii.gz" for name in ("ct", "vertebrae", "bodies")]


def test_everything_a_person_needs_is_there(results, tmp_path):
    folder = tmp_path / "editing" / "p1"
    write_editing_folder(folder, "p1", *results, "corrections/study")
    names = {"ct.nii.gz", "p1.nii.gz", "p1_bodies.nii.gz", "README.txt"}
    assert {path.name for path in folder.iterdir()} == names | {
        "labels_itksnap.txt",
        "labels_slicer.ctbl",
    }
    assert (folder / "p1.nii.gz").read_bytes() == results[1].read_bytes()
    assert not (folder / "p1.nii.gz").stat().st_mode & 0o222, "saved over by mistake"
    text = (folder / "README.txt").read_text()
    assert "corrections/study/p1.nii.gz" in text and "{" not in text


def test_no_machines_folder_is_named(results, tmp_path):
    write_editing_folder(tmp_path / "e", "p1", *results, str(tmp_path / "masks"))
    text = (tmp_path / "e" / "README.txt").read_text()
    assert str(tmp_path) not in text and "<cohort.corrections" in text


def test_without_a_segmentation_there_is_an_empty_mask_to_draw_in(results, tmp_path):
    for path in results[1:]:
        path.write_bytes(b"")
    write_editing_folder(tmp_path / "e", "p1", *results, "corrections/study")
    mask, ct = load(tmp_path / "e" / "p1.nii.gz"), load(results[0])
    assert mask.data.shape == ct.data.shape and not mask.data.any()
    assert np.array_equal(mask.affine, ct.affine)


def test_without_a_scan_there_is_nothing_to_edit(results, tmp_path):
    results[0].write_bytes(b"")
    with pytest.raises(ValueError, match="p1 was left out before segmentation"):
        write_editing_folder(tmp_path / "e", "p1", *results, "corrections/study")
