"""Segment, export, edit as an editor would, put back, run again, take away: run for real."""

import csv
import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from bonecast.images import load, save
from bonecast.levels import VERSE_CODES
from bonecast.phantom.anatomy import draw_torso
from bonecast.phantom.demo import true_masks
from bonecast.phantom.torso import Scanner, image_torso
from bonecast.segment.editing import itksnap_labels, slicer_labels

L2, L3 = VERSE_CODES["L2"], VERSE_CODES["L3"]


@pytest.fixture
def study(tmp_path):
    """Two phantoms with masks; the configuration of their cohort."""
    for folder in ("scans", "masks"):
        (tmp_path / folder).mkdir()
    for seed, name in enumerate(("p1", "p2"), start=3):
        rng = np.random.default_rng(seed)
        torso = draw_torso(rng, trabecular_hu=140, texture_hu=5)
        centre = tuple(torso.vertebra("L2").centre - [0, 15, 0])
        ct, label = image_torso(torso, Scanner((40, 60, 80), (2, 2, 2), centre, 8, 0.8), rng)
        save(ct, tmp_path / "scans" / f"{name}.nii.gz")
        save(ct.like(true_masks(label)[1]), tmp_path / "masks" / f"{name}.nii.gz")
    return {
        "cohort": {"name": "study", "input": "scans"},
        "segment": {"backend": "masks", "masks": "masks"},
        "measure": {"radiomics": {"enabled": False}},
    }


def density(folder) -> dict[str, float]:
    """Mean HU of hu_vol by level, where there is one."""
    with (folder / "density.tsv").open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return {
        row["level"]: float(row["mean_hu"])
        for row in rows
        if row["roi"] == "hu_vol" and row["mean_hu"]
    }


def edit(source, target):
    """Give L3 to L4, let L2 grow upwards, and save as floats in another order of axes."""
    image = sitk.ReadImage(str(source))
    values = sitk.GetArrayFromImage(image)
    moved = np.roll(values == L2, 3, axis=0)
    values[values == L3] = L3 + 1
    values[moved & (values == 0)] = L2
    edited = sitk.GetImageFromArray(values.astype(np.float32))
    edited.CopyInformation(image)
    sitk.WriteImage(sitk.DICOMOrient(edited, "RIA"), str(target))


def test_a_correction_goes_in_and_comes_out_again(study, run_snakemake, plan, tmp_path):
    def run(*targets):
        done = run_snakemake(*targets, config=study)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    def state(name):
        folder = tmp_path / "results/study/participants" / name
        files = ("vertebrae.nii.gz", "bodies.nii.gz", "density.tsv", "qc.png")
        return {f: ((folder / f).read_bytes(), (folder / f).stat().st_mtime_ns) for f in files}

    run("features", "report")
    p1 = tmp_path / "results/study/participants/p1"
    before, other = density(p1), state("p2")
    content = {name: data for name, (data, _) in state("p1").items()}
    assert {"L2", "L3"} <= before.keys()

    editing = tmp_path / "results/study/editing/p1"
    run("results/study/editing/p1")
    assert np.array_equal(load(editing / "p1.nii.gz").data, load(p1 / "vertebrae.nii.gz").data)
    assert (editing / "labels_itksnap.txt").read_text() == itksnap_labels()
    assert (editing / "labels_slicer.ctbl").read_text() == slicer_labels()
    assert "corrections/study/p1.nii.gz" in (editing / "README.txt").read_text()

    corrections = tmp_path / "corrections" / "study"
    corrections.mkdir(parents=True)
    edit(editing / "p1.nii.gz", corrections / "p1.nii.gz")
    jobs = plan(study, "features", "report").jobs
    for rule in ("label_vertebrae", "measure_scan"):
        assert jobs[rule] == 1
    run("features", "report")
    about = json.loads((p1 / "segmentation.json").read_text())
    assert about["correction"]["mask"]["file"] == "p1.nii.gz"
    assert len(about["correction"]["mask"]["sha256"]) == 64
    assert about["correction"]["edited"] == ["L2", "L4"]
    after = density(p1)
    assert about["correction"]["removed"] == ["L3"] and "L3" not in after
    assert abs(after["L2"] - before["L2"]) > 1, "6 mm taller, so other voxels are measured"
    # Not touched; its axis follows the curve of the spine, which runs through its neighbours.
    assert abs(after["L1"] - before["L1"]) < 5
    assert state("p2") == other, "nobody else was touched"
    report = (tmp_path / "results/study/report.html").read_text()
    assert "Masks corrected by hand: 1 participant" in report and "L2, L4 edited" in report

    # Slicer's default export numbers labels from 1: refused, and not the backend's in silence.
    image = sitk.ReadImage(str(editing / "p1.nii.gz"))
    values = sitk.GetArrayFromImage(image)
    bad = sitk.GetImageFromArray(np.searchsorted(np.unique(values), values).astype(np.uint8))
    bad.CopyInformation(image)
    sitk.WriteImage(bad, str(corrections / "p1.nii.gz"))
    run("features", "report")
    about = json.loads((p1 / "segmentation.json").read_text())
    assert (about["status"], about["reason"]) == ("excluded", "correction_unusable")
    assert "numbered the labels anew" in about["detail"]
    assert about["correction"]["mask"]["sha256"]
    assert density(p1) == {}

    shutil.rmtree(corrections)
    run("features", "report")
    assert {name: data for name, (data, _) in state("p1").items()} == content
    assert json.loads((p1 / "segmentation.json").read_text())["correction"] is None
    assert state("p2") == other


def test_who_was_left_out_is_rescued_by_a_correction(study, run_snakemake, tmp_path):
    (tmp_path / "masks" / "p1.nii.gz").rename(tmp_path / "p1.nii.gz")
    target = "results/study/participants/p1/density.tsv"
    assert run_snakemake(target, "results/study/editing/p1", config=study).returncode == 0
    p1 = tmp_path / "results/study/participants/p1"
    assert json.loads((p1 / "segmentation.json").read_text())["reason"] == "no_mask"
    empty = load(tmp_path / "results/study/editing/p1/p1.nii.gz")
    assert not empty.data.any() and empty.data.shape == (40, 60, 80)

    (tmp_path / "corrections" / "study").mkdir(parents=True)
    (tmp_path / "p1.nii.gz").rename(tmp_path / "corrections/study/p1.nii.gz")
    assert run_snakemake(target, config=study).returncode == 0
    about = json.loads((p1 / "segmentation.json").read_text())
    assert about["status"] == "ok" and "L2" in about["correction"]["added"]
    assert abs(density(p1)["L2"] - 140) < 25
