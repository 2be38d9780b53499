"""Checklists: every item there, evidence from the results, judgement left to the authors."""

import re

import numpy as np
import pandas as pd
import pytest

from bonecast.report.checklist import read_list
from bonecast.report.metrics_checklist import metrics_checklist_table
from bonecast.report.sample_size import observed_r2, sample_size_table
from bonecast.report.tripod import OF_MODELS, tripod_table

JUDGED = [
    *("1", "2", "3a", "3b", "3c", "4", "6c", "8b", "8c", "17", "18a", "18b", "18c", "18d"),
    *("18e", "19", "25", "26", "27b", "27c"),
]
"""Items of TRIPOD+AI that no result can answer."""


def filled(artefacts):
    table = tripod_table(artefacts, sample_size_table(artefacts))
    return table.set_index("item")


def test_every_item_of_tripod_ai(artefacts):
    table = tripod_table(artefacts(), sample_size_table(artefacts()))
    items = table["item"].iloc[1:]
    assert sorted({int(re.match(r"\d+", item)[0]) for item in items}) == list(range(1, 28))
    assert items.is_unique and len(items) == 52
    assert "confirm them against the publication" in table["asks"].iloc[0]
    assert set(table["status"].iloc[1:]) <= {
        "filled",
        "partly",
        "author to confirm",
        "not applicable",
    }
    # What the authors must add to is not filled.
    assert (table.loc[table["status"] == "filled", "author_adds"] == "").all()
    claimed = table["status"].isin(["filled", "partly"])
    assert (table.loc[claimed, "evidence"].str.len() > 20).all()


@pytest.mark.parametrize("endpoint", ["fracture", "osteoporosis", "bmd"])
def test_judgement_is_never_awarded(artefacts, endpoint):
    table = filled(artefacts(endpoint))
    assert set(table.loc[JUDGED, "status"]) == {"author to confirm"}
    # What only authors know besides: filled is for what the results answer in full.
    for item in ("5a", "6b", "8a", "9a", "10", "12c", "14", "15", "20b", "22"):
        assert table.loc[item, "status"] == "partly"


def test_evidence_is_that_of_the_results(artefacts):
    table = filled(artefacts())["evidence"]
    assert "60 patients, 20 fractures, 4 deaths before fracture, 180 person-years" in table["20a"]
    assert "66 came to the models" in table["20a"]
    assert "6 were left out of the models (The outcome is missing" in table["6b"]
    assert "Clinical 3, Radiomics 70, Multimodal 73" in table["9a"]
    assert "0.3 per parameter" in table["10"]
    assert "age_years 5 %" in table["11"]
    assert "(5 folds, 2 repeats, 60 patients held out)" in table["12a"]
    assert "ab" * 32 in table["22"]
    assert "Multimodal 0.70 (0.60\N{EN DASH}0.80)" in table["23a"]
    assert "rad_69 is constant" in table["26"]
    assert "2 of them" in table["12d"]


def test_designs_and_options_change_the_answers(artefacts):
    plain = filled(artefacts())
    assert plain.loc["16", "status"] == plain.loc["12f", "status"] == "not applicable"
    more = artefacts().settings["designs"] + [
        {"name": "leave_one_site_out", "folds": 2, "repeats": 1, "patients_held_out": 60},
        {"name": "temporal", "folds": 1, "repeats": 1, "patients_held_out": 15},
        {"name": "external", "folds": 0, "repeats": 0, "patients_held_out": 0},
    ]
    options = {"recalibrate": True, "washout_years": 0.1, "min_robustness": 0.75}
    table = filled(artefacts(settings={"designs": more}, options=options))
    assert plain.loc["23b", "status"] == "author to confirm"
    assert table.loc["23b", "status"] == "filled"
    assert "leave-one-site-out" in table.loc["12d", "evidence"]
    assert table.loc["16", "status"] == "author to confirm"
    assert "15 patients held out" in table.loc["16", "evidence"]
    # Asked for, but it held nobody out.
    assert "another cohort" not in table.loc["16", "evidence"]
    assert table.loc["12f", "status"] == table.loc["24", "status"] == "filled"
    assert "0.1 years" in table.loc["6b", "evidence"]
    assert "0.75" in table.loc["9a", "evidence"]


def test_nothing_is_claimed_of_models_that_were_not_fitted(artefacts):
    made = artefacts(
        settings={"status": "not_fitted", "detail": "3 fractures among 60 patients"},
        metrics=pd.DataFrame(),
        predictions=pd.DataFrame(),
        subgroups=pd.DataFrame(),
        coefficients=pd.DataFrame(),
        model={},
    )
    table = filled(made)
    assert set(table.loc[list(OF_MODELS), "status"]) == {"author to confirm"}
    assert "3 fractures among 60" in table.loc["12c", "evidence"]
    answers = metrics_checklist_table(made).set_index("item")["status"]
    assert answers["18"] == "author to confirm" and answers["21"] == "no"


def test_metrics_weights_and_sums(artefacts):
    assert read_list("metrics.tsv")["weight"].astype(float).sum() == pytest.approx(1)
    table = metrics_checklist_table(artefacts())
    items = table[table["item"] != ""]
    assert items["item"].tolist() == [str(i) for i in range(1, 31)]
    weight, status = items["weight"].astype(float), items["status"]
    sums = table["weight"].iloc[-3:].astype(float).tolist()
    assert sums[0] == pytest.approx(weight[status == "yes"].sum(), abs=1e-4)
    expected = weight[status.isin(["yes", "author to confirm"])].sum()
    assert sums[1] == pytest.approx(expected, abs=1e-4)
    # All but the item on deep learning apply.
    assert sums[2] == pytest.approx(1 - 0.02, abs=1e-4)
    assert "no score is claimed" in table["asks"].iloc[0]


def test_metrics_answers(artefacts):
    table = metrics_checklist_table(artefacts()).set_index("item")["status"]
    assert table.index[table == "yes"].tolist() == [
        "4",
        "12",
        "13",
        "15",
        "18",
        "20",
        "21",
        "22",
        "23",
        "24",
    ]
    assert table["27"] == table["14"] == "no" and table["17"] == "not applicable"
    # Only people can tell whether these are good.
    for item in ("1", "2", "3", "5", "9", "11", "16", "19", "26", "28", "29", "30"):
        assert table[item] == "author to confirm"
    frame = artefacts().frame.assign(site="a")
    changed = artefacts(
        frame=frame,
        options={"min_robustness": 0.75},
        settings={
            "learners": ["penalised_cox", "forest"],
            "designs": [{"name": "external", "folds": 1, "patients_held_out": 60}],
        },
    )
    table = metrics_checklist_table(changed).set_index("item")["status"]
    assert table["4"] == "no"
    assert table["14"] == table["25"] == "yes"
    # What was tested is another cohort's model, not those of this study.
    assert table["27"] == "author to confirm"


def test_metrics_of_a_table_without_images(artefacts):
    blocks = {"clinical": {"columns": ["age_years"]}}
    plain = artefacts()
    made = artefacts(settings={"blocks": blocks}, config=plain.config | {"images": False})
    table = metrics_checklist_table(made)
    assert "not made for such a study" in table["asks"].iloc[0]
    answers = table.set_index("item")["status"]
    assert answers["12"] == "not applicable"
    # Whether the user's features came from outlines is not known here.
    assert answers["8"] == answers["10"] == answers["13"] == answers["24"] == "author to confirm"


def test_sample_size_of_each_block(artefacts):
    made = artefacts()
    table = sample_size_table(made).set_index(["block", "r2_source"])
    row = table.loc["radiomics", "assumed"]
    assert row["candidate_parameters"] == 70
    assert row["events_per_parameter"] == pytest.approx(20 / 70)
    assert row["event_rate_per_year"] == pytest.approx(20 / 180)
    assert row["horizon_years"] == 3
    assert row["r2"] == pytest.approx(0.15 * row["r2_max"])
    assert row["enough"] == "no" and row["patients_needed"] > 60
    assert row["sentence"].startswith(
        "This cohort has 20 fractures for 70 candidate parameters, 0.3 per parameter."
    )
    assert f"ask for {row['patients_needed']:,.0f} patients" in row["sentence"]
    # Validated was block clinical alone.
    assert ("clinical", "observed") in table.index
    assert ("radiomics", "observed") not in table.index


def test_observed_r2_of_each_kind(artefacts):
    # A third have the diagnosis; they were given 0.5, the others 0.3.
    gain = 20 * np.log(0.5) + 40 * np.log(0.7) - 20 * np.log(1 / 3) - 40 * np.log(2 / 3)
    found = observed_r2(artefacts("osteoporosis"), "clinical")
    assert found == pytest.approx(1 - np.exp(-2 * gain / 60))
    outcome = artefacts("bmd").frame["outcome"]
    share = ((0.1 * outcome) ** 2).sum() / ((outcome - outcome.mean()) ** 2).sum()
    assert observed_r2(artefacts("bmd"), "clinical") == pytest.approx(1 - share)
    assert observed_r2(artefacts(), "clinical") > 0
    assert observed_r2(artefacts(), "radiomics") is None


def test_observed_r2_of_a_time_to_event_by_hand(artefacts):
    rows = pd.DataFrame(
        {
            "block": "clinical",
            "learner": "penalised_cox",
            "design": "repeated_nested_cv",
            "repeat": 1,
            "fold": [1, 1, 1, 2, 2],
            "horizon_years": 3.0,
            "lp": [0.5, 0.0, -0.5, 5.0, 4.0],
            "time_years": [1.0, 2.0, 3.0, 1.0, 2.0],
            "event": [1, 2, 0, 1, 0],
        }
    )
    first = 0.5 - np.log(np.exp([0.5, 0.0, -0.5]).sum()) + np.log(3)
    second = 5.0 - np.log(np.exp([5.0, 4.0]).sum()) + np.log(2)
    found = observed_r2(artefacts(predictions=rows), "clinical")
    assert found == pytest.approx(1 - np.exp(-2 * (first + second) / 5))


def test_no_sample_size_without_events(artefacts):
    frame = artefacts().frame.assign(event=0)
    row = sample_size_table(artefacts(frame=frame, predictions=pd.DataFrame())).iloc[0]
    assert "0 of 60 patients have the event" in row["sentence"]
    assert pd.isna(row["patients_needed"])


def test_further_scans_of_a_patient_leave_no_patient_out(artefacts):
    excluded = [
        ("X1", "1", "no_outcome"),
        ("X1", "2", "not_baseline"),
        ("P01", "2", "not_baseline"),
    ]
    table = pd.DataFrame(excluded, columns=["participant_id", "session_id", "reason"])
    assert artefacts(exclusions=table).exclusion_counts() == {"no_outcome": 1}
