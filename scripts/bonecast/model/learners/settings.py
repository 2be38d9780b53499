"""Settings of the learners from the section `model` of the configuration."""

from collections.abc import Mapping

from bonecast.model.learners.base import LearnerSettings
from bonecast.model.prepare import PreparationSettings


def learner_settings(section: Mapping) -> LearnerSettings:
    """Settings of every learner and of the preparation before it."""
    preparation = PreparationSettings(
        max_missing=section["max_missing"],
        winsor_quantile=section["winsor_quantile"],
        correlation_limit=section["correlation_limit"],
    )
    return LearnerSettings(
        inner_folds=section["inner_folds"],
        l1_ratios=tuple(section["l1_ratios"]),
        recalibrate=section["recalibrate"],
        risk_groups=section["risk_groups"],
        preparation=preparation,
    )
