"""The example cohorts on public scans, from input to measured tables by the whole DAG."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.ndimage import binary_erosion

from bonecast.images import load
from bonecast.levels import VERSE_CODES

LUMBAR = ["L1", "L2", "L3", "L4", "L5"]


@pytest.fixture
def measured(repo, shared_data, run_snakemake, tmp_path):
    """A function that runs `features` of an example and returns its participant's folder."""

    def run(name: str) -> Path:
        example = repo / "config" / "examples" / f"{name}.yaml"
        config = yaml.safe_load(example.read_text(encoding="utf-8"))
        table = tmp_path / "participants.tsv"
        text = (repo / config["cohort"]["participants"]).read_text(encoding="utf-8")
        table.write_text(text.replace("../shared/data", str(shared_data)), encoding="utf-8")
        config["cohort"]["participants"] = str(table)
        # Compiling texture kernels takes longer than all the rest; they have their own tests.
        config["measure"] = {"radiomics": {"enabled": False}}
        done = run_snakemake("features", config=config)
        assert done.returncode == 0, done.stdout + done.stderr
        return tmp_path / "results" / name / "participants" / name

    return run


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def by_level(path: Path, column: str, **only: str) -> dict[str, str]:
    """One column of a table by level, of the rows with the given values."""
    chosen = (row for row in rows(path) if all(row[key] == value for key, value in only.items()))
    return {row["level"]: row[column] for row in chosen}


def test_expert_masks_from_nifti_and_intact_vertebrae_have_grade_0(measured):
    folder = measured("verse014")
    density = by_level(folder / "density.tsv", "median_hu", roi="hu_vol")
    assert list(density) == LUMBAR
    grades = by_level(folder / "morphometry.tsv", "genant_grade")
    assert {level: grades[level] for level in LUMBAR[:4]} == dict.fromkeys(LUMBAR[:4], "0")
    assert rows(folder.parents[1] / "tables" / "exclusions.tsv") == []


def test_other_programs_masks_give_that_programs_numbers_with_its_own_erosion(
    measured, shared_data
):
    folder = measured("totalseg_lumbar")
    density = by_level(folder / "density.tsv", "median_hu", roi="hu_vol")
    ct, bodies = load(folder / "ct.nii.gz"), load(folder / "bodies.nii.gz")
    report = json.loads((shared_data / "ct/totalseg_lumbar/spine_report.json").read_text())
    for level in LUMBAR:
        peer = report["results"][f"vertebrae_{level}_intensity_median"]
        # At 3 mm spacing TotalSegmentator's "4 mm" is a cube of 2 voxels, off centre: it takes
        # one voxel from one side of the body per axis and leaves cortex on the other.
        core = binary_erosion(bodies.data == VERSE_CODES[level], np.ones((2, 2, 2)))
        assert np.median(ct.data[core]) == peer, level
        # 4 mm all round leaves only marrow, so it reads lower.
        assert peer - 20 < float(density[level]) < peer, level


def test_compressed_dicom_is_measured_and_a_short_scan_says_why_it_has_no_summary(measured):
    folder = measured("siemens_j2k")
    facts = json.loads((folder / "ct.json").read_text())
    assert facts["source"] == "dicom" and facts["shape"] == [512, 512, 20]
    assert set(by_level(folder / "density.tsv", "reason").values()) == {"touches_border"}
    (excluded,) = rows(folder.parents[1] / "tables" / "exclusions.tsv")
    assert excluded["reason"] == "too_few_levels"
