"""What held-out predictions rest on.

Permutation importance (Breiman, Mach Learn 2001;45:5), within the patients held out of a fold: how
much worse predictions get when columns are shuffled; a column that the others can stand in for is
worth little, though the outcome may depend on it. Attributions: how far each term moves the
prediction of a held-out patient on average.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score, roc_auc_score

from bonecast.model.aggregate import MARK
from bonecast.model.learners.attributions import attributions
from bonecast.model.metrics.discrimination import concordance
from bonecast.model.metrics.resamples import Resamples
from bonecast.model.outcome import BINARY, CONTINUOUS, SURVIVAL, Outcome
from bonecast.model.recipe import Recipe
from bonecast.model.transform import Layout, Patients

PERMUTATIONS = 5
"""Shuffles of each group of columns in each fold, whose losses are averaged."""

MOST_COLUMNS = 15
"""Columns of a wider block are not shuffled one by one."""

ATTRIBUTION = "attribution"

METRIC = {"survival": "c_index", "binary": "auc", "continuous": "r2"}
"""What is lost, by kind of outcome."""

IMPORTANCE_COLUMNS = [
    "endpoint",
    "design",
    "block",
    "learner",
    "kind",
    "name",
    "metric",
    "value",
    "lower",
    "upper",
]


def importance_table(endpoint: str, facts: Sequence[dict]) -> pd.DataFrame:
    """Mean loss over folds and repeats, from what `validate.validate` noted of each fold.

    `lower` and `upper` hold 95 % of the folds' losses. They are no confidence interval of the mean:
    each fold is small, and folds share patients.
    """
    rows = [
        {key: fact[key] for key in ("design", "block", "learner")}
        | {"fold": f"{fact['repeat']}.{fact['fold']}"}
        | loss
        for fact in facts
        for loss in fact.get("importance", [])
    ]
    if not rows:
        return pd.DataFrame(columns=IMPORTANCE_COLUMNS)
    table = pd.DataFrame(rows)
    model, term = ["design", "block", "learner"], ["kind", "name", "metric"]
    losses = pd.concat(
        [table[table["kind"] != ATTRIBUTION], _with_absent(table[table["kind"] == ATTRIBUTION])]
    ).groupby([*model, *term], sort=False)["loss"]
    limits = {"value": losses.mean(), "lower": losses.quantile(0.025)}
    table = pd.DataFrame(limits | {"upper": losses.quantile(0.975)})
    return table.reset_index().assign(endpoint=endpoint)[IMPORTANCE_COLUMNS]


def _with_absent(table: pd.DataFrame) -> pd.DataFrame:
    """Attributions with a 0 for every fold whose model lacks the term."""
    if table.empty:
        return table
    model, term = ["design", "block", "learner"], ["kind", "name", "metric"]
    wide = table.pivot_table(index=[*model, "fold"], columns=term, values="loss")
    parts = [
        part.dropna(axis=1, how="all").fillna(0.0).melt(value_name="loss", ignore_index=False)
        for _, part in wide.groupby(model, sort=False)
    ]
    return pd.concat(parts).reset_index()


def mean_attributions(recipe: Recipe, patients: Patients, horizon: float) -> list[dict]:
    """Mean absolute attribution of each term among held-out patients, see `attributions`.

    Returns:
        Dicts of kind "attribution", name, metric (the scale) and loss (the mean), the terms that
        move nothing left out; none for a learner that has no attributions.
    """
    try:
        values, scale = attributions(recipe.fitted, recipe.transform.apply(patients), horizon)
    except ValueError:
        return []
    means = np.abs(values).mean(axis=0) if len(values) else np.zeros(values.shape[1])
    return [
        {"kind": ATTRIBUTION, "name": name, "metric": scale, "loss": float(mean)}
        for name, mean in zip(recipe.transform.names, means, strict=True)
        if mean > 0
    ]


def permutation_losses(
    recipe: Recipe,
    patients: Patients,
    outcome: Outcome,
    layout: Layout,
    tau: float,
    seed: int,
) -> list[dict]:
    """What shuffling columns among held-out patients costs their prediction.

    Columns are shuffled as they came, before the recipe fills gaps or scales them, all of a
    group by one permutation: the columns of each block in a model of several blocks, else each
    column by itself (all levels of a vertebral one together). The death model is left as it is.

    Args:
        patients, outcome: of the held-out patients.
        layout: of the columns of `patients.x`.
        tau: survival: fractures after this time open no pair.

    Returns:
        Dicts of kind ("block" or "column"), name, metric and loss, the mean drop over
        `PERMUTATIONS` shuffles; none where the metric is not defined, as without an event.
    """
    groups, kind = _groups(layout)
    score = _scorer(outcome, tau)
    whole = score(_marker(recipe, patients, outcome))
    if not np.isfinite(whole):
        return []
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(patients)) for _ in range(PERMUTATIONS)]
    losses = []
    for name, members in groups.items():
        scores = []
        for order in orders:
            x = patients.x.copy()
            x[:, members] = x[np.ix_(order, members)]
            shuffled = Patients(x, patients.x_death, patients.site)
            scores.append(score(_marker(recipe, shuffled, outcome)))
        loss = {"kind": kind, "name": name, "metric": METRIC[outcome.kind]}
        losses.append(loss | {"loss": float(whole - np.mean(scores))})
    return losses


def _groups(layout: Layout) -> tuple[Mapping[str, list[int]], str]:
    """Positions of the columns that are shuffled together, by name."""
    by_block = len(set(layout.blocks)) > 1
    names = layout.blocks if by_block else [n.partition(MARK)[0] for n in layout.names]
    groups: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        groups.setdefault(name, []).append(position)
    if not by_block and len(groups) > MOST_COLUMNS:
        groups = {}
    return groups, "block" if by_block else "column"


def _marker(recipe: Recipe, patients: Patients, outcome: Outcome) -> np.ndarray:
    """What is scored: a linear predictor, which ranks patients at less cost, or the prediction."""
    if outcome.kind != CONTINUOUS:
        lp = recipe.fitted.linear_predictor(recipe.transform.apply(patients))
        if np.isfinite(lp).all():
            return lp
    return recipe.predict(patients).predicted[:, -1]


def _scorer(outcome: Outcome, tau: float) -> Callable[[np.ndarray], float]:
    """Concordance, area under the curve or share of variance of a marker; NaN where undefined."""
    if outcome.kind == SURVIVAL:
        alone = Resamples.weigh(outcome.time, outcome.event, np.ones((1, len(outcome)), dtype=int))
        fold = np.zeros((1, len(outcome)), dtype=int)
        return lambda marker: float(concordance(marker[None], fold, alone, tau)[0])
    of = outcome.event if outcome.kind == BINARY else outcome.value
    if len(np.unique(of)) < 2:
        return lambda marker: np.nan
    metric = roc_auc_score if outcome.kind == BINARY else r2_score
    return lambda marker: float(metric(of, marker))
