"""From files to rows, and from rows to tables."""

import numpy as np
import pytest

from bonecast.images import Volume, save
from bonecast.measure.columns import Column, names
from bonecast.measure.density import DensitySettings
from bonecast.measure.scan import Settings, measure_scan, read_scan
from bonecast.measure.tables import read_reasons, write_table
from bonecast.reasons import Reason


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
    assert read_reasons(tmp_path / "t.tsv") == {}


def test_an_unknown_column_is_refused(tmp_path):
    with pytest.raises(ValueError, match="leve"):
        write_table([{"leve": "L1"}], text("level"), tmp_path / "t.tsv")


def test_reasons_are_those_of_the_first_region(tmp_path):
    columns = text("level", "roi", "included", "reason")
    rows = [
        ("L1", "hu_vol", True, None),
        ("L1", "hu_circle200", False, Reason.OUTLIER),
        ("L2", "hu_vol", False, Reason.DEFORMED),
        ("L2", "hu_circle200", False, Reason.DEFORMED),
    ]
    write_table(
        [dict(zip(names(columns), row, strict=True)) for row in rows], columns, tmp_path / "d.tsv"
    )
    assert read_reasons(tmp_path / "d.tsv") == {"L2": Reason.DEFORMED}
