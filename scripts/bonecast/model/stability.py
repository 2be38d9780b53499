"""How stable the choice of terms is when other patients had been seen."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from bonecast.model.aggregate import Aggregation
from bonecast.model.designs import seed_of
from bonecast.model.learners import fine_gray, linear, logistic, penalised_cox
from bonecast.model.outcome import Outcome
from bonecast.model.prepare import PreparationSettings
from bonecast.model.transform import Layout, Patients, Transform

AT_PENALTY = {
    "penalised_cox": penalised_cox.coefficients_at,
    "penalised_logistic": logistic.coefficients_at,
    "penalised_linear": linear.coefficients_at,
    "fine_gray": fine_gray.coefficients_at,
}
"""Coefficients at one penalty by learner: of prepared features, outcome, factors and tuning."""

DRAWN = 1004
"""Marks the seeds of these samples among those of the designs."""

WORTH_A_PROCESS = 20_000_000
"""Patients x columns x samples, about two seconds of work, from which processes save time."""


def selects(tuning: Mapping) -> bool:
    """Whether a model with this tuning leaves terms out at all: a ridge keeps every one."""
    return tuning["kind"] == "elastic_net"


def selection_frequency(
    patients: Patients,
    outcome: Outcome,
    layout: Layout,
    learner: str,
    tuning: Mapping,
    settings: PreparationSettings,
    resamples: int,
    seed: int,
    jobs: int = 1,
) -> pd.DataFrame:
    """Shares of bootstrap samples in which a term is in the model, and with which sign.

    Features are prepared and filtered anew in every sample, and the model is fitted at the
    penalty of the final model: the question is whether its terms, not its complexity, would be
    found again (Meinshausen and Buhlmann, J R Stat Soc B 2010;72:417; Heinze, Wallisch and
    Dunkler, Biom J 2018;60:431). To choose the penalty anew as well takes 20 times as long.

    Args:
        patients, outcome, layout: as of `Recipe.fit`.
        learner: a key of `AT_PENALTY`.
        tuning: of the final model.
        settings: of its preparation.
        resamples: bootstrap samples of patients.
        seed: of the samples.
        jobs: processes; results do not depend on it.

    Returns:
        One row per term before any filter, columns `selected`, `positive`, `negative` in 0..1.
    """
    names = Aggregation.fit(patients.x, layout.names, layout.blocks).names
    work = (
        delayed(_signs)(
            patients, outcome, layout, learner, tuning, settings, seed_of(seed, DRAWN, number)
        )
        for number in range(resamples)
    )
    worth = len(outcome) * len(names) * resamples >= WORTH_A_PROCESS
    found = Parallel(n_jobs=jobs if worth else 1)(work)
    signs = np.array([[sign.get(name, 0.0) for name in names] for sign in found])
    signs = signs.reshape(resamples, len(names))
    shares = {"selected": signs != 0, "positive": signs > 0, "negative": signs < 0}
    return pd.DataFrame(
        {name: share.mean(axis=0) for name, share in shares.items()}, index=list(names)
    )


def _signs(patients, outcome, layout, learner, tuning, settings, seed) -> dict[str, float]:
    """Sign of each term's coefficient in one bootstrap sample."""
    rows = np.random.default_rng(seed).integers(0, len(outcome), len(outcome))
    drawn = patients.take(rows)
    transform = Transform.fit(drawn, layout, settings)
    effects = AT_PENALTY[learner](
        transform.apply(drawn), outcome.take(rows), transform.factors(), tuning
    )
    return dict(zip(transform.names, np.sign(effects).tolist(), strict=True))
