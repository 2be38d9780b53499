"""How much predictions must be stretched or shrunk to suit patients not learned from."""

import numpy as np

from bonecast.model.cox import NotEstimable, fit_cox
from bonecast.model.learners.logistic import RidgePath
from bonecast.model.outcome import BINARY, SURVIVAL, Outcome

ALMOST_NO_PENALTY = 1e-6
"""On the log odds ratio per SD of the linear predictor: keeps a perfect separation finite."""


def slope_of(lp: np.ndarray, outcome: Outcome) -> float:
    """Calibration slope of linear predictors that the inner folds held out.

    The cross-validated shrinkage factor of Verweij and van Houwelingen, Stat Med 1993;12:2305: the
    effect of the linear predictor when it is the only feature.

    Args:
        lp: of the training patients, by models that had not seen them, shape (patients,).

    Returns:
        Above 1 where effects were shrunk too much, below where too little. 0 where high
        predictions went with low risk: then everyone is given the average. 1 where nothing can be
        said: no event, or the same prediction for everybody.
    """
    sd = lp.std()
    if not np.isfinite(sd) or sd <= 1e-9 * max(abs(lp.mean()), 1e-3):
        return 1.0
    z = (lp - lp.mean())[:, None] / sd
    if outcome.kind == SURVIVAL:
        try:
            effect = fit_cox(z, outcome.time, outcome.event == 1).coefficients[0]
        except NotEstimable:
            return 1.0
    elif outcome.kind == BINARY:
        if len(np.unique(outcome.value)) < 2:
            return 1.0
        path = RidgePath(np.array([ALMOST_NO_PENALTY]))
        effect = path.fit(z, outcome.value).coefficients[0, 0]
    else:
        effect = (z[:, 0] * (outcome.value - outcome.value.mean())).mean()
    return max(float(effect / sd), 0.0)
