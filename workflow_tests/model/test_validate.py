"""Folds, leaks and what is held out."""

import logging

import numpy as np
import pandas as pd
import pytest

from bonecast.model.cox import fit_cox
from bonecast.model.metrics import Candidate, Resamples, judge_all
from bonecast.model.recipe import LearnerSettings, Recipe, deal_folds
from bonecast.model.validate import (
    PREDICTION_COLUMNS,
    Block,
    Design,
    cross_validate,
    outer_folds,
    tidy_predictions,
)

LOG = logging.getLogger("bonecast.test")


def held_out_c_index(frame, columns, design):
    """Row `c_index` of one block, with its interval."""
    folds = outer_folds(frame["event"].to_numpy(), design)
    block = Block("radiomics", {"radiomics": columns})
    held_out = cross_validate(frame, [block], [], folds, design, LearnerSettings(), LOG)
    resamples = Resamples.draw(frame["time_years"].to_numpy(), frame["event"].to_numpy(), 300, 1)
    candidates = {"radiomics": Candidate(held_out["radiomics"].risk, True)}
    table = judge_all(candidates, folds, resamples, design.horizons, "clinical")
    return table.set_index("metric").loc["c_index"]


def most_associated(frame, columns, count):
    """Columns with the largest Cox z-value: a selection that has seen every outcome."""
    x, time = frame[columns].to_numpy(), frame["time_years"].to_numpy()
    event = (frame["event"] == 1).to_numpy()
    fits = [fit_cox(x[:, [column]], time, event) for column in range(len(columns))]
    z = [abs(fit.coefficients[0]) / fit.covariance[0, 0] ** 0.5 for fit in fits]
    return [columns[position] for position in np.argsort(z)[-count:]]


def test_noise_is_worth_nothing_and_a_leak_is_seen():
    """Noise with few fractures has C = 0.5, unless its columns were selected outside the folds."""
    rng = np.random.default_rng(11)
    patients, columns = 120, [f"rad_{number}" for number in range(300)]
    frame = pd.DataFrame(rng.normal(size=(patients, 300)), columns=columns)
    time = rng.exponential(6, patients)
    frame["event"] = np.where(time > 4, 0, rng.choice([1, 2], patients, p=[0.6, 0.4]))
    frame["time_years"] = time.clip(max=4)
    assert 20 < (frame["event"] == 1).sum() < 50
    design = Design(folds=5, repeats=2, horizons=(1.5, 3.0), seed=3)
    honest = held_out_c_index(frame, columns, design)
    assert honest["lower"] <= 0.5 <= honest["upper"]
    leaking = held_out_c_index(frame, most_associated(frame, columns, 20), design)
    assert leaking["lower"] > 0.5
    assert leaking["value"] > 0.7


def test_folds_hold_each_event_type_evenly():
    event = np.repeat([0, 1, 2], [31, 13, 7])
    folds = deal_folds(event, 5, seed=9)
    assert np.ptp(np.bincount(folds)) <= 1
    for code in (0, 1, 2):
        assert np.ptp(np.bincount(folds[event == code], minlength=5)) <= 1
    assert not np.array_equal(folds, deal_folds(event, 5, seed=10))
    assert np.array_equal(folds, deal_folds(event, 5, seed=9))


def test_held_out_patients_cannot_move_the_model(synthetic):
    frame = synthetic(80, 1)
    frame["sex_male"] = (frame["sex"] == "M").astype(float)
    columns = [c for c in frame if c.startswith(("hu_", "rad_"))]
    design = Design(folds=4, repeats=1, horizons=(2.0,), seed=1)
    folds = outer_folds(frame["event"].to_numpy(), design)
    test = folds[0] == 2
    blocks = [Block("radiomics", {"radiomics": columns})]

    def run(table):
        return cross_validate(table, blocks, ["age_years"], folds, design, LearnerSettings(), LOG)[
            "radiomics"
        ].risk[0, test, 0]

    before = run(frame)
    changed = frame.copy()
    # The first held-out patient becomes absurd and the outcomes of all of them are rewritten.
    rows = np.flatnonzero(test)
    changed.loc[rows[0], columns] = 1e6
    changed.loc[rows, "time_years"] = 0.5
    after = run(changed)
    assert np.array_equal(before[1:], after[1:])
    assert before[0] != after[0]


def test_processes_do_not_change_the_numbers(synthetic, monkeypatch):
    frame = synthetic(60, 2)
    blocks = [Block("clinical", {"clinical": ["age_years", "bmi", "prior_fracture"]})]
    results = []
    for jobs in (1, 2):
        monkeypatch.setattr("bonecast.model.validate.WORTH_A_PROCESS", 0)
        design = Design(folds=3, repeats=1, horizons=(2.0, 4.0), seed=1, jobs=jobs)
        folds = outer_folds(frame["event"].to_numpy(), design)
        held_out = cross_validate(
            frame, blocks, ["age_years"], folds, design, LearnerSettings(), LOG
        )
        results.append(held_out["clinical"])
    assert np.array_equal(results[0].risk, results[1].risk)
    assert np.array_equal(results[0].lp, results[1].lp)


def test_predictions_are_one_row_per_patient_block_repeat_and_horizon(synthetic):
    frame = synthetic(60, 3)
    blocks = [
        Block("clinical", {"clinical": ["age_years", "bmi"]}),
        Block("hu", {"hu": ["hu_vol_min_hu"]}),
    ]
    design = Design(folds=3, repeats=2, horizons=(2.0, 4.0), seed=1)
    folds = outer_folds(frame["event"].to_numpy(), design)
    held_out = cross_validate(frame, blocks, [], folds, design, LearnerSettings(), LOG)
    table = tidy_predictions(
        frame, "fracture", folds, design.horizons, held_out, dict.fromkeys(held_out, "cox")
    )
    assert list(table.columns) == PREDICTION_COLUMNS
    assert len(table) == 60 * 2 * 2 * 2
    keys = ["participant_id", "block", "repeat", "horizon_years"]
    assert not table.duplicated(keys).any()
    assert table["risk"].between(0, 1).all()
    # The tidy rows are the arrays: one patient, looked up by name.
    row = table.query(
        "participant_id == 'P0007' and block == 'hu' and repeat == 2 and horizon_years == 4"
    ).iloc[0]
    assert row["risk"] == held_out["hu"].risk[1, 7, 1]
    assert row["fold"] == folds[1, 7] + 1
    assert row["time_years"] == frame.loc[7, "time_years"]
    by_horizon = table.pivot_table(index=keys[:3], columns="horizon_years", values="risk")
    assert (by_horizon[4.0] >= by_horizon[2.0]).all()


def test_a_wide_block_next_to_few_good_columns_keeps_them(synthetic):
    """The penalty factors let two density columns through a crowd of textures of noise."""
    frame = synthetic(200, 4)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(200, 100))
    density = frame[["hu_vol_mean_l1l4_hu"]].to_numpy()
    x = np.hstack([density, noise])
    blocks = ["hu"] + ["radiomics"] * 100
    recipe = Recipe.fit(
        x,
        np.zeros((200, 0)),
        frame["time_years"].to_numpy(),
        frame["event"].to_numpy(),
        blocks,
        LearnerSettings(),
        seed=1,
    )
    assert recipe.penalty["kind"] == "elastic_net"
    assert recipe.preparation.columns[0] == 0
    assert np.argmax(np.abs(recipe.coefficients)) == 0
    assert recipe.coefficients[0] < -0.4


def test_risks_are_those_of_the_hazard_that_made_the_data(synthetic):
    frame = synthetic(400, 5)
    columns = ["age_years", "prior_fracture", "hu_vol_mean_l1l4_hu", "hu_vol_min_hu"]
    design = Design(folds=5, repeats=1, horizons=(2.0, 4.0), seed=1)
    folds = outer_folds(frame["event"].to_numpy(), design)
    block = Block("clinical", {"clinical": columns})
    held_out = cross_validate(frame, [block], ["age_years"], folds, design, LearnerSettings(), LOG)[
        "clinical"
    ]
    truth = frame["log_hazard"].to_numpy()
    resamples = Resamples.draw(frame["time_years"].to_numpy(), frame["event"].to_numpy(), 0, 1)
    shape = held_out.risk.shape
    candidates = {
        "model": Candidate(held_out.risk, True),
        "truth": Candidate(np.broadcast_to(truth[None, :, None], shape), False),
    }
    table = judge_all(candidates, folds, resamples, design.horizons, "truth")
    value = table.set_index(["block", "metric"])["value"]
    assert value["model", "c_index"] > value["truth", "c_index"] - 0.03
    assert value["model", "c_index"] > 0.7
    assert value["model", "oe_ratio"].to_numpy() == pytest.approx([1, 1], abs=0.1)
