"""Nested cross-validation of fracture models, against scikit-learn's GridSearchCV.

A simulated cohort has four blocks: clinical (8 columns), hu (12), radiomics (130) and multimodal
(all 150). Ours is the penalised Cox model with all that is fitted inside a fold. The usual way is
`GridSearchCV` over a pipeline of `SimpleImputer`, `StandardScaler` and scikit-survival's
`CoxnetSurvivalAnalysis`, scored by its concordance. Both have the same outer and inner folds,
mixtures and number of penalties, and one thread. In each round both take the same outer fold,
another one each time, in a process each; counted is the fitting, imports and drawing are not.
"""

import tempfile
from functools import partial
from pathlib import Path

from contest import (
    ONE_THREAD,
    Contender,
    Taken,
    bonecast_version,
    command,
    compete,
    main,
    report,
    run,
    timed,
    versions,
)

FOLDS = 5
HORIZONS_YEARS = (2.0, 5.0)


def draw(folder: str, patients: str) -> None:
    """Features by block, 2 % of them missing, and the outcome."""
    import numpy as np

    rng, n = np.random.default_rng(7), int(patients)
    clinical = rng.normal(size=(n, 8))
    hu = rng.normal(0, 0.8, (n, 1)) + rng.normal(0, 0.6, (n, 12))
    radiomics = rng.normal(size=(n, 15)) @ rng.normal(0, 0.25, (15, 130))
    radiomics += hu[:, :1] * rng.normal(0, 0.3, 130) + rng.normal(0, 0.6, (n, 130))
    log_hazard = 0.5 * clinical[:, 0] + 0.3 * clinical[:, 1] - 0.5 * hu[:, 0]
    log_hazard += 0.15 * radiomics[:, :6].sum(axis=1)
    fracture = rng.exponential(1 / (0.0235 * np.exp(log_hazard)))
    death = rng.exponential(1 / (0.03 * np.exp(0.5 * clinical[:, 0])))
    follow_up = np.minimum(np.minimum(fracture, death), rng.uniform(2, 8, n))
    event = np.where(follow_up == fracture, 1, np.where(follow_up == death, 2, 0))
    blocks = {"clinical": clinical, "hu": hu, "radiomics": radiomics}
    for values in blocks.values():
        values[rng.random(values.shape) < 0.02] = np.nan
    blocks["multimodal"] = np.hstack(list(blocks.values()))
    time_years = follow_up.round(3).clip(0.001)
    np.savez(Path(folder, "cohort.npz"), time_years=time_years, event=event, **blocks)


def ours(patients, outcome, block: str, train, settings, seed: int):
    """Linear predictors of the patients held out; their absolute risks are made as well."""
    from bonecast.model.learners.penalised_cox import fit_penalised_cox
    from bonecast.model.recipe import Recipe
    from bonecast.model.transform import Layout

    columns = patients.x.shape[1]
    layout = Layout(tuple(map(str, range(columns))), (block,) * columns)
    known = patients.take(train), outcome.take(train)
    recipe = Recipe.fit(*known, layout, fit_penalised_cox, settings, HORIZONS_YEARS, seed)
    return recipe.predict(patients.take(~train)).lp


def usual(patients, outcome, block: str, train, settings, seed: int):
    """Linear predictors of the patients held out."""
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import GridSearchCV, PredefinedSplit
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sksurv.linear_model import CoxnetSurvivalAnalysis
    from sksurv.util import Surv

    from bonecast.model.learners.penalised_cox import LAMBDA_RATIO
    from bonecast.model.recipe import deal_folds

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


WAYS = {"ours": ours, "usual": usual}


def work(way: str, folder: str, number: str) -> None:
    """Fit all blocks in one outer fold; says Harrell's C of the patients held out."""
    import warnings

    import numpy as np
    from sksurv.metrics import concordance_index_censored

    from bonecast.model.learners.base import LearnerSettings
    from bonecast.model.outcome import SURVIVAL, Outcome
    from bonecast.model.recipe import deal_folds
    from bonecast.model.transform import Patients

    warnings.simplefilter("ignore")
    cohort = dict(np.load(Path(folder, "cohort.npz")))
    time_years, event = cohort.pop("time_years"), cohort.pop("event")
    nothing, site = np.full(len(event), np.nan), np.full(len(event), "")
    outcome = Outcome(SURVIVAL, time_years, event, nothing)
    settings, seed = LearnerSettings(inner_folds=FOLDS), int(number)
    train = deal_folds(outcome.strata(), FOLDS, seed) != seed % FOLDS
    held_out = outcome.take(~train)
    death = cohort["clinical"][:, :2]

    def fit(blocks: dict) -> dict:
        return {
            name: WAYS[way](Patients(x, death, site), outcome, name, train, settings, seed)
            for name, x in blocks.items()
        }

    fit({"clinical": cohort["clinical"][:, :2]})  # what is imported late is not counted
    seconds, found = timed(lambda: fit(cohort))
    c_index = {
        f"c_{name}": concordance_index_censored(held_out.event == 1, held_out.time, lp)[0]
        for name, lp in found.items()
    }
    report(**seconds, **c_index)


def fold_of(way: str, folder: str, number: int) -> Taken:
    """One outer fold of a round, in a process of its own."""
    return run(command(__file__, way, folder, number), ONE_THREAD)


def contest(options) -> list[dict]:
    with tempfile.TemporaryDirectory() as name:
        run(command(__file__, "draw", name, options.patients))
        packages = versions("scikit-learn", "scikit-survival")
        everyone = [
            Contender("Bonecast", "ours", bonecast_version(), partial(fold_of, "ours", name)),
            Contender("GridSearchCV", "peer", packages, partial(fold_of, "usual", name)),
        ]
        source = f"{options.patients} patients, simulated"
        return compete("models", "one outer fold, four blocks", source, everyone, options.rounds)


if __name__ == "__main__":
    main(
        "models",
        __doc__,
        contest,
        {"draw": draw} | {name: partial(work, name) for name in WAYS},
        lambda parser: parser.add_argument("--patients", type=int, default=2000),
    )
