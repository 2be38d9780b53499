"""Everything that learns, in one object per fold.

A `Recipe` is fitted on training patients and predicts others. No step of it can see a held-out
patient, because nothing outside it is fitted. In their order:

1. vertebrae become one row per patient, against the training median of their level;
2. harmonisation of sites, if asked for;
3. imputation, limits, filters and scale;
4. the learner: choice of penalty in inner folds (steps 1 to 3 anew in each), coefficients,
   baseline hazards;
5. recalibration by the inner folds, if asked for (steps 1 to 4 anew in each);
6. risk groups and thresholds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bonecast.model.learners.base import Fit, FitContext, Fitted, InnerFold, LearnerSettings
from bonecast.model.outcome import Outcome
from bonecast.model.prepare import Preparation
from bonecast.model.recalibrate import slope_of
from bonecast.model.thresholds import youden_thresholds
from bonecast.model.transform import Layout, Patients, Transform


@dataclass(frozen=True)
class Prediction:
    """What a recipe says of some patients.

    Attributes:
        lp: linear predictors, shape (patients,); they compare patients of one recipe only.
        predicted: absolute risks, probabilities or values, shape (patients, horizons), one column
            where the outcome has no time.
        risk_group: 0 for the lowest, by limits learned from the training patients.
        threshold: predictions from this up are called positive, shape (horizons,): the best
            threshold among the training patients, see `thresholds.youden_thresholds`.
    """

    lp: np.ndarray
    predicted: np.ndarray
    risk_group: np.ndarray
    threshold: np.ndarray


@dataclass(frozen=True)
class Recipe:
    """A fitted recipe.

    Attributes:
        transform: of the model's features.
        death_preparation: of the death model's.
        fitted: the learner.
        horizons: years for which it predicts; empty unless the outcome has a time.
        group_limits: predictions at the last horizon that part the risk groups.
        threshold: see `Prediction`.
    """

    transform: Transform
    death_preparation: Preparation
    fitted: Fitted
    horizons: tuple[float, ...]
    group_limits: np.ndarray
    threshold: np.ndarray

    @classmethod
    def fit(
        cls,
        patients: Patients,
        outcome: Outcome,
        layout: Layout,
        fit: Fit,
        settings: LearnerSettings,
        horizons: Sequence[float],
        seed: int,
        copies_of: np.ndarray | None = None,
    ) -> "Recipe":
        """Fit on training patients.

        Args:
            layout: names and blocks of the columns of `patients.x`.
            fit: the learner, see `learners.LEARNERS`.
            seed: of the inner folds and of the learner.
            copies_of: a number per row, the same for copies of one patient (in a bootstrap
                sample): copies are never parted by the inner folds.
        """
        transform = Transform.fit(patients, layout, settings.preparation)
        ready = transform.apply(patients)
        death_preparation = _prepare_death(patients.x_death, layout, settings)
        ready_death = death_preparation.apply(patients.x_death)

        def inner() -> list[InnerFold]:
            fold = deal_folds(outcome.strata(), settings.inner_folds, seed, copies_of)
            return [_inner_fold(patients, layout, settings, fold != k) for k in np.unique(fold)]

        context = FitContext(settings, seed, transform.factors(), inner)
        fitted = fit(ready, ready_death, outcome, context)
        if settings.recalibrate and hasattr(fitted, "rescaled"):
            lp = _held_out(patients, outcome, layout, fit, settings, horizons, seed, copies_of)
            fitted = fitted.rescaled(slope_of(lp, outcome), ready, ready_death, outcome)
        predicted = getattr(fitted, "out_of_fold", None)
        if predicted is None:
            predicted = fitted.predict(ready, ready_death, horizons)
        steps = np.arange(1, settings.risk_groups) / settings.risk_groups
        limits = np.quantile(predicted[:, -1], steps)
        threshold = youden_thresholds(predicted, outcome, horizons)
        return cls(transform, death_preparation, fitted, tuple(horizons), limits, threshold)

    def predict(self, patients: Patients) -> Prediction:
        """Predictions of any patients with the columns the recipe was fitted on."""
        ready = self.transform.apply(patients)
        ready_death = self.death_preparation.apply(patients.x_death)
        predicted = self.fitted.predict(ready, ready_death, self.horizons)
        group = np.searchsorted(self.group_limits, predicted[:, -1], side="left")
        return Prediction(self.fitted.linear_predictor(ready), predicted, group, self.threshold)

    def selected(self) -> list[str]:
        """Terms with an effect; all of them where the learner has no coefficients."""
        names, coefficients = self.transform.names, self.fitted.coefficients
        if coefficients is None:
            return list(names)
        return [name for name, effect in zip(names, coefficients, strict=True) if effect != 0]

    def to_json(self) -> dict:
        """Everything `predict` uses, as plain values.

        Raises:
            AttributeError: the learner is one that cannot be written as plain numbers.
        """
        return {
            "transform": self.transform.to_json(),
            "death_preparation": self.death_preparation.to_json(),
            "fitted": self.fitted.to_json(),
            "horizons_years": list(self.horizons),
            "group_limits": self.group_limits.tolist(),
            "threshold": [None if np.isnan(value) else value for value in self.threshold],
        }

    @classmethod
    def from_json(cls, saved: Mapping, learner: type) -> "Recipe":
        """The inverse of `to_json`; `learner` is the class that was fitted."""
        return cls(
            Transform.from_json(saved["transform"]),
            Preparation.from_json(saved["death_preparation"]),
            learner.from_json(saved["fitted"]),
            tuple(saved["horizons_years"]),
            np.array(saved["group_limits"]),
            np.array(saved["threshold"], dtype=float),
        )


def _prepare_death(x_death, layout, settings) -> Preparation:
    """Of the columns that the death model may use, as positions among all of them."""
    own = np.arange(x_death.shape[1])
    if layout.of_death is not None:
        own = np.array(layout.of_death, dtype=int)
    found = Preparation.fit(x_death[:, own], ["death"] * len(own), settings.preparation)
    return replace(found, columns=own[found.columns])


def _held_out(patients, outcome, layout, fit, settings, horizons, seed, copies_of) -> np.ndarray:
    """Linear predictors of the training patients by recipes that have not seen them."""
    plain = replace(settings, recalibrate=False)
    fold = deal_folds(outcome.strata(), settings.inner_folds, seed, copies_of)
    lp = np.empty(len(outcome))
    for k in np.unique(fold):
        train, rest = fold != k, fold == k
        copies = None if copies_of is None else copies_of[train]
        part = Recipe.fit(
            patients.take(train), outcome.take(train), layout, fit, plain, horizons, seed, copies
        )
        lp[rest] = part.fitted.linear_predictor(part.transform.apply(patients.take(rest)))
    return lp


def _inner_fold(patients, layout, settings, train) -> InnerFold:
    # The features are learned again inside, as they will be for patients never seen.
    transform = Transform.fit(patients.take(train), layout, settings.preparation)
    return InnerFold(train, transform.apply(patients), transform.factors())


def deal_folds(
    strata: np.ndarray, folds: int, seed: int, copies_of: np.ndarray | None = None
) -> np.ndarray:
    """Fold of each patient, shape (patients,): random, balanced over strata.

    Within each stratum patients are shuffled and dealt out in turn, the next stratum going on
    where the last stopped: fold sizes and members of a stratum differ by one at most.

    Args:
        strata: group of each patient, the highest dealt first.
        copies_of: rows with the same number stay in one fold.
    """
    rng = np.random.default_rng(seed)
    first, patient = np.arange(len(strata)), np.arange(len(strata))
    if copies_of is not None:
        _, first, patient = np.unique(copies_of, return_index=True, return_inverse=True)
    groups = strata[first]
    dealt = [rng.permutation(np.flatnonzero(groups == g)) for g in np.unique(groups)[::-1]]
    fold = np.empty(len(groups), dtype=int)
    if len(groups):
        fold[np.concatenate(dealt)] = np.arange(len(groups)) % folds
    return fold[patient]
