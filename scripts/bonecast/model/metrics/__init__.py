"""Discrimination, calibration and clinical use of held-out predictions, with intervals.

The bootstrap resamples patients and keeps their predictions: models are not refitted. Every
choice is stated in `DEFINITIONS`, which goes into the results.
"""

from bonecast.model.metrics.calibration import calibration
from bonecast.model.metrics.definitions import (
    COMPARED,
    DEFINITIONS,
    METRIC_COLUMNS,
    SUBGROUP_COLUMNS,
    TABLE_COLUMNS,
)
from bonecast.model.metrics.discrimination import auc, concordance
from bonecast.model.metrics.judge import judge_predictions
from bonecast.model.metrics.resamples import Resamples, percentile_interval
from bonecast.model.metrics.scores import with_scores

__all__ = [
    "COMPARED",
    "DEFINITIONS",
    "METRIC_COLUMNS",
    "SUBGROUP_COLUMNS",
    "TABLE_COLUMNS",
    "Resamples",
    "auc",
    "calibration",
    "concordance",
    "judge_predictions",
    "percentile_interval",
    "with_scores",
]
