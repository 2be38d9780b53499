"""What is held out, what it is predicted from, and how the work is divided."""

import logging

import numpy as np
import pandas as pd
import pytest

from bonecast.model import validate as validation
from bonecast.model.designs import splits_of
from bonecast.model.importance import importance_table, permutation_losses
from bonecast.model.learners.base import LearnerSettings
from bonecast.model.learners.penalised_cox import fit_penalised_cox
from bonecast.model.learners.settings import learner_settings
from bonecast.model.outcome import Outcome
from bonecast.model.recipe import Recipe
from bonecast.model.transform import Layout, Patients
from bonecast.model.validate import PREDICTION_COLUMNS, Problem, validate

LOG = logging.getLogger("bonecast.test")


def held_out(frame, features, settings, design="repeated_nested_cv", jobs=1):
    """Predictions and facts of a design."""
    problem = Problem.of(frame, features, settings["blocks"])
    splits = splits_of(design, problem, settings, LOG)
    return validate(problem, splits, settings["learners"], learner_settings(settings), LOG, jobs)


def test_held_out_patients_cannot_move_the_model(study):
    frame, features, settings = study(80, blocks=["clinical", "radiomics"], folds=4)
    before, _ = held_out(frame, features, settings)
    # The first held-out patient becomes absurd and the outcomes of all of them are rewritten,
    # within their stratum, so that the same patients are held out.
    test = before.query("fold == 2 and horizon_years == 2")["participant_id"].unique()
    rows = np.flatnonzero(frame["participant_id"].isin(test))
    changed = frame.copy()
    columns = features["blocks"]["radiomics"]
    changed.loc[rows[0], columns] = 1e6
    changed.loc[rows, "time_years"] = 0.5
    after, _ = held_out(changed, features, settings)
    first = frame.loc[rows[0], "participant_id"]
    both = [t.query("fold == 2 and block == 'radiomics'") for t in (before, after)]
    same = [t[t["participant_id"] != first]["predicted"].to_numpy() for t in both]
    assert np.array_equal(*same)
    moved = [t[t["participant_id"] == first]["predicted"].to_numpy() for t in both]
    assert (moved[0] != moved[1]).all()


@pytest.mark.parametrize(("size", "seconds"), [(0, np.inf), (np.inf, 0), (np.inf, np.inf)])
def test_processes_do_not_change_the_numbers(study, monkeypatch, size, seconds):
    made = study(60, 2, blocks=["clinical", "hu", "multimodal"])
    alone, facts = held_out(*made, jobs=1)
    monkeypatch.setattr(validation, "WORTH_A_PROCESS", size)
    monkeypatch.setattr(validation, "WORTH_A_PROCESS_S", seconds)
    together, others = held_out(*made, jobs=2)
    pd.testing.assert_frame_equal(alone, together, check_exact=True)
    assert facts == others


def test_predictions_are_one_row_per_patient_block_repeat_and_horizon(study):
    frame, features, settings = study(60, 3, blocks=["clinical", "hu"], repeats=2)
    table, facts = held_out(frame, features, settings)
    assert list(table.columns) == PREDICTION_COLUMNS
    assert len(table) == 60 * 2 * 2 * 2
    keys = ["participant_id", "block", "repeat", "horizon_years"]
    assert not table.duplicated(keys).any()
    assert table["predicted"].between(0, 1).all()
    assert set(table["risk_group"]) == {0, 1, 2}
    known = frame.set_index("participant_id")
    assert (table["time_years"] == table["participant_id"].map(known["time_years"])).all()
    assert (table["event"] == table["participant_id"].map(known["event"])).all()
    by_horizon = table.pivot_table(index=keys[:3], columns="horizon_years", values="predicted")
    assert (by_horizon[4.0] >= by_horizon[2.0]).all()
    assert len(facts) == 2 * 2 * 3


def test_no_split_gives_an_empty_table(study):
    frame, features, settings = study(30)
    problem = Problem.of(frame, features, settings["blocks"])
    table, facts = validate(problem, [], ["penalised"], learner_settings(settings), LOG)
    assert list(table.columns) == PREDICTION_COLUMNS
    assert len(table) == len(facts) == 0


def test_a_wide_block_next_to_few_good_columns_keeps_them(synthetic):
    """The penalty factors let a density column through a crowd of textures of noise."""
    frame = synthetic(200, 4)
    noise = np.random.default_rng(0).normal(size=(200, 100))
    x = np.hstack([frame[["hu_vol_mean_l1l4_hu"]].to_numpy(), noise])
    layout = Layout(tuple(f"c{i}" for i in range(101)), ("hu", *["radiomics"] * 100))
    patients = Patients(x, np.zeros((200, 0)), np.full(200, ""))
    outcome = Outcome.of(frame, "survival")
    recipe = Recipe.fit(
        patients, outcome, layout, fit_penalised_cox, LearnerSettings(), (2.0,), seed=1
    )
    assert recipe.fitted.tuning["kind"] == "elastic_net"
    assert recipe.transform.names[0] == "c0"
    effects = recipe.fitted.coefficients
    assert np.argmax(np.abs(effects)) == 0
    assert effects[0] < -0.4


def test_risks_are_those_of_the_hazard_that_made_the_data(study):
    frame, features, settings = study(400, 5, blocks=["clinical", "hu", "multimodal"], folds=5)
    table, _ = held_out(frame, features, settings)
    last = table.query("block == 'multimodal' and horizon_years == 4").set_index("participant_id")
    predicted = last.loc[frame["participant_id"], "predicted"]
    truth = frame["log_hazard"].to_numpy()
    assert pd.Series(predicted.to_numpy()).corr(pd.Series(truth), method="spearman") > 0.9
    fractured = ((frame["event"] == 1) & (frame["time_years"] <= 4)).mean()
    assert predicted.mean() == pytest.approx(fractured, abs=0.04)


def test_a_block_without_age_ranks_patients_without_it(study):
    """Old patients die more: age in the death model alone would rank them lower for fracture."""
    made = study(200, 9, blocks=["clinical", "hu"])
    table, _ = held_out(*made)
    last = table[(table["horizon_years"] == 4) & (table["learner"] == "penalised_cox")]
    for (block, _, _), part in last.groupby(["block", "repeat", "fold"]):
        agreement = part["lp"].corr(part["predicted"], method="spearman")
        # Risks of all but 1 can tie.
        assert (agreement > 0.9999) == (block == "hu"), (block, agreement)


def importance(facts, block):
    """Mean loss by name over the folds of a block."""
    rows = [loss for fact in facts if fact["block"] == block for loss in fact["importance"]]
    return pd.DataFrame(rows).groupby(["kind", "name"])["loss"].mean()


def test_what_carries_the_prediction_is_important(study):
    def noise_alone(frame):
        return frame.assign(bmi=np.random.default_rng(1).normal(size=len(frame)))

    made = study(300, 6, noise_alone, blocks=["clinical", "hu", "multimodal"])
    _, facts = held_out(*made)
    columns = importance(facts, "clinical")["column"]
    assert columns["age_years"] > 0.05
    assert abs(columns["bmi"]) < 0.01
    blocks = importance(facts, "multimodal")["block"]
    assert blocks["hu"] > blocks["clinical"] > 0.01
    moved = importance(facts, "clinical")["attribution"]
    assert moved.idxmax() == "age_years" and moved["bmi"] < moved["age_years"] / 4
    assert {fact["block"] for fact in facts if not fact["importance"]} == set()


def test_attributions_are_means_of_what_terms_move_and_0_where_a_fold_lacks_them():
    def fold(number, **moves):
        fact = {"design": "cv", "repeat": 1, "fold": number, "block": "hu", "learner": "cox"}
        of = {"kind": "attribution", "metric": "linear predictor"}
        return fact | {"importance": [of | {"name": n, "loss": v} for n, v in moves.items()]}

    table = importance_table("fracture", [fold(1, hu=0.4, age=0.2), fold(2, hu=0.6)])
    assert dict(zip(table["name"], table["value"], strict=True)) == {"hu": 0.5, "age": 0.1}
    assert set(table["kind"]) == {"attribution"}


def test_the_loss_of_a_shuffled_column_is_that_of_the_shuffled_marker(study):
    """With one column the loss is the concordance less that of the column shuffled by hand."""
    frame, *_ = study(80, 7)
    layout = Layout(("age_years",), ("clinical",))
    patients = Patients(frame[["age_years"]].to_numpy(), np.zeros((80, 0)), np.full(80, ""))
    outcome = Outcome.of(frame, "survival")
    settings = LearnerSettings()
    recipe = Recipe.fit(patients, outcome, layout, fit_penalised_cox, settings, (4.0,), seed=1)
    (found,) = permutation_losses(recipe, patients, outcome, layout, np.inf, seed=3)
    assert (found["kind"], found["name"], found["metric"]) == ("column", "age_years", "c_index")
    # Without censoring and death every weight is 1, and so the pairs can be counted.
    all_break = Outcome("survival", outcome.time, np.ones(80, dtype=int), outcome.value)
    rng = np.random.default_rng(3)
    age, orders = frame["age_years"].to_numpy(), [rng.permutation(80) for _ in range(5)]
    (alone,) = permutation_losses(recipe, patients, all_break, layout, np.inf, seed=3)
    low, high = recipe.transform.preparation.lower[0], recipe.transform.preparation.upper[0]
    age = age.clip(low, high)
    expected = harrell(age, outcome.time) - np.mean([harrell(age[o], outcome.time) for o in orders])
    assert alone["loss"] == pytest.approx(expected, abs=1e-12)


def harrell(marker, time):
    """Concordance by counting pairs."""
    right = pairs = 0.0
    for case in range(len(time)):
        later = time > time[case]
        pairs += later.sum()
        right += (marker[case] > marker[later]).sum() + (marker[case] == marker[later]).sum() / 2
    return right / pairs


def test_importance_of_a_fold_without_event_is_empty(study):
    frame, *_ = study(60, 8)
    layout = Layout(("age_years",), ("clinical",))
    patients = Patients(frame[["age_years"]].to_numpy(), np.zeros((60, 0)), np.full(60, ""))
    outcome = Outcome.of(frame, "survival")
    recipe = Recipe.fit(patients, outcome, layout, fit_penalised_cox, LearnerSettings(), (4.0,), 1)
    nobody = frame["event"].to_numpy() != 1
    held = patients.take(nobody), outcome.take(nobody)
    assert permutation_losses(recipe, *held, layout, 4.0, seed=1) == []
