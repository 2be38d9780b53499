"""Table 1: numbers counted by hand, and no small count that could be worked out."""

import numpy as np
import pandas as pd
import pytest

from bonecast.report.table_one import FEW, HIDDEN, _disclosed, table_one


def cells(table, variable, statistic, level=""):
    """The one row of a variable, level and statistic, by outcome."""
    rows = table[(table["variable"] == variable) & (table["statistic"] == statistic)]
    rows = rows[rows["level"] == level]
    assert len(rows) == 1, (variable, statistic, level)
    return rows.iloc[0].drop(["block", "variable", "level", "statistic"]).to_dict()


def test_patients_by_outcome(artefacts):
    table = table_one(artefacts())
    assert cells(table, "Patients", "n") == {
        "overall": "60",
        "fracture": "20",
        "death": "4",
        "neither": "36",
    }
    # Follow-up is 1, 2, 3, 4, 5 years in turn.
    assert cells(table, "Person-years", "sum")["overall"] == "180"
    assert cells(table, "Follow-up (years)", "median (IQR)")["fracture"] == "3.0 (2.0 to 4.0)"


def test_numbers_with_missing_ones(artefacts):
    table = table_one(artefacts())
    assert cells(table, "Age (years)", "n")["fracture"] == "17"
    assert cells(table, "Age (years)", "missing, n (%)")["fracture"] == "3 (15.0)"
    # Ages of the others with a fracture are 63 to 79.
    assert cells(table, "Age (years)", "median (IQR)")["fracture"] == "71.0 (67.0 to 75.0)"
    assert cells(table, "Age (years)", "mean (SD)")["fracture"] == "71.0 (5.0)"
    # Four died: an average of four would say much of each.
    assert cells(table, "Age (years)", "mean (SD)")["death"] == HIDDEN


def test_small_counts_cannot_be_worked_out(artefacts):
    table = table_one(artefacts())
    sex = {level: cells(table, "Sex", "n (%)", level) for level in "FM"}
    # One man died, and three of four women: both hidden. Those hidden alone in their row would
    # follow from its sum, so five men with a fracture are hidden too, and with them the women.
    assert sex["M"] == {
        "overall": "15 (25.0)",
        "fracture": HIDDEN,
        "death": FEW,
        "neither": "9 (25.0)",
    }
    assert sex["F"] == {
        "overall": "45 (75.0)",
        "fracture": HIDDEN,
        "death": FEW,
        "neither": "27 (75.0)",
    }
    # Fractures before: two, one and three of six. Only yes is printed.
    prior = cells(table, "prior_fracture", "n (%)", "yes")
    assert prior == {"overall": "6 (10.0)", "fracture": FEW, "death": FEW, "neither": FEW}
    assert not len(table[(table["variable"] == "prior_fracture") & (table["level"] == "no")])


@pytest.mark.parametrize("seed", range(20))
def test_no_line_hides_one_cell_alone(seed):
    rng = np.random.default_rng(seed)
    groups = rng.poisson(rng.choice([2, 8, 20], size=(4, 1)), size=(4, 3))
    counts = np.column_stack([groups.sum(axis=1), groups])
    shown = _disclosed(counts)
    assert not shown[(counts > 0) & (counts < 5)].any()
    for line, visible in [*zip(counts, shown, strict=True), *zip(counts.T, shown.T, strict=True)]:
        # Alone only where there is no other patient in the line to hide it among.
        if (~visible).sum() == 1:
            assert (line[visible] == 0).all()


def test_nothing_is_hidden_among_large_counts():
    assert _disclosed(np.array([[30, 10, 20], [25, 15, 10], [5, 0, 5]])).all()


def test_wide_blocks_are_counted(artefacts):
    table = table_one(artefacts())
    rows = table[table["block"] == "Radiomics"]
    assert rows["statistic"].tolist() == ["number"]
    assert rows["overall"].tolist() == ["70"]
    assert not table["variable"].str.startswith("rad_").any()


def test_columns_of_a_measured_block_and_of_levels(artefacts):
    made = artefacts()
    names = [f"hu_{i}" for i in range(8)] + ["hu@L1"]
    frame = made.frame.assign(**{name: 100.0 + np.arange(60) for name in names})
    changed = artefacts(settings={"blocks": {"hu": {"columns": names}}}, frame=frame)
    table = table_one(changed)
    listed = table.loc[table["statistic"] == "median (IQR)", "variable"]
    assert [name for name in listed if name.startswith("hu")] == [f"hu_{i}" for i in range(6)]
    assert cells(table, "further columns, not listed", "number")["overall"] == "3"


def test_diagnosis_and_number(artefacts):
    table = table_one(artefacts("osteoporosis"))
    assert list(table)[4:] == ["overall", "osteoporosis", "no osteoporosis"]
    assert cells(table, "Patients", "n")["no osteoporosis"] == "40"
    table = table_one(artefacts("bmd"))
    assert list(table)[4:] == ["overall"]
    assert cells(table, "Outcome", "mean (SD)")["overall"] == "0.845 (0.029)"


def test_nobody_died_and_nobody_at_all(artefacts):
    frame = artefacts().frame
    table = table_one(artefacts(frame=frame[frame["event"] != 2]))
    assert "death" not in table
    empty = table_one(artefacts(frame=frame.iloc[:0]))
    assert list(empty)[4:] == ["overall"]
    assert cells(empty, "Patients", "n")["overall"] == "0"


def test_text_columns_and_scores(artefacts):
    made = artefacts()
    frame = made.frame.assign(scanner="", contrast_phase="none", frax_mof_pct=9.0)
    frame.loc[0, "contrast_phase"] = ""
    table = table_one(artefacts(frame=frame, features={"scores": ["frax_mof_pct"]}))
    assert not (table["variable"] == "Scanner").any()
    assert cells(table, "Contrast phase", "n (%)", "none")["overall"] == "59 (100.0)"
    assert cells(table, "Contrast phase", "missing, n (%)")["overall"] == "1 (1.7)"
    assert cells(table, "frax_mof_pct", "mean (SD)")["overall"] == "9.0 (0.0)"
    many = frame.assign(scanner=[f"s{i}" for i in range(60)])
    assert cells(table_one(artefacts(frame=many)), "Scanner", "number", "levels, not listed") == {
        "overall": "60",
        "fracture": "20",
        "death": "4",
        "neither": "36",
    }
    assert isinstance(table, pd.DataFrame)
