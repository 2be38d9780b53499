"""How much worse held-out predictions get when a block's columns are shuffled among patients."""

from collections.abc import Sequence

import pandas as pd

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
    """Mean loss over folds and repeats, from what `validate.validate` noted of each fold."""
    rows = [
        {key: fact[key] for key in ("design", "block", "learner")} | loss
        for fact in facts
        for loss in fact.get("importance", [])
    ]
    if not rows:
        return pd.DataFrame(columns=IMPORTANCE_COLUMNS)
    keys = ["design", "block", "learner", "kind", "name", "metric"]
    losses = pd.DataFrame(rows).groupby(keys, sort=False)["loss"]
    limits = {"value": losses.mean(), "lower": losses.quantile(0.025)}
    table = pd.DataFrame(limits | {"upper": losses.quantile(0.975)})
    return table.reset_index().assign(endpoint=endpoint)[IMPORTANCE_COLUMNS]
