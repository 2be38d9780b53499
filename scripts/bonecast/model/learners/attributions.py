"""What each feature adds to one patient's prediction."""

import numpy as np

from bonecast.model.learners.base import Fitted
from bonecast.model.learners.forest import Forest

LOG_SCALE = "linear predictor"
RISK_SCALE = "absolute risk"


def attributions(fitted: Fitted, ready: np.ndarray, horizon: float) -> tuple[np.ndarray, str]:
    """Shapley values of the features of some patients.

    Those of a linear model are exact where features are taken as independent: coefficient times
    distance from the training mean, which is 0 in prepared features (Lundberg and Lee, NeurIPS
    2017). Those of a forest are comprisk's TreeSHAP (Lundberg et al., Nat Mach Intell 2020;2:56).

    Args:
        fitted: a learner with coefficients, or a forest.
        ready: prepared features, shape (patients, columns).
        horizon: years, for the forest; a linear predictor has none.

    Returns:
        values, shape (patients, columns), and their scale: LOG_SCALE, where they add up to the
        linear predictor of a Cox or Fine-Gray model, or RISK_SCALE, where they add up to the
        difference from the mean predicted risk.

    Raises:
        ValueError: the learner has neither coefficients nor such values.
    """
    if fitted.coefficients is not None:
        return ready * fitted.coefficients, LOG_SCALE
    if isinstance(fitted, Forest):
        values, _ = fitted.model.shap_values(ready, times=[horizon], n_jobs=1)
        return values[:, :, 0, 0], RISK_SCALE
    raise ValueError(
        f"{type(fitted).__name__} has no attributions: found neither coefficients nor a forest;"
        " use permutation importance for it"
    )
