"""The agreement of regions: drawn from vertebrae included in both, numbers as computed."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bonecast.measure.agreement import agreement
from bonecast.report.figures_density import draw_agreement, roi_agreement

ROIS = ["hu_vol", "hu_circle200", "hu_ellipse"]
LEVELS = ("L1", "L2", "L3")
SEED = 20260101


@pytest.fixture
def vertebrae():
    """Twelve participants with three levels; the circle reads about 9 HU more."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(12):
        for level in LEVELS:
            volume = 100 + 5 * number + rng.normal(0, 8)
            row = {"participant_id": f"p{number}", "baseline": True, "level": level}
            for roi, shift in zip(ROIS, (0, 9, 4), strict=True):
                row |= {f"{roi}_mean_hu": volume + shift + rng.normal(0, 2)}
                row |= {f"{roi}_included": True}
            rows.append(row)
    table = pd.DataFrame(rows)
    table.loc[0, "hu_circle200_included"] = False
    table.loc[1, ["hu_circle200_mean_hu", "hu_circle200_included"]] = np.nan, False
    return table


def test_files_hold_the_numbers_drawn(vertebrae, tmp_path):
    vertebrae.to_parquet(tmp_path / "vertebrae.parquet")
    outputs = {kind: str(tmp_path / f"figure.{kind}") for kind in ("pdf", "svg", "png", "csv")}
    roi_agreement(tmp_path / "vertebrae.parquet", ROIS, SEED, outputs, 50)
    assert all(Path(path).stat().st_size > 1000 for path in outputs.values())
    with Path(outputs["csv"]).open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    pair = [r for r in rows if (r["first"], r["second"]) == ("hu_vol", "hu_circle200")]
    used = vertebrae[2:]
    expected = agreement(
        used["hu_vol_mean_hu"].to_numpy(float),
        used["hu_circle200_mean_hu"].to_numpy(float),
        used["participant_id"].to_numpy(),
        SEED,
    )
    for name, triple in expected.estimates.items():
        row = next(r for r in pair if r["quantity"] == name)
        assert [float(row[k]) for k in ("value", "lower", "upper")] == pytest.approx(
            triple, rel=1e-4
        )
        assert (row["n_vertebrae"], row["n_participants"]) == ("34", "12")
    assert sum(r["quantity"] == "vertebra" for r in pair) == 34
    assert expected.estimates["bias"][0] == pytest.approx(-9, abs=1.5)
    assert not any(f"p{number}" in Path(outputs["csv"]).read_text() for number in range(12))


def test_a_panel_for_each_pair(vertebrae):
    assert [
        axes.get_title(loc="left")[0] for axes in draw_agreement(vertebrae, ROIS, SEED)[0].axes
    ] == [*"abc"]
    figure, rows = draw_agreement(vertebrae, ROIS[:2], SEED)
    assert {(row["first"], row["second"]) for row in rows} == {("hu_vol", "hu_circle200")}
    assert figure.axes[0].get_ylim()[1] > max(
        row["difference_hu"] for row in rows if row["quantity"] == "vertebra"
    )


@pytest.mark.parametrize("rois", [ROIS, ROIS[:1]])
def test_nothing_to_compare_is_said(vertebrae, rois):
    few = vertebrae[:9] if len(rois) > 1 else vertebrae
    figure, rows = draw_agreement(few, rois, SEED)
    assert rows == [] and "at least 5 participants" in figure.texts[0].get_text().replace("\n", " ")
    assert draw_agreement(pd.DataFrame({"participant_id": [], "level": []}), rois, SEED)[1] == []
