"""From files to rows, and from rows to tables."""

import numpy as np
import pytest

from bonecast.images import Volume, save
from bonecast.measure.acquisition import corrections
from bonecast.measure.bodies import find_bodies
from bonecast.measure.calibration.calibrate import CalibrationSettings
from bonecast.measure.columns import Column
from bonecast.measure.density import DensitySettings
from bonecast.measure.radiomics.settings import RadiomicsSettings
from bonecast.measure.scan import Known, Scan, Settings, measure_scan, read_scan
from bonecast.measure.tables import write_table
from bonecast.reasons import Reason
from bonecast.segment.tissues import Tissue


def text(*names):
    return tuple(Column(name, "", "Any text", kind="text") for name in names)


@pytest.fixture
def files(tmp_path, draw_spine, DrawnBody):
    phantom = draw_spine(
        {"L1": DrawnBody(27.2), "L2": DrawnBody(27.6, "wedge", 0.35), "L3": DrawnBody(27.2)},
        (1, 1, 2),
    )
    paths = {name: tmp_path / f"{name}.nii.gz" for name in ("ct", "vertebrae", "bodies")}
    for name, path in paths.items():
        save(getattr(phantom, name), path)
    return paths


def test_a_deformed_vertebra_is_not_averaged(files):
    scan = read_scan(**files)
    settings = Settings(["L1", "L2", "L3"], DensitySettings(rois=("hu_vol",)))
    found = measure_scan(scan, settings)
    density, shapes = found.density, found.morphometry
    assert [row["genant_type"] for row in shapes] == ["none", "wedge", "none"]
    assert [row["reason"] for row in density] == [None, Reason.DEFORMED, None]
    assert density[1]["mean_hu"] == pytest.approx(150, abs=1)


def test_radiomics_are_included_where_the_first_region_is(files):
    scan, few = read_scan(**files), RadiomicsSettings(families=("intensity",), erosion_mm=2.0)
    rois = ("hu_vol", "hu_circle200")
    levels = ["L1", "L2"]
    settings = Settings(levels, DensitySettings(rois=rois, min_voxels=2000), radiomics=few)
    found = measure_scan(scan, settings, Known(excluded={"L1": Reason.LISTED_IMPLANT}))
    reasons = {(row["level"], row["roi"]): row["reason"] for row in found.density}
    assert [(row["level"], row["reason"]) for row in found.radiomics] == [
        (level, reasons[level, "hu_vol"]) for level in ("L1", "L2", "L3")
    ]
    assert found.radiomics[0]["rad_stat_median_y12h"] == pytest.approx(150, abs=1)
    assert measure_scan(scan, Settings(levels)).radiomics == []


def test_a_mask_of_another_grid_is_refused(files):
    save(Volume(np.zeros((5, 5, 5), np.uint8), np.eye(4)), files["bodies"])
    with pytest.raises(ValueError, match=r"bodies: mask of \(5, 5, 5\)"):
        read_scan(**files)


def test_a_table_leaves_missing_values_empty(tmp_path):
    rows = [
        {"level": "L1", "value": 1 / 3, "n": 12, "included": True, "reason": None},
        {"level": "L2", "value": None, "n": None, "included": False, "reason": Reason.METAL},
    ]
    write_table(rows, text("level", "value", "n", "included", "reason"), tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_text().splitlines() == [
        "level\tvalue\tn\tincluded\treason",
        "L1\t0.333333333\t12\ttrue\t",
        "L2\t\t\tfalse\tmetal",
    ]


def test_a_table_without_rows_is_its_header(tmp_path):
    write_table([], text("level", "reason"), tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_text() == "level\treason\n"


def test_an_unknown_column_is_refused(tmp_path):
    with pytest.raises(ValueError, match="leve"):
        write_table([{"leve": "L1"}], text("level"), tmp_path / "t.tsv")


VESSELS = ("AORTA", "INFERIOR_VENA_CAVA", "PORTAL_VEIN_AND_SPLENIC_VEIN")


@pytest.fixture
def enhanced(three_bodies):
    """Draws a spine with three vessels of given HU in front of it, all of them segmented."""

    def draw(*hu):
        pad = [(0, 0), (0, 60), (0, 0)]
        ct, whole, bodies = (
            np.pad(getattr(three_bodies, name).data, pad, constant_values=value)
            for name, value in (("ct", -100), ("vertebrae", 0), ("bodies", 0))
        )
        tissue = np.zeros(ct.shape, np.uint8)
        x, y = np.indices(ct.shape[:2])
        for n, (name, value) in enumerate(zip(VESSELS, hu, strict=True)):
            disc = np.hypot(x - 25, y - three_bodies.ct.data.shape[1] - 10 - 19 * n) < 9
            ct[disc], tissue[disc] = value, Tissue[name]
        affine = three_bodies.ct.affine
        ct, whole, bodies, tissue = (Volume(a, affine) for a in (ct, whole, bodies, tissue))
        return Scan(ct, whole, bodies, tissue, find_bodies(bodies, whole, ct))

    return draw


@pytest.mark.parametrize(
    ("hu", "header", "phase", "confidence", "offset"),
    [
        ((45, 42, 40), "none", "none", "high", 0.0),
        ((160, 120, 170), "portal", "portal", "high", -17.5),
        ((320, 55, 130), "contrast", "arterial", "moderate", -5.68),
        ((320, 55, 130), "portal", "arterial", "low", None),
        ((45, 42, 40), "portal", "none", "low", None),
        ((200, 80, 140), None, "other", "moderate", None),
    ],
)
def test_the_phase_of_a_scan_decides_what_is_corrected(
    enhanced, hu, header, phase, confidence, offset
):
    row = {"row": 1, "reason": None, "slope": 0.8, "intercept": 0.0, "standard": "k2hpo4"}
    row |= {"r2": 0.99, "drift_hu_per_year": None, "drift_beyond_limit": False}
    settings = Settings(
        ["L1", "L2"],
        DensitySettings(rois=("hu_vol",)),
        CalibrationSettings("table"),
        corrections("ruehling2022"),
    )
    known = Known({"kvp": 120.0, "contrast_phase_header": header}, calibration_row=row)
    found = measure_scan(enhanced(*hu), settings, known)
    facts = found.calibration
    assert (facts["contrast_phase"], facts["contrast_phase_confidence"]) == (phase, confidence)
    assert (facts["aorta_hu"], facts["vena_cava_hu"], facts["portal_vein_hu"]) == hu
    assert facts["contrast_model_status"] == "no_inputs"
    assert bool(facts["acquisition_conflicts"]) == (confidence == "low")
    assert [one["included"] for one in found.density] == [True, True, False]
    for one in found.density[:2]:
        expected = None if offset is None else pytest.approx(one["mean_vbmd_mgcc"] + offset)
        assert one["mean_vbmd_mgcc"] == pytest.approx(0.8 * one["mean_hu"])
        assert one["corrected_vbmd_mgcc"] == expected
