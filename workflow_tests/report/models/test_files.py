"""Every figure of the models: four files, the same bytes each time, a reason where no data are."""

from pathlib import Path

import pytest
from PIL import Image

SURVIVAL = [
    "block_comparison",
    "block_differences",
    "roc_by_horizon",
    "calibration",
    "decision_curves",
    "outcome_by_risk_group",
    "subgroup_performance",
    "importance",
]
FIGURES = [("fracture", name) for name in SURVIVAL]
FIGURES += [("osteoporosis", name) for name in ("block_comparison", "roc_by_horizon")]
FIGURES += [("bmd", name) for name in ("block_differences", "predicted_observed")]
"""Of the other endpoints those that differ; their numbers are tested apart."""


def check_files(outputs: dict[str, Path]) -> str:
    """Fail where a file is not as journals and reruns need it; the text of the SVG."""
    pdf = outputs["pdf"].read_bytes()
    assert pdf.startswith(b"%PDF") and b"CreationDate" not in pdf
    assert b"/Subtype /Type3" not in pdf, "text of a PDF must stay editable (fonttype 42)"
    svg = outputs["svg"].read_text(encoding="utf-8")
    assert "<text" in svg and "<dc:date>" not in svg and "Matplotlib" not in svg
    with Image.open(outputs["png"]) as picture:
        assert picture.size[0] == pytest.approx(360, abs=2)
        assert picture.size[1] < 620, "higher than a page"
        assert set(picture.info) <= {"dpi"}
    return svg


@pytest.mark.parametrize(("endpoint", "figure"), FIGURES)
def test_figure_has_four_files_the_same_each_time(made_up, endpoint, figure):
    tables = made_up(endpoint)
    first, again = tables.draw(figure), tables.draw(figure, "again")
    svg = check_files(first)
    assert "nan" not in svg.lower()
    assert "Multimodal" in svg
    if figure not in ("importance", "outcome_by_risk_group"):
        assert "400" in svg, "patients are not counted"
    for kind in first:
        assert first[kind].read_bytes() == again[kind].read_bytes(), kind


@pytest.mark.parametrize(("endpoint", "figure"), FIGURES)
def test_tables_without_rows_give_a_reason(made_up, endpoint, figure):
    tables = made_up(endpoint, n=40)
    tables.empty()
    outputs = tables.draw(figure)
    check_files(outputs)
    assert len(outputs["csv"].read_text().splitlines()) == 1
    svg = outputs["svg"].read_text(encoding="utf-8")
    assert "No " in svg or "There are no two blocks" in svg


def test_many_blocks_with_long_names_fit(made_up):
    """The layout raises a warning, which is an error here, where texts leave no room to draw."""
    blocks = ("clinical", "hu", "radiomics_of_the_whole_vertebra", "composition", "strength")
    scores = ("frax_mof_pct", "a_score_with_a_rather_long_column_name")
    tables = made_up("fracture", blocks=(*blocks, "multimodal"), scores=scores, n=120)
    for figure in ("block_comparison", "roc_by_horizon"):
        check_files(tables.draw(figure))


def test_estimates_without_intervals_are_drawn_and_said(made_up):
    tables = made_up("fracture", n=120)

    def spoil(table):
        table.loc[table["block"] == "hu", ["lower", "upper"]] = None
        table.loc[table["block"] == "radiomics", ["value", "lower", "upper"]] = None
        return table

    tables.change("metrics.tsv", spoil)
    for figure in ("block_differences", "roc_by_horizon", "calibration"):
        outputs = tables.draw(figure)
        check_files(outputs)
        assert "not estimable" in outputs["svg"].read_text(encoding="utf-8")
