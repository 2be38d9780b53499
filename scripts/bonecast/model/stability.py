"""How stable the choice of terms is when other patients had been seen."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from bonecast.model.learners.base import Fit, LearnerSettings
from bonecast.model.outcome import Outcome
from bonecast.model.recipe import Recipe
from bonecast.model.transform import Layout, Patients


def selection_frequency(
    patients: Patients,
    outcome: Outcome,
    layout: Layout,
    fit: Fit,
    settings: LearnerSettings,
    horizons: Sequence[float],
    resamples: int,
    seed: int,
    jobs: int = 1,
) -> pd.DataFrame:
    """Shares of bootstrap samples in which a term is in the model, and with which sign.

    The whole recipe is refitted to every sample, filters and choice of penalty included: at a
    fixed penalty the frequencies would ignore that the penalty depends on the patients too
    (Heinze, Wallisch and Dunkler, Biom J 2018;60:431). Copies of a patient never part between
    inner folds.

    Args:
        patients, outcome, layout, fit, settings, horizons: as of `Recipe.fit`.
        resamples: bootstrap samples of patients.
        seed: of the samples and of their inner folds.
        jobs: processes; results do not depend on it.

    Returns:
        One row per name of `layout`, columns `selected`, `positive`, `negative` in 0..1. A ridge
        selects every column that passes the filters: there the signs tell how stable a term is.

    Raises:
        ValueError: the learner has no coefficients.
    """
    work = (
        delayed(_signs)(patients, outcome, layout, fit, settings, horizons, (seed, number))
        for number in range(resamples)
    )
    signs = np.array(Parallel(n_jobs=jobs)(work)).reshape(resamples, len(layout.names))
    shares = {"selected": signs != 0, "positive": signs > 0, "negative": signs < 0}
    return pd.DataFrame(
        {name: share.mean(axis=0) for name, share in shares.items()}, index=list(layout.names)
    )


def _signs(patients, outcome, layout, fit, settings, horizons, seed) -> np.ndarray:
    """Sign of each column's coefficient in one bootstrap sample, 0 where it is not in the model."""
    draw, inner = np.random.SeedSequence(seed).spawn(2)
    rows = np.random.default_rng(draw).integers(0, len(outcome), len(outcome))
    recipe = Recipe.fit(
        patients.take(rows),
        outcome.take(rows),
        layout,
        fit,
        settings,
        horizons,
        int(inner.generate_state(1)[0]),
        copies_of=rows,
    )
    coefficients = recipe.fitted.coefficients
    if coefficients is None:
        raise ValueError(f"{type(recipe.fitted).__name__} selects no terms: it has no coefficients")
    signs = dict(zip(recipe.transform.names, np.sign(coefficients), strict=True))
    return np.array([signs.get(name, 0.0) for name in layout.names])
