"""Figures of the scans: four files each, numbers equal to their inputs, nothing identifying."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bonecast.report import (
    figures_composition,
    figures_flow,
    figures_measure,
    figures_shape,
    figures_vbmd,
)
from bonecast.report.style import blank_figure, p_value, save_figure
from bonecast.report.tables import interval_text

DPI = 60
LEVELS = ["L1", "L2", "L3", "L4"]


def _rows(outputs):
    with Path(outputs["csv"]).open(newline="") as stream:
        return list(csv.DictReader(stream))


def _check_files(outputs):
    pdf = Path(outputs["pdf"]).read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"/Subtype /Type3" not in pdf, "text of a PDF must stay editable (fonttype 42)"
    assert b"CreationDate" not in pdf and b"/Author" not in pdf
    svg = Path(outputs["svg"]).read_text(encoding="utf-8")
    assert "<text" in svg and "<dc:date>" not in svg
    with Image.open(outputs["png"]) as picture:
        assert min(picture.size) > 50
        assert set(picture.info) <= {"dpi"}


def _draw_flow(results, outputs):
    figures_flow.flow_diagram(
        results.path("tables/scans.parquet"),
        results.path("tables/exclusions.tsv"),
        results.path("tables/ledger.tsv"),
        results.path("models/fracture/analysis_set.parquet"),
        results.path("models/fracture/exclusions.tsv"),
        outputs,
        DPI,
    )


def test_flow_diagram_accounts_for_everyone(results, outputs):
    _draw_flow(results, outputs)
    _check_files(outputs)
    rows = _rows(outputs)
    reached = {row["step"]: int(row["n"]) for row in rows if row["kind"] == "step"}
    assert reached == {
        "found": 40,
        "converted": 37,
        "segmented": 36,
        "measured": 36,
        "modelled": 35,
    }
    left_out = {row["participant_ids"]: row["reason"] for row in rows if row["kind"] == "excluded"}
    assert left_out == {
        "D037": "empty_folder",
        "D038": "corrupt_pixels",
        "D039": "no_axial_ct",
        "D040": "levels_not_anchored",
        "D036": "no_outcome",
    }


def test_flow_diagram_is_reproducible(results, outputs, tmp_path):
    _draw_flow(results, outputs)
    again = {kind: str(tmp_path / f"again.{kind}") for kind in outputs}
    _draw_flow(results, again)
    for kind in outputs:
        assert Path(outputs[kind]).read_bytes() == Path(again[kind]).read_bytes()


def test_flow_without_models_ends_at_measuring(results):
    steps, _ = figures_flow.read_flow(
        *(
            results.path(f"tables/{name}")
            for name in ("scans.parquet", "exclusions.tsv", "ledger.tsv")
        )
    )
    assert steps[0].note == "participants in the cohort; 76 series in 1,634 files"
    assert [step.key for step in steps] == ["found", "converted", "segmented", "measured"]


def test_flow_counts_scans_where_participants_have_several(tmp_path):
    ids = pd.DataFrame({"participant_id": ["a", "a", "a", "b"], "session_id": ["1", "02", "3", ""]})
    ids.to_parquet(tmp_path / "scans.parquet")
    columns = ["participant_id", "session_id", "stage", "reason", "detail"]
    lost = [("a", "3", "ingest", "empty_folder", "")]
    left_out = [
        *(("a", session, "model", "not_baseline", "") for session in ("02", "3")),
        ("b", "", "model", "no_outcome", ""),
        ("c", "", "model", "no_scan", ""),
    ]
    for name, rows in (("exclusions", lost), ("model", left_out)):
        pd.DataFrame(rows, columns=columns).to_csv(tmp_path / f"{name}.tsv", sep="\t", index=False)
    frame = pd.DataFrame({"participant_id": ["a"], "outcome": [0.8]})
    frame.to_parquet(tmp_path / "set.parquet")
    ledger = [("file", 4000), ("series", 20), ("series", 4)]
    pd.DataFrame(ledger, columns=["unit", "n"]).to_csv(tmp_path / "ledger.tsv", sep="\t")
    names = ("scans.parquet", "exclusions.tsv", "ledger.tsv", "set.parquet", "model.tsv")
    steps, exclusions = figures_flow.read_flow(*(tmp_path / name for name in names))
    assert [step.n for step in steps] == [4, 3, 3, 3, 1]
    assert steps[0].note == "scans of 2 participants; 24 series in 4,000 files"
    assert [figures_flow.name_of(row) for row in exclusions] == ["a_ses-3", "a_ses-02", "b"]


@pytest.mark.parametrize(
    ("exclusions", "modelled"),
    [
        ([{"participant_id": "z", "stage": "ingest", "reason": "no_input"}], None),
        ([{"participant_id": "a", "stage": "ingest", "reason": "no_input"}] * 2, None),
        ([{"participant_id": "a", "stage": "elsewhere", "reason": "no_input"}], None),
        ([], 2),
    ],
)
def test_flow_refuses_numbers_that_do_not_add_up(exclusions, modelled):
    with pytest.raises(ValueError, match="analysis set|exclusion of"):
        figures_flow.flow_steps(["a", "b", "c"], exclusions, modelled)


def test_examples_follow_the_stated_rule(results, outputs):
    figures_measure.example_segmentations(
        results.path("tables/scans.parquet"), results.pictures, "hu_vol", LEVELS, outputs, DPI
    )
    _check_files(outputs)
    rows = _rows(outputs)
    scans = pd.read_parquet(results.path("tables/scans.parquet"))
    for site in "ab":
        hu = scans.loc[scans["site"] == site].set_index("participant_id")["hu_vol_mean_l1l4_hu"]
        shown = {r["position"]: r["participant_id"] for r in rows if r["site"] == site}
        assert shown["lowest"] == hu.idxmin()
        assert shown["highest"] == hu.idxmax()
        below = (hu < hu[shown["median"]]).sum()
        assert below == (hu.notna().sum() - 1) // 2


def test_one_participant_is_shown_once():
    scans = pd.DataFrame({"participant_id": ["p"], "site": [""], "status": ["ok"], "hu": [100.0]})
    assert [row["position"] for row in figures_measure.choose_examples(scans, "hu")] == ["only"]


def test_deformities_by_level_equal_their_inputs(results, outputs):
    path = results.path("tables/vertebrae.parquet")
    figures_shape.deformities_by_level(path, outputs, DPI)
    _check_files(outputs)
    rows = _rows(outputs)
    table = pd.read_parquet(path)
    assert [row["level"] for row in rows][:2] == ["T11", "T12"]
    for row in rows:
        grades = table.loc[table["level"] == row["level"], "genant_grade"]
        assert (int(row["n"]), int(row["n_grade_2"])) == (len(grades), (grades == 2).sum())
        share = 100 * (grades >= 2).mean()
        assert float(row["fractured_percent"]) == pytest.approx(share, abs=1e-3)
        assert float(row["lower_percent"]) <= share <= float(row["upper_percent"])


def test_every_grade_is_drawn_and_a_deformity_is_no_fracture():
    vertebrae = pd.DataFrame(
        {
            "level": ["L1"] * 5 + ["T12"],
            "morphometry_included": [True] * 5 + [False],
            "genant_grade": [0, 1, 1, 2, 3, 3],
            "genant_alternative": [None, 2, None, None, None, None],
            "height_loss": [0.05, 0.24, 0.22, 0.3, 0.5, 0.5],
        }
    )
    figure, rows = figures_shape.draw_deformities(vertebrae)
    assert [row["level"] for row in rows] == ["L1"]
    counts = [rows[0][name] for name in ("n", "n_grade_1", "n_grade_2", "n_grade_3", "n_unsure")]
    assert counts == [5, 2, 1, 1, 1]
    assert rows[0]["fractured_percent"] == 40 and rows[0]["median_loss_percent"] == 24
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == pytest.approx(80)
    _, nothing = figures_shape.draw_deformities(vertebrae.tail(1))
    assert nothing == []


def test_hu_by_level_and_age_equals_its_inputs(results, outputs):
    figures_measure.hu_by_level_and_age(
        results.path("tables/vertebrae.parquet"),
        results.path("tables/scans.parquet"),
        results.path("models/fracture/analysis_set.parquet"),
        "hu_vol",
        LEVELS,
        outputs,
        DPI,
    )
    _check_files(outputs)
    rows = _rows(outputs)
    table = pd.read_parquet(results.path("tables/vertebrae.parquet"))
    l2 = table[(table["level"] == "L2") & table["hu_vol_included"]]["hu_vol_mean_hu"]
    drawn = next(row for row in rows if row["level"] == "L2")
    assert int(drawn["n"]) == len(l2)
    assert float(drawn["median_hu"]) == pytest.approx(l2.median(), abs=1e-3)
    assert float(drawn["q75_hu"]) == pytest.approx(l2.quantile(0.75), abs=1e-3)
    ages = [row for row in rows if row["panel"] == "age"]
    # D036 has no outcome, so its age is not in the analysis set, nor in a header.
    assert len(ages) == 35
    assert [row["level"] for row in rows if row["panel"] == "level"][:2] == ["T11", "T12"]


def _draw_composition(scans, results, outputs):
    figures_composition.body_composition(
        scans,
        results.path("models/fracture/analysis_set.parquet"),
        [path.with_name("composition.png") for path in results.pictures],
        outputs,
        DPI,
    )
    _check_files(outputs)
    return [row for row in _rows(outputs) if row["value"]]


def test_body_composition_equals_its_inputs(results, outputs):
    path = results.path("tables/scans.parquet")
    points = _draw_composition(path, results, outputs)
    scans = pd.read_parquet(path)
    for panel in ("muscle_density_hu", "muscle_area_cm2", "sat_area_cm2", "vat_area_cm2"):
        drawn = sorted(float(row["value"]) for row in points if row["panel"] == panel)
        # D036 is measured and has no age.
        known = scans.loc[scans["participant_id"] != "D036", panel].dropna()
        assert drawn == pytest.approx(sorted(known), rel=1e-5), panel
    methods = {row["method"] for row in points if row["panel"] == "sat_area_cm2"}
    assert methods == {"derived", "masks"}


def test_composition_without_masks_draws_back_muscle(results, outputs, tmp_path):
    scans = pd.read_parquet(results.path("tables/scans.parquet"))
    scans[["muscle_density_hu", "muscle_area_cm2", "vat_area_cm2"]] = np.nan
    path = tmp_path / "scans.parquet"
    scans.to_parquet(path)
    points = _draw_composition(path, results, outputs)
    assert {row["panel"] for row in points} == {"back_muscles_density_hu", "sat_area_cm2"}


def test_composition_of_nobody_says_so(results, outputs, tmp_path):
    scans = pd.read_parquet(results.path("tables/scans.parquet"))
    scans.loc[:, scans.columns.str.endswith(("_density_hu", "_area_cm2"))] = np.nan
    path = tmp_path / "scans.parquet"
    scans.to_parquet(path)
    assert _draw_composition(path, results, outputs) == []


def test_vbmd_by_age_equals_its_inputs(results, outputs):
    figures_vbmd.vbmd_by_age(
        results.path("tables/scans.parquet"),
        results.path("models/fracture/analysis_set.parquet"),
        outputs,
        DPI,
    )
    _check_files(outputs)
    rows = _rows(outputs)
    scans = pd.read_parquet(results.path("tables/scans.parquet"))
    points = [row for row in rows if row["panel"] == "rigidity"]
    known = scans.dropna(subset=["vbmd_l1l2_mgcc", "ea_weakest_kn"])
    assert len(points) == len(known) > 20
    drawn = sorted(float(row["vbmd_mgcc"]) for row in points)
    assert drawn == pytest.approx(sorted(known["vbmd_l1l2_mgcc"]), rel=1e-5)
    hollow = sum(row["contrast"] == "True" for row in points)
    assert hollow == (known["contrast_phase"] == "other").sum() > 0
    assert any(row["panel"] == "line" and float(row["fit_mgcc"]) > 0 for row in rows)


def test_a_cohort_without_calibration_says_so(results, outputs, tmp_path):
    scans = pd.read_parquet(results.path("tables/scans.parquet"))
    scans.assign(vbmd_l1l2_mgcc=None).to_parquet(tmp_path / "scans.parquet")
    figures_vbmd.vbmd_by_age(tmp_path / "scans.parquet", None, outputs, DPI)
    _check_files(outputs)
    assert _rows(outputs) == []


def test_line_and_band_of_a_textbook_example():
    # y = x plus alternating 1, -1: residual sum of squares and slope by hand.
    x = np.arange(6.0)
    y = x + np.array([1, -1, -1, 1, 1, -1.0])
    line = figures_measure.fit_line(x, y, np.array([2.5]))
    slope = ((x - 2.5) * (y - y.mean())).sum() / 17.5
    residual = y - (y.mean() + slope * (x - 2.5))
    sigma = np.sqrt((residual**2).sum() / 4)
    assert line["slope"] == pytest.approx(slope)
    assert line["upper"][0] - line["fit"][0] == pytest.approx(2.776445 * sigma / np.sqrt(6))
    assert figures_measure.fit_line(x[:3], y[:3], x) is None


def test_intervals_that_cannot_be_estimated_say_so():
    assert interval_text(0.7, 0.6, 0.8) == "0.70 (0.60–0.80)"
    assert interval_text(0.7, np.nan, np.nan) == "0.70"
    assert interval_text(-0.001, -0.2, 0.1) == "0.00 (\N{MINUS SIGN}0.20 to 0.10)"
    assert interval_text(np.nan, np.nan, np.nan) == "not estimable"


def test_figures_of_a_cohort_without_measurements_say_why(results, outputs, tmp_path):
    scans = pd.read_parquet(results.path("tables/scans.parquet"))
    scans.assign(status="excluded").to_parquet(tmp_path / "scans.parquet")
    figures_measure.example_segmentations(
        tmp_path / "scans.parquet", results.pictures, "hu_vol", LEVELS, outputs, DPI
    )
    assert _rows(outputs) == []
    pd.DataFrame({"participant_id": [], "site": [], "level": []}).to_parquet(
        tmp_path / "vertebrae.parquet"
    )
    figures_measure.hu_by_level_and_age(
        tmp_path / "vertebrae.parquet",
        tmp_path / "scans.parquet",
        None,
        "hu_vol",
        LEVELS,
        outputs,
        DPI,
    )
    assert _rows(outputs) == []
    _check_files(outputs)


def test_missing_numbers_are_empty_cells(outputs):
    rows = [{"a": None, "b": float("nan")}, {"a": 0.1234567, "b": 3}]
    save_figure(blank_figure("Nothing."), rows, ["a", "b"], outputs, DPI)
    assert Path(outputs["csv"]).read_text() == "a,b\n,\n0.123457,3\n"


def test_p_values_as_printed():
    assert [p_value(p) for p in (0.2, 0.04, 0.004, 1e-9)] == [
        "p = 0.20",
        "p = 0.04",
        "p = 0.004",
        "p < 0.001",
    ]
