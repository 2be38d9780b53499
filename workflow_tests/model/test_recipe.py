"""One object owns everything that learns: no held-out patient moves it, whatever is switched on."""

import json
import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from bonecast.model.cox import fit_cox
from bonecast.model.designs import Split
from bonecast.model.learners import LEARNERS, learners_of
from bonecast.model.learners.base import LearnerSettings
from bonecast.model.learners.linear import PenalisedLinear
from bonecast.model.learners.logistic import PenalisedLogistic, RidgePath
from bonecast.model.learners.penalised_cox import CauseSpecificCox, with_baseline
from bonecast.model.metrics import Resamples
from bonecast.model.outcome import BINARY, CONTINUOUS, SURVIVAL, Outcome
from bonecast.model.prepare import PreparationSettings
from bonecast.model.recalibrate import slope_of
from bonecast.model.recipe import Recipe
from bonecast.model.thresholds import case_weights, youden_thresholds
from bonecast.model.transform import Layout, Patients
from bonecast.model.validate import Problem, validate

LOG = logging.getLogger("bonecast.test")
ENDPOINTS = {SURVIVAL: "fracture", BINARY: "osteoporosis", CONTINUOUS: "bmd"}
EVERYTHING = LearnerSettings(
    inner_folds=3,
    n_penalties=8,
    recalibrate=True,
    preparation=PreparationSettings(harmonise="combat"),
)


def cohort(kind: str, patients: int = 120, seed: int = 1) -> Problem:
    """Clinical, vertebral and textural columns of two sites, and an outcome they tell."""
    rng = np.random.default_rng(seed)
    site = np.where(rng.random(patients) < 0.5, "A", "B")
    shift = 3.0 * (site == "B")
    density = rng.normal(0, 10, patients)
    frame = pd.DataFrame(
        {
            "participant_id": [f"P{number:03d}" for number in range(patients)],
            "site": site,
            "age_years": rng.normal(70, 8, patients).round(),
            "sex_male": (rng.random(patients) < 0.4).astype(float),
        }
    )
    for place, level in enumerate(("T12", "L1", "L2", "L3")):
        at_level = density + shift - 5 * place + rng.normal(0, 4, patients)
        frame[f"hu@{level}"] = np.where(rng.random(patients) < 0.2, np.nan, at_level)
    textures = [f"rad_{number:02d}" for number in range(17)]
    frame[textures] = rng.normal(size=(patients, 17)) + 0.05 * density[:, None] + shift[:, None]
    risk = 0.05 * (frame["age_years"].to_numpy() - 70) - 0.08 * density
    if kind == SURVIVAL:
        fracture, death = rng.exponential(8 * np.exp(-risk)), rng.exponential(20, patients)
        time = np.minimum(np.minimum(fracture, death), rng.uniform(3, 8, patients))
        frame["event"] = np.where(time == fracture, 1, np.where(time == death, 2, 0))
        frame["time_years"] = time
    elif kind == BINARY:
        frame["outcome"] = (rng.random(patients) < expit(risk - 0.3)).astype(float)
    else:
        frame["outcome"] = 100 + 10 * risk + rng.normal(0, 5, patients)
    blocks = {
        "clinical": ["age_years", "sex_male"],
        "levels": [c for c in frame if "@" in c],
        "radiomics": textures,
    }
    features = {
        "endpoint": ENDPOINTS[kind],
        "kind": kind,
        "blocks": blocks,
        "death_columns": ["age_years", "sex_male"],
        "horizons_years": [2.0, 4.0] if kind == SURVIVAL else [],
    }
    return Problem.of(frame, features, [*blocks, "multimodal"])


@pytest.fixture(autouse=True)
def small_forests(monkeypatch):
    """What a forest learns from does not depend on its size."""
    monkeypatch.setattr("bonecast.model.learners.trees.TREES", 60)


def only_multimodal(problem: Problem) -> Problem:
    return replace(problem, layouts={"multimodal": problem.layouts["multimodal"]})


def fit_on(problem: Problem, rows: np.ndarray, word: str, settings=EVERYTHING) -> Recipe:
    ((_, fit),) = learners_of(problem.outcome.kind, (word,)).items()
    block = "multimodal"
    return Recipe.fit(
        problem.patients(block).take(rows),
        problem.outcome.take(rows),
        problem.layouts[block],
        fit,
        settings,
        problem.horizons,
        seed=5,
    )


@pytest.mark.parametrize("kind", ENDPOINTS)
def test_held_out_patients_cannot_move_a_prediction(kind):
    """All but one of them get absurd values, other outcomes and the other site."""
    problem = only_multimodal(cohort(kind))
    test = np.arange(120) % 4 == 0
    others = np.flatnonzero(test)[1:]
    split = Split("repeated_nested_cv", 1, 1, ~test, test, 5)
    frame = problem.frame.copy()
    numbers = [c for c in frame if c not in ("participant_id", "site", "event")]
    frame.loc[others, numbers] = frame.loc[others, numbers] * 7 + 1e4
    frame.loc[others, "site"] = np.where(frame.loc[others, "site"] == "A", "B", "A")
    if kind == BINARY:
        frame.loc[others, "outcome"] = 1 - problem.frame.loc[others, "outcome"]
    if kind == SURVIVAL:
        frame.loc[others, "event"] = 2 - frame.loc[others, "event"]
    changed = replace(
        problem,
        frame=frame,
        outcome=Outcome.of(frame, kind),
        site=frame["site"].to_numpy(str),
    )
    words = tuple(LEARNERS[kind])
    tables = [validate(p, [split], words, EVERYTHING, LOG)[0] for p in (problem, changed)]
    new = problem.participant_id[test][0]
    before, after = (table[table["participant_id"] == new] for table in tables)
    assert set(before["learner"]) == set(learners_of(kind, words))
    columns = ["learner", "horizon_years", "lp", "predicted", "threshold", "risk_group"]
    pd.testing.assert_frame_equal(before[columns], after[columns], check_exact=True)
    # The others' predictions did change: the table was the mutated one.
    moved = [table[table["participant_id"] != new]["predicted"].to_numpy() for table in tables]
    assert not np.array_equal(*moved)


@pytest.mark.parametrize(
    ("kind", "learner"),
    [(SURVIVAL, CauseSpecificCox), (BINARY, PenalisedLogistic), (CONTINUOUS, PenalisedLinear)],
)
def test_a_recipe_with_everything_on_is_the_same_after_writing_and_reading(kind, learner):
    problem = cohort(kind)
    rows = np.arange(120) < 100
    recipe = fit_on(problem, rows, "penalised")
    assert recipe.transform.harmonisation.sites == ("A", "B")
    assert "slope" in recipe.fitted.tuning
    assert {"hu_median", "hu_slope"} <= set(recipe.transform.names)
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())), learner)
    new = problem.patients("multimodal").take(~rows)
    for one, other in zip(
        vars(recipe.predict(new)).values(), vars(again.predict(new)).values(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_vertebrae_are_aggregated_on_the_training_patients_levels():
    problem = cohort(BINARY)
    rows = np.arange(120) < 60
    transform = fit_on(problem, rows, "penalised").transform
    position = problem.layouts["multimodal"].names.index("hu@L1")
    x = problem.patients("multimodal").x[rows, position]
    level = list(transform.aggregation.level).index(20)
    assert transform.aggregation.median[0, level] == np.nanmedian(x)


def over_penalised(ready, ready_death, outcome, context):
    """A learner whose effects are a fifth of what they ought to be."""
    if outcome.kind == SURVIVAL:
        effects = fit_cox(ready, outcome.time, outcome.event == 1, 1.0).coefficients / 5
        return with_baseline(ready, ready_death, outcome, effects, {})
    if outcome.kind == BINARY:
        models = RidgePath(np.array([1.0])).fit(ready, outcome.value)
        model = PenalisedLogistic(models.coefficients[:, 0] / 5, 0.0, {})
        return model.rescaled(1.0, ready, ready_death, outcome)
    effects = np.linalg.lstsq(ready, outcome.value - outcome.value.mean(), rcond=None)[0] / 5
    return PenalisedLinear(effects, outcome.value.mean(), {})


@pytest.mark.parametrize("kind", ENDPOINTS)
def test_recalibration_stretches_what_was_shrunk_too_much(kind):
    problem = cohort(kind, 700, seed=2)
    rows = np.arange(700) < 300
    layout = problem.layouts["levels"]
    patients, outcome = problem.patients("levels"), problem.outcome
    slopes = {}
    for recalibrate in (False, True):
        settings = LearnerSettings(inner_folds=3, recalibrate=recalibrate)
        recipe = Recipe.fit(
            patients.take(rows),
            outcome.take(rows),
            layout,
            over_penalised,
            settings,
            problem.horizons,
            5,
        )
        prediction = recipe.predict(patients.take(~rows))
        slopes[recalibrate] = slope_of(prediction.lp, outcome.take(~rows))
        if kind == BINARY:
            trained = recipe.predict(patients.take(rows)).predicted.mean()
            assert trained == pytest.approx(outcome.value[rows].mean())
    assert slopes[False] > 3
    assert slopes[True] == pytest.approx(1, abs=0.3)


def test_the_slope_says_nothing_where_nothing_can_be_said():
    label = np.array([0, 1, 0, 1, 1, 0])
    nothing = np.full(6, np.nan)
    diagnosis = Outcome(BINARY, nothing, label, label.astype(float))
    assert slope_of(np.full(6, 0.3), diagnosis) == 1
    assert slope_of(np.arange(6.0), replace(diagnosis, value=np.ones(6))) == 1
    # High predictions with low risk: everybody is given the average.
    assert slope_of(np.array([3, -1, 2, -2, -1, 3.0]), diagnosis) == 0
    number = Outcome(CONTINUOUS, nothing, label * 0, np.arange(6.0))
    assert slope_of(np.arange(6.0) / 2, number) == pytest.approx(2)
    nobody = Outcome(SURVIVAL, np.arange(1.0, 7), label * 0, nothing)
    assert slope_of(np.arange(6.0), nobody) == 1


def test_the_threshold_parts_cases_and_controls_best():
    label = np.array([0, 0, 1, 0, 1, 1])
    diagnosis = Outcome(BINARY, np.full(6, np.nan), label, label.astype(float))
    predicted = np.array([[0.1], [0.2], [0.3], [0.5], [0.7], [0.9]])
    # All cases and two of three controls at 0.25, all controls and two of three cases at 0.6.
    assert youden_thresholds(predicted, diagnosis, ()) == pytest.approx([0.25])
    assert np.isnan(youden_thresholds(np.full((6, 1), 0.4), diagnosis, ())).all()
    nobody = replace(diagnosis, event=label * 0, value=np.zeros(6))
    assert np.isnan(youden_thresholds(predicted, nobody, ())).all()
    number = replace(diagnosis, kind=CONTINUOUS)
    assert np.isnan(youden_thresholds(predicted, number, ())).all()


def test_a_death_before_the_horizon_is_a_control_and_censoring_is_weighed():
    time = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    event = np.array([1, 0, 2, 1, 0, 0])
    cases, controls = case_weights(time, event, 4.5)
    # One of the five left is censored at 2: those after it stand for 5/4 patients each.
    assert cases == pytest.approx([1, 0, 0, 1.25, 0, 0])
    assert controls == pytest.approx([0, 0, 1.25, 0, 1.25, 1.25])
    outcome = Outcome(SURVIVAL, time, event, np.full(6, np.nan))
    predicted = np.array([[0.9, 0.5, 0.2, 0.6, 0.1, 0.3]]).T
    assert youden_thresholds(predicted, outcome, (4.5,)) == pytest.approx([0.45])
    rng = np.random.default_rng(0)
    time, event = rng.integers(1, 20, 200).astype(float), rng.integers(0, 3, 200)
    judged = Resamples.draw(time, event, 0, 1).weights(8.0)
    np.testing.assert_allclose(case_weights(time, event, 8.0), np.vstack(judged), rtol=1e-12)


def test_risk_groups_and_thresholds_of_trees_are_not_learned_from_memorised_patients():
    """A forest gives its training patients risks near 0 and 1; those out of the bag are honest."""
    rng = np.random.default_rng(4)
    x, label = rng.normal(size=(200, 5)), rng.integers(0, 2, 200)
    patients = Patients(x, np.zeros((200, 0)), np.full(200, ""))
    outcome = Outcome(BINARY, np.full(200, np.nan), label, label.astype(float))
    ((_, forest),) = learners_of(BINARY, ("forest",)).items()
    layout = Layout(tuple("abcde"), ("clinical",) * 5)
    recipe = Recipe.fit(patients, outcome, layout, forest, LearnerSettings(), (), 1)
    seen = recipe.predict(patients).predicted
    limits = recipe.group_limits
    assert np.ptp(limits) < 0.7 * np.ptp(np.quantile(seen, [1 / 3, 2 / 3]))
    honest = np.bincount(np.searchsorted(limits, recipe.fitted.out_of_fold[:, 0]), minlength=3)
    assert np.ptp(honest) <= 2


def test_a_recipe_of_nothing_gives_everyone_the_average():
    for kind in (BINARY, CONTINUOUS, SURVIVAL):
        problem = cohort(kind, 60)
        patients = problem.patients("clinical")
        empty = Patients(np.full((60, 2), np.nan), patients.x_death, patients.site)
        for fit in learners_of(kind, tuple(LEARNERS[kind])).values():
            layout = problem.layouts["clinical"]
            settings = LearnerSettings(inner_folds=3, recalibrate=True)
            recipe = Recipe.fit(empty, problem.outcome, layout, fit, settings, problem.horizons, 1)
            predicted = recipe.predict(empty.take(np.arange(3))).predicted
            assert np.isfinite(predicted).all()
            if kind != SURVIVAL:
                assert predicted == pytest.approx(problem.outcome.value.mean(), rel=0.05)
