"""Settings of the learners from the section `model` of the configuration."""

from collections.abc import Mapping

from bonecast.model.learners.base import LearnerSettings
from bonecast.model.prepare import PreparationSettings


def learner_settings(section: Mapping) -> LearnerSettings:
    """Settings of every learner and of the preparation before it.

    Args:
        section: options of the models; `blocks_as_given` may name the blocks that no scanner
            measured, which is `clinical` otherwise.
    """
    preparation = PreparationSettings(
        max_missing=section["max_missing"],
        winsor_quantile=section["winsor_quantile"],
        correlation_limit=section["correlation_limit"],
        harmonise=section["harmonise"],
        blocks_as_given=tuple(section.get("blocks_as_given", ("clinical",))),
    )
    return LearnerSettings(
        inner_folds=section["inner_folds"],
        l1_ratios=tuple(section["l1_ratios"]),
        recalibrate=section["recalibrate"],
        risk_groups=section["risk_groups"],
        preparation=preparation,
    )
