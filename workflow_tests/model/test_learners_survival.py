"""Learners of a survival outcome: what they estimate, and that seeds alone decide it."""

import json

import numpy as np
import pytest
from comprisk import CumulativeIncidence, FineGrayRegression
from joblib import parallel_config

from bonecast.model.cox import NotEstimable
from bonecast.model.learners import LEARNERS, forest, penalised_cox
from bonecast.model.learners.attributions import LOG_SCALE, RISK_SCALE, attributions
from bonecast.model.learners.base import FitContext, InnerFold, LearnerSettings
from bonecast.model.learners.boosting import fit_boosting
from bonecast.model.learners.fine_gray import FineGray, fit_at, fit_fine_gray
from bonecast.model.learners.forest import fit_forest
from bonecast.model.learners.penalised_cox import coefficients_at, fit_penalised_cox
from bonecast.model.outcome import SURVIVAL, Outcome
from bonecast.model.stability import selection_frequency
from bonecast.model.transform import Layout, Patients

HORIZONS = (1.0, 4.0)
FLEXIBLE = [fit_forest, fit_boosting]


@pytest.fixture(autouse=True)
def fewer_trees(monkeypatch):
    monkeypatch.setitem(forest.SETTINGS, "n_estimators", 60)


def context_of(ready, seed=1, folds=3):
    """Inner folds in turns; every column has the same penalty factor."""
    factors = np.ones(ready.shape[1])
    fold = np.arange(len(ready)) % folds
    inner = [InnerFold(fold != k, ready, factors) for k in range(folds)]
    return FitContext(LearnerSettings(), seed, factors, lambda: inner)


def standardised(rng, patients, columns):
    x = rng.normal(size=(patients, columns))
    return (x - x.mean(axis=0)) / x.std(axis=0)


def outcome_of(rng, fracture_rate, death_rate, end):
    """Follow-up from constant hazards of each patient, censored evenly over `end` years."""
    fracture, death = rng.exponential(1 / fracture_rate), rng.exponential(1 / death_rate)
    time = np.minimum(np.minimum(fracture, death), rng.uniform(*end, len(fracture)))
    event = np.where(time == fracture, 1, np.where(time == death, 2, 0))
    return Outcome(SURVIVAL, time, event, np.full(len(time), np.nan))


@pytest.fixture(scope="module")
def wide():
    """300 patients, 40 columns of which the first two matter; features of the death model."""
    rng = np.random.default_rng(4)
    ready = standardised(rng, 300, 40)
    rate = 0.12 * np.exp(0.7 * ready[:, 0] - 0.5 * ready[:, 1])
    outcome = outcome_of(rng, rate, np.full(300, 0.08), (3, 7))
    return ready, ready[:, :1], outcome


@pytest.fixture(scope="module")
def deadly():
    """3,000 patients: the first column makes death four times as likely, fracture not at all."""
    rng = np.random.default_rng(9)
    ready = np.column_stack([np.where(np.arange(3000) % 2, 1.0, -1.0), rng.normal(size=3000)])
    death_rate = 0.2 * 2.0 ** ready[:, 0]
    outcome = outcome_of(rng, np.full(3000, 0.1), death_rate, (5, 9))
    return ready, ready[:, :1], outcome


def incidence_of(fracture_rate, death_rate, horizons):
    """Cumulative incidence of fracture under two constant hazards."""
    both = fracture_rate + death_rate
    return fracture_rate / both * (1 - np.exp(-both * np.asarray(horizons)))


def test_paths_that_end_early_choose_as_whole_paths(wide, monkeypatch):
    ready, _, outcome = wide
    sizes = []
    path = penalised_cox._ElasticNet.path

    def counted(self, *arguments):
        sizes.append(arguments[-1])
        return path(self, *arguments)

    monkeypatch.setattr(penalised_cox._ElasticNet, "path", counted)
    short = penalised_cox.tuned_coefficients(ready, outcome, context_of(ready))
    penalties_run = sum(sizes)
    sizes.clear()
    whole = property(lambda self: self.size)
    monkeypatch.setattr(penalised_cox._ElasticNet, "patience", whole)
    coefficients, tuning = penalised_cox.tuned_coefficients(ready, outcome, context_of(ready))
    assert short[1] == tuning
    assert np.array_equal(short[0], coefficients)
    assert penalties_run < 0.8 * sum(sizes)
    assert coefficients[0] > 0.3 and coefficients[1] < -0.2


def test_a_path_whose_hazards_overflow_ends_before(monkeypatch):
    rng = np.random.default_rng(1)
    ready = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 60)) + 0.2 * rng.normal(size=(60, 60))
    ready = (ready - ready.mean(axis=0)) / ready.std(axis=0)
    time, event = rng.exponential(np.exp(-ready[:, 0])), rng.random(60) < 0.5
    monkeypatch.setattr(penalised_cox, "RETREAT", 1)

    def path(*penalties):
        net = penalised_cox._ElasticNet(0.5, np.array(penalties))
        return net.path(ready, time, event, np.ones(60), len(penalties))

    # Reached in one leap, the last penalty makes scikit-survival raise ArithmeticError.
    assert np.array_equal(path(5.0, 0.1, 0.001), path(5.0, 0.1)[:, [0, 1, 1]])
    with pytest.raises(NotEstimable, match="overflow at every penalty down to 0.001"):
        path(0.001)
    # Reached in steps it can be estimated.
    outcome = Outcome(SURVIVAL, time, event.astype(int), np.full(60, np.nan))
    tuning = {"kind": "elastic_net", "l1_ratio": 0.5, "penalty": 0.001}
    assert (coefficients_at(ready, outcome, np.ones(60), tuning) != 0).sum() > 10


def test_fine_gray_and_cause_specific_hazards_differ_where_death_competes(deadly):
    ready, ready_death, outcome = deadly
    context = context_of(ready)
    cox = fit_penalised_cox(ready, ready_death, outcome, context)
    fine_gray = fit_fine_gray(ready, ready_death, outcome, context)
    # The hazard of fracture is the same for all, yet who dies early has fewer fractures.
    assert abs(cox.coefficients[0]) < 0.1
    assert fine_gray.coefficients[0] < -0.15
    new = np.array([[-1.0, 0.0], [1.0, 0.0]])
    truth = [incidence_of(0.1, 0.2 * 2.0**sign, HORIZONS) for sign in (-1, 1)]
    for fitted in (cox, fine_gray):
        assert fitted.predict(new, new[:, :1], HORIZONS) == pytest.approx(np.array(truth), abs=0.03)


def test_fine_gray_at_a_penalty_of_nothing_is_the_plain_model(wide):
    ready, _, outcome = wide
    ready = ready[:, :4]
    ours = fit_at(ready, outcome, np.ones(4), {"kind": "ridge", "penalty": 1e-9})
    plain = FineGrayRegression(gtol=1e-12, max_iter=50)
    plain.fit(ready, time=outcome.time, event=outcome.event)
    assert ours.tuning["converged"]
    assert ours.coefficients == pytest.approx(plain.coef_, abs=1e-5)
    expected = plain.predict_cumulative_incidence(ready, np.array(HORIZONS))
    assert ours.predict(ready, ready, HORIZONS) == pytest.approx(expected, abs=1e-5)


def test_fine_gray_penalises_a_column_by_its_factor(wide):
    ready, _, outcome = wide
    ready = ready[:, :2]
    tuning = {"kind": "elastic_net", "l1_ratio": 0.5, "penalty": 0.03}
    even = fit_at(ready, outcome, np.array([1.0, 1.0]), tuning).coefficients
    spared = fit_at(ready, outcome, np.array([1.0, 3.0]), tuning).coefficients
    assert spared[0] > even[0] > 0
    assert even[1] < spared[1] <= 0


def test_fine_gray_survives_json(wide):
    ready, ready_death, outcome = wide
    fitted = fit_at(ready, outcome, np.ones(40), {"kind": "ridge", "penalty": 30.0})
    again = FineGray.from_json(json.loads(json.dumps(fitted.to_json())))
    risk = fitted.predict(ready, ready_death, HORIZONS)
    assert np.array_equal(again.predict(ready, ready_death, HORIZONS), risk)
    assert again.tuning == fitted.tuning


@pytest.mark.parametrize("fit", FLEXIBLE)
def test_flexible_learners_depend_on_the_seed_alone(wide, fit):
    ready, ready_death, outcome = wide
    first, again, other = (
        fit(ready, ready_death, outcome, context_of(ready, seed)).predict(
            ready, ready_death, HORIZONS
        )
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("fit", [f for _, f in LEARNERS[SURVIVAL].values()])
def test_every_learner_ranks_and_predicts(wide, fit):
    ready, ready_death, outcome = wide
    risk = fit(ready, ready_death, outcome, context_of(ready)).predict(ready, ready_death, HORIZONS)
    assert risk.shape == (300, 2)
    assert ((risk > 0) & (risk < 1)).all()
    assert (risk[:, 1] >= risk[:, 0]).all()
    curve = CumulativeIncidence().fit(time=outcome.time, event=outcome.event).curves_[None, 1]
    observed, _ = curve.evaluate(np.array(HORIZONS))
    assert risk.mean(axis=0) == pytest.approx(observed, abs=0.05)
    harmed = ready[:, 0] > ready[:, 1]
    assert risk[harmed, 1].mean() > risk[~harmed, 1].mean() + 0.05


@pytest.mark.parametrize("fit", [f for _, f in LEARNERS[SURVIVAL].values()])
def test_without_columns_everybody_has_the_mean_incidence(wide, fit):
    _, ready_death, outcome = wide
    nothing = np.zeros((300, 0))
    fitted = fit(nothing, ready_death[:, :0], outcome, context_of(nothing))
    risk = fitted.predict(nothing, ready_death[:, :0], HORIZONS)
    curve = CumulativeIncidence().fit(time=outcome.time, event=outcome.event).curves_[None, 1]
    observed, _ = curve.evaluate(np.array(HORIZONS))
    assert np.ptp(risk, axis=0) == pytest.approx([0, 0], abs=1e-12)
    assert risk[0] == pytest.approx(observed, abs=0.01)


def test_linear_attributions_add_up_to_the_linear_predictor(wide):
    ready, ready_death, outcome = wide
    fitted = fit_penalised_cox(ready, ready_death, outcome, context_of(ready))
    values, scale = attributions(fitted, ready, 4.0)
    assert scale == LOG_SCALE
    assert values.sum(axis=1) == pytest.approx(fitted.linear_predictor(ready), abs=1e-12)
    # Shapley values: nothing for an unused feature, nothing over all patients together.
    assert (values[:, fitted.coefficients == 0] == 0).all()
    assert values.mean(axis=0) == pytest.approx(np.zeros(40), abs=1e-12)


def test_attributions_of_a_forest_add_up_to_the_risk(wide):
    ready, ready_death, outcome = wide
    fitted = fit_forest(ready, ready_death, outcome, context_of(ready))
    values, scale = attributions(fitted, ready[:20], 4.0)
    assert scale == RISK_SCALE
    base = fitted.predict(ready[:20], ready_death[:20], (4.0,))[:, 0] - values.sum(axis=1)
    assert base == pytest.approx(np.full(20, base.mean()), abs=1e-6)
    assert np.abs(values).mean(axis=0).argmax() == 0


def test_attributions_refuse_what_has_none(wide):
    ready, ready_death, outcome = wide
    fitted = fit_boosting(ready, ready_death, outcome, context_of(ready))
    with pytest.raises(ValueError, match="BoostedCox has no attributions"):
        attributions(fitted, ready, 4.0)


def test_selection_frequency_tells_signal_from_noise(wide):
    ready, ready_death, outcome = wide
    names = tuple(f"rad_{number:02d}" for number in range(40))
    patients = Patients(ready, ready_death, np.full(300, ""))
    layout = Layout(names, ("radiomics",) * 40)
    tuning = fit_penalised_cox(ready, ready_death, outcome, context_of(ready)).tuning
    settings = LearnerSettings().preparation

    def run(seed, jobs=1):
        return selection_frequency(
            patients, outcome, layout, "penalised_cox", tuning, settings, 8, seed, jobs
        )

    table = run(1)
    assert list(table.index) == list(names)
    assert table.loc["rad_00", ["selected", "positive", "negative"]].tolist() == [1, 1, 0]
    assert table.loc["rad_01", "negative"] > 0.7
    assert table["selected"].iloc[2:].mean() < table["selected"].iloc[:2].mean() - 0.2
    assert np.array_equal(table["selected"], table["positive"] + table["negative"])
    with parallel_config(backend="threading"):
        assert table.equals(run(1, jobs=2))
    assert not table.equals(run(2))


def test_coefficients_at_the_penalty_chosen_are_those_of_the_path(wide):
    ready, ready_death, outcome = wide
    context = context_of(ready)
    fitted = fit_penalised_cox(ready, ready_death, outcome, context)
    found = coefficients_at(ready, outcome, context.factors, fitted.tuning)
    assert found == pytest.approx(fitted.coefficients, abs=1e-3)
