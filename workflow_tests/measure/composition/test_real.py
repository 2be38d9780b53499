"""A real abdomen whose muscle and fat are outlined, through the rules and by hand."""

import csv

import numpy as np
import pytest
from PIL import Image

from bonecast.images import load, save
from bonecast.levels import LEVELS
from bonecast.measure.composition.measure import measure_composition
from bonecast.measure.scan import read_scan

TISSUES = {"subcutaneous_fat": 1, "torso_fat": 2, "skeletal_muscle": 3}
PSOAS_AND_BACK = (86, 87, 88, 89)


@pytest.fixture(scope="module")
def abdomen(shared_data):
    """Folder of a native abdominal CT at 3 mm, its 117 classes, and masks of three tissues."""
    return shared_data / "ct" / "totalseg_abdomen_30slices"


@pytest.fixture
def measured(abdomen, run_snakemake, tmp_path):
    """The participant's results, measured by the rules with the user's masks."""
    tissue = load(abdomen / "tissue" / "skeletal_muscle.nii.gz")
    merged = np.zeros_like(tissue.data)
    for name, label in TISSUES.items():
        merged[load(abdomen / "tissue" / f"{name}.nii.gz").data > 0] = label
    save(tissue.like(merged), tmp_path / "tissue.nii.gz")
    columns = {"participant_id": "p1", "path": abdomen / "ct.nii.gz"}
    columns |= {"mask": abdomen / "total_labels.nii.gz", "tissue": tmp_path / "tissue.nii.gz"}
    columns |= {"sex": "M", "height_m": 1.71, "weight_kg": 74.4}
    table = tmp_path / "participants.tsv"
    lines = (columns.keys(), map(str, columns.values()))
    table.write_text("\n".join("\t".join(line) for line in lines) + "\n", encoding="utf-8")
    config = {
        "cohort": {"name": "abdomen", "input": str(tmp_path), "participants": str(table)},
        "segment": {
            "backend": "masks",
            "mask_labels": "totalsegmentator",
            "tissue_labels": "tissue_types",
        },
        "measure": {"radiomics": {"enabled": False}},
    }
    done = run_snakemake("features", config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    return tmp_path / "results" / "abdomen"


def rows(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def areas_and_attenuation_are_those_of_the_masks(abdomen, measured):
    home = measured / "participants" / "p1"
    found = {(row["level"], row["region"]): row for row in rows(home / "composition.tsv")}
    assert {level for (level, _), row in found.items() if row["included"] == "true"} == {"L1"}
    assert found["L2", "muscle"]["reason"] == found["T12", "muscle"]["reason"] == "touches_border"

    hu, classes = load(abdomen / "ct.nii.gz").data, load(abdomen / "total_labels.nii.gz").data
    masks = {name: load(abdomen / "tissue" / f"{name}.nii.gz").data > 0 for name in TISSUES}
    spine = (classes >= 26) & (classes <= 50)
    bodies = load(home / "bodies.nii.gz").data == 20
    k = int(np.rint(np.argwhere(bodies)[:, 2].mean()))
    muscle = masks["skeletal_muscle"] | np.isin(classes, PSOAS_AND_BACK)
    regions = {
        "muscle": (muscle, -29, 150),
        "back_muscles": (np.isin(classes, (86, 87)), -29, 150),
        "imat": (muscle, -190, -30),
        "sat": (masks["subcutaneous_fat"] & ~muscle, -190, -30),
        "vat": (masks["torso_fat"] & ~muscle, -150, -50),
    }
    others = np.isin(classes, (5, 51, 52, 63, *range(92, 116)))
    for name, (mask, low, high) in regions.items():
        inside = (mask & ~spine & ~others & (hu >= low) & (hu <= high))[:, :, k]
        row = found["L1", name]
        assert row["method"] == "masks"
        assert float(row["area_cm2"]) == pytest.approx(inside.sum() * 0.09, rel=0.01), name
        assert float(row["density_hu"]) == pytest.approx(hu[:, :, k][inside].mean(), abs=0.5), name
    with Image.open(home / "composition.png") as picture:
        assert min(picture.size) > 100


def the_summary_names_its_level_and_reasons(measured):
    (scan,) = rows(measured / "tables" / "scans.tsv")
    assert (scan["composition_level"], scan["composition_method"]) == ("L1", "masks")
    assert float(scan["smi_cm2_m2"]) == pytest.approx(float(scan["muscle_area_cm2"]) / 1.71**2)
    assert scan["limits_reason"] == "not_at_l3" and scan["low_smi_martin"] == ""
    # A NIfTI file says neither the tube voltage nor whether contrast was given.
    assert scan["aortic_calcium_agatston"] == ""
    assert scan["aortic_calcium_reason"] in ("phase_unknown", "kvp_not_tabulated")


def what_is_derived_is_near_what_is_outlined(measured):
    """Within what docs/composition.md states for this scan."""
    home = measured / "participants" / "p1"
    scan = read_scan(*(home / f"{name}.nii.gz" for name in ("ct", "vertebrae", "bodies", "tissue")))
    found = {}
    for method, tissue in (("masks", scan.tissue), ("derived", None)):
        table = measure_composition(scan.ct, scan.vertebrae, scan.bodies, tissue, LEVELS)
        found[method] = {row["region"]: row for row in table if row["level"] == "L1"}
    for name in ("back_muscles", "sat"):
        assert found["derived"][name]["method"] == "derived"
    sat = [found[method]["sat"]["slab_area_cm2"] for method in ("masks", "derived")]
    assert sat[1] == pytest.approx(sat[0], rel=0.10)
    back = [found[method]["back_muscles"]["slab_density_hu"] for method in ("masks", "derived")]
    assert back[1] == pytest.approx(back[0], abs=2)


def test_an_abdomen_through_the_rules(abdomen, measured):
    areas_and_attenuation_are_those_of_the_masks(abdomen, measured)
    the_summary_names_its_level_and_reasons(measured)
    what_is_derived_is_near_what_is_outlined(measured)
