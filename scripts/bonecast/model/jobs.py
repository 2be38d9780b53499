"""Into how many jobs a validation is divided.

Read while the workflow is parsed, so: standard library only.
"""

from collections.abc import Mapping

from bonecast.model import REPEATED_CV

PARTS = {
    "none": lambda folds, repeats: ["all"],
    "repeats": lambda folds, repeats: [f"repeat{r}" for r in range(1, repeats + 1)],
    "folds": lambda folds, repeats: [
        f"repeat{r}_fold{f}" for r in range(1, repeats + 1) for f in range(1, folds + 1)
    ],
}
"""Jobs of the cross-validation by the option `split_jobs`."""


def jobs_of(design: str, settings: Mapping) -> list[str]:
    """Names of the jobs of a design, from the section `model` of the configuration."""
    split = settings["split_jobs"] if design == REPEATED_CV else "none"
    return PARTS[split](settings["folds"], settings["repeats"])
