"""Times nested cross-validation of fracture models against the usual way: `make bench`.

A simulated cohort has four blocks: clinical (8 columns), hu (12), radiomics (130) and multimodal
(all 150). Ours is the penalised Cox model with all that is fitted inside a fold. The usual way is
scikit-learn's `GridSearchCV` over a pipeline of `SimpleImputer`, `StandardScaler` and
scikit-survival's `CoxnetSurvivalAnalysis`, scored by its concordance. Both have the same outer and
inner folds, mixtures and number of penalties, and one thread. In each round both take the same
outer folds in turns: as the usual way needs minutes for one fold, it does `--outer-folds` of the
five, another choice in each round. A whole repeat of ours is timed beside it.
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

import argparse
import statistics
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.linear_model import CoxnetSurvivalAnalysis
from sksurv.metrics import concordance_index_censored
from sksurv.util import Surv

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from bonecast.model.learners.base import LearnerSettings
from bonecast.model.learners.penalised_cox import LAMBDA_RATIO, fit_penalised_cox
from bonecast.model.outcome import SURVIVAL, Outcome
from bonecast.model.recipe import Recipe, deal_folds
from bonecast.model.transform import Layout, Patients

FOLDS = 5
HORIZONS_YEARS = (2.0, 5.0)
GOAL_REPEAT_S = 15.0
GOAL_TIMES = 4.0


def draw(patients: int) -> tuple[dict[str, np.ndarray], Outcome]:
    """Features by block, 2 % of them missing, and the outcome."""
    rng = np.random.default_rng(7)
    clinical = rng.normal(size=(patients, 8))
    hu = rng.normal(0, 0.8, (patients, 1)) + rng.normal(0, 0.6, (patients, 12))
    radiomics = rng.normal(size=(patients, 15)) @ rng.normal(0, 0.25, (15, 130))
    radiomics += hu[:, :1] * rng.normal(0, 0.3, 130) + rng.normal(0, 0.6, (patients, 130))
    log_hazard = 0.5 * clinical[:, 0] + 0.3 * clinical[:, 1] - 0.5 * hu[:, 0]
    log_hazard += 0.15 * radiomics[:, :6].sum(axis=1)
    fracture = rng.exponential(1 / (0.0235 * np.exp(log_hazard)))
    death = rng.exponential(1 / (0.03 * np.exp(0.5 * clinical[:, 0])))
    follow_up = np.minimum(np.minimum(fracture, death), rng.uniform(2, 8, patients))
    event = np.where(follow_up == fracture, 1, np.where(follow_up == death, 2, 0))
    blocks = {"clinical": clinical, "hu": hu, "radiomics": radiomics}
    for values in blocks.values():
        values[rng.random(values.shape) < 0.02] = np.nan
    time_years = follow_up.round(3).clip(0.001)
    return blocks, Outcome(SURVIVAL, time_years, event, np.full(patients, np.nan))


def run_ours(patients, outcome, layout, train, settings, seed) -> np.ndarray:
    """Linear predictors of the patients held out; their absolute risks are made as well."""
    recipe = Recipe.fit(
        patients.take(train),
        outcome.take(train),
        layout,
        fit_penalised_cox,
        settings,
        HORIZONS_YEARS,
        seed,
    )
    return recipe.predict(patients.take(~train)).lp


def run_usual(patients, outcome, train, settings, seed) -> np.ndarray:
    """Linear predictors of the patients held out."""
    x, known = patients.x, outcome.take(train)
    y = Surv.from_arrays(known.event == 1, known.time)
    inner = PredefinedSplit(deal_folds(known.strata(), settings.inner_folds, seed))
    prepare = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    ready = prepare.fit_transform(x[train])
    name = CoxnetSurvivalAnalysis.__name__.lower()
    grid = []
    for ratio in settings.l1_ratios:
        path = CoxnetSurvivalAnalysis(
            l1_ratio=ratio, n_alphas=settings.n_penalties, alpha_min_ratio=LAMBDA_RATIO
        ).fit(ready, y)
        alphas = [[alpha] for alpha in path.alphas_]
        grid.append({f"{name}__l1_ratio": [ratio], f"{name}__alphas": alphas})
    pipeline = make_pipeline(
        SimpleImputer(strategy="median"), StandardScaler(), CoxnetSurvivalAnalysis()
    )
    return GridSearchCV(pipeline, grid, cv=inner).fit(x[train], y).predict(x[~train])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--outer-folds", type=int, default=1, help="of 5, for the usual way")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    single, outcome = draw(arguments.patients)
    names = {name: (name,) * x.shape[1] for name, x in single.items()}
    matrices = single | {"multimodal": np.hstack(list(single.values()))}
    names["multimodal"] = sum(names.values(), ())
    death, site = single["clinical"][:, :2], np.full(arguments.patients, "")
    models = {
        name: (Patients(x, death, site), Layout(tuple(map(str, range(x.shape[1]))), names[name]))
        for name, x in matrices.items()
    }
    settings = LearnerSettings(inner_folds=FOLDS)
    cpu = {"ours": [], "usual": []}
    c_index = {(who, block): [] for who in cpu for block in models}
    repeats = []
    for number in range(arguments.rounds):
        folds = deal_folds(outcome.strata(), FOLDS, number)
        compared = [(number + k) % FOLDS for k in range(arguments.outer_folds)]
        spent = dict.fromkeys(cpu, 0.0)
        whole = 0.0
        for fold in range(FOLDS):
            train = folds != fold
            held_out = outcome.take(~train)
            test = held_out.event == 1, held_out.time
            for block, (patients, layout) in models.items():
                before = time.process_time()
                lp = run_ours(patients, outcome, layout, train, settings, number)
                seconds = time.process_time() - before
                whole += seconds
                if fold not in compared:
                    continue
                spent["ours"] += seconds
                c_index["ours", block].append(concordance_index_censored(*test, lp)[0])
                before = time.process_time()
                lp = run_usual(patients, outcome, train, settings, number)
                spent["usual"] += time.process_time() - before
                c_index["usual", block].append(concordance_index_censored(*test, lp)[0])
        repeats.append(whole)
        for who, seconds in spent.items():
            cpu[who].append(seconds / arguments.outer_folds)
        print(f"round {number + 1}: " + ", ".join(f"{k} {v[-1]:.2f} s" for k, v in cpu.items()))
    event = outcome.event
    events = int((event == 1).sum())
    print(f"{arguments.patients} patients, {events} fractures, {int((event == 2).sum())} deaths")
    middle = {who: statistics.median(seconds) for who, seconds in cpu.items()}
    print(f"medians of {arguments.rounds} rounds in turns, CPU seconds on one core:")
    print(
        f"{'ours, one repeat of 5 x 5':32s} {statistics.median(repeats):8.2f} s"
        f" (goal: at most {GOAL_REPEAT_S:g})"
    )
    print(f"{'ours, one outer fold':32s} {middle['ours']:8.2f} s")
    print(
        f"{'GridSearchCV, one outer fold':32s} {middle['usual']:8.2f} s,"
        f" {middle['usual'] / middle['ours']:.1f} times ours (goal: at least {GOAL_TIMES:g})"
    )
    for block in models:
        ours, usual = (statistics.mean(c_index[who, block]) for who in cpu)
        print(f"Harrell's C of held-out patients, {block:12s} ours {ours:.3f}, usual {usual:.3f}")


if __name__ == "__main__":
    main()
