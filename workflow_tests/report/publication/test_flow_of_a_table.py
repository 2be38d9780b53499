"""The flow diagram of a table without scans."""

import pandas as pd

from bonecast.report.figures_flow import flow_diagram, flow_rows, table_steps

LEFT_OUT = [
    {"participant_id": "X1", "stage": "model", "reason": "no_outcome"},
    {"participant_id": "X1", "stage": "model", "reason": "no_scan"},
    {"participant_id": "X2", "stage": "model", "reason": "no_outcome"},
]


def test_everyone_of_the_table_is_accounted_for(artefacts):
    steps = table_steps(artefacts().frame, LEFT_OUT)
    assert [(step.title, step.n) for step in steps] == [
        ("In the table", 62),
        ("Modelled", 60),
        ("Fractured in follow-up", 20),
    ]
    assert steps[2].note == "4 died before; 36 censored"
    # A patient with two reasons is lost once.
    rows = [row for row in flow_rows(steps) if row["kind"] == "excluded"]
    assert [(row["reason"], row["n"], row["participant_ids"]) for row in rows] == [
        ("no_outcome", 2, "X1 X2")
    ]


def test_other_endpoints(artefacts):
    diagnosis = table_steps(artefacts("osteoporosis").frame, [])
    assert (diagnosis[2].n, diagnosis[2].note) == (20, "40 without it")
    assert [step.key for step in table_steps(artefacts("bmd").frame, [])] == ["found", "modelled"]


def test_figure_is_drawn_from_files(artefacts, tmp_path, outputs):
    artefacts().frame.to_parquet(tmp_path / "analysis_set.parquet", index=False)
    table = pd.DataFrame(LEFT_OUT).assign(detail="")
    table.to_csv(tmp_path / "exclusions.tsv", sep="\t", index=False)
    paths = (tmp_path / "analysis_set.parquet", tmp_path / "exclusions.tsv")
    flow_diagram(None, None, None, *paths, outputs, 50)
    drawn = pd.read_csv(outputs["csv"])
    assert drawn.loc[drawn["kind"] == "step", "n"].tolist() == [62, 60, 20]
