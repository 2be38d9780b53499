"""How well predictions rank patients: AUC(t), concordance, ROC(t).

comprisk's `score_cr` knows one set of predictions. Here there are several repeats of several
folds, compared between blocks on the same resampled patients, so its formulas are written out
over weights: with one fold and one repeat the values are the same (tested).

Pairs of patients are compared within a fold only. Each fold has its own model; pooling folds
pushes C below 0.5 for a model without information, because a fold held out with more events
leaves fewer to train on.
"""

import numpy as np

from bonecast.model.metrics.resamples import Resamples, inverse, ratio

FALSE_POSITIVE_RATES = np.arange(101) / 100
"""Grid on which ROC curves of folds and repeats are averaged."""


def auc(marker: np.ndarray, folds: np.ndarray, resamples: Resamples, horizon: float) -> np.ndarray:
    """AUC(t) of a marker, averaged over repeats, one value per resample.

    Cumulative cases, dynamic controls with competing risk: Blanche et al., Stat Med 2013;32:5381.

    Args:
        marker: higher means riskier, shape (repeats, patients).
        folds: fold of each patient, same shape; pairs are formed within a fold.
        horizon: t, in the unit of the times.

    Returns:
        shape (1 + resamples,), NaN where no pair exists.
    """
    cases, controls = resamples.weights(horizon)
    by_repeat = []
    for values, fold in zip(marker, folds, strict=True):
        right = np.zeros(len(cases))
        pairs = np.zeros(len(cases))
        for number in np.unique(fold):
            members = np.flatnonzero(fold == number)
            ranked = members[np.argsort(values[members], kind="stable")]
            below = np.cumsum(controls[:, ranked], axis=1)
            below = np.hstack([np.zeros((len(below), 1)), below])
            case = members[cases[0, members] > 0]
            low = np.searchsorted(values[ranked], values[case], side="left")
            high = np.searchsorted(values[ranked], values[case], side="right")
            # Half of the ties: the mean of the weights strictly below and at most equal.
            right += (cases[:, case] * (below[:, low] + below[:, high]) / 2).sum(axis=1)
            pairs += cases[:, case].sum(axis=1) * below[:, -1]
        by_repeat.append(ratio(right, pairs))
    return np.mean(by_repeat, axis=0)


def concordance(
    marker: np.ndarray,
    folds: np.ndarray,
    resamples: Resamples,
    tau: float = np.inf,
    weighted: bool = True,
) -> np.ndarray:
    """Concordance of a marker with the order of fractures, averaged over repeats.

    Args:
        marker: higher means riskier, shape (repeats, patients).
        folds: fold of each patient, same shape; pairs are formed within a fold.
        tau: fractures after this time open no pair.
        weighted: True for Wolbers' C with censoring weights (Biostatistics 2014;15:526), where a
            patient who died before is a comparison for good; False for Harrell's, where death
            censors.

    Returns:
        shape (1 + resamples,), NaN where no pair exists.
    """
    time, event, counts = resamples.time, resamples.event, resamples.counts
    weight = inverse(resamples.left) if weighted else np.ones_like(counts)
    by_repeat = []
    for values, fold in zip(marker, folds, strict=True):
        right = np.zeros(len(counts))
        pairs = np.zeros(len(counts))
        for number in np.unique(fold):
            members = np.flatnonzero(fold == number)
            case = members[(event[members] == 1) & (time[members] <= tau)]
            if not len(case):
                continue
            order = np.sign(values[case][:, None] - values[members])
            agree = (order + 1) / 2
            # At a tied time the censored patient outlived the case.
            censors = event[members] == 0 if weighted else event[members] != 1
            later = time[members] > time[case][:, None]
            later |= (time[members] == time[case][:, None]) & censors
            opened = counts[:, case] * weight[:, case]
            left = opened * weight[:, case]
            right += ((left @ (agree * later)) * counts[:, members]).sum(axis=1)
            pairs += ((left @ later.astype(float)) * counts[:, members]).sum(axis=1)
            died = np.flatnonzero(event[members] == 2) if weighted else np.zeros(0, dtype=int)
            if len(died):
                before = (time[members[died]] <= time[case][:, None]).astype(float)
                closed = counts[:, members[died]] * weight[:, members[died]]
                right += ((opened @ (agree[:, died] * before)) * closed).sum(axis=1)
                pairs += ((opened @ before) * closed).sum(axis=1)
        by_repeat.append(ratio(right, pairs))
    return np.mean(by_repeat, axis=0)


def roc(marker: np.ndarray, folds: np.ndarray, resamples: Resamples, horizon: float) -> np.ndarray:
    """Sensitivity at each of `FALSE_POSITIVE_RATES`, of the sample itself.

    Curves of folds are averaged at equal false-positive rate, each weighing as many pairs as it
    holds, then over repeats: the area below is the `auc`, but for the width of the grid.

    Args: as `auc`.

    Returns:
        shape (101,), NaN where no pair exists.
    """
    cases, controls = (weights[0] for weights in resamples.first(0).weights(horizon))
    by_repeat = []
    for values, fold in zip(marker, folds, strict=True):
        total = np.zeros(len(FALSE_POSITIVE_RATES))
        pairs = 0.0
        for number in np.unique(fold):
            members = fold == number
            share = cases[members].sum() * controls[members].sum()
            if not share > 0:
                continue
            _, tie = np.unique(-values[members], return_inverse=True)
            true, false = (
                np.append(0.0, np.cumsum(np.bincount(tie, weights=weights[members])))
                for weights in (cases, controls)
            )
            total += share * np.interp(FALSE_POSITIVE_RATES, false / false[-1], true / true[-1])
            pairs += share
        by_repeat.append(total / pairs if pairs else np.full_like(total, np.nan))
    return np.mean(by_repeat, axis=0)
