"""The configuration as it may be shown: without paths, which can hold patients' names."""

from collections.abc import Mapping

PRIVATE_OPTIONS = (
    "cohort.input",
    "cohort.participants",
    "cohort.clinical",
    "cohort.corrections",
    "cohort.exclude_levels",
    "cohort.calibration",
    "cohort.secret",
    "export.input",
    "export.private",
    "segment.model",
    "segment.weights_dir",
    "segment.totalsegmentator.license_file",
    "segment.masks",
    "segment.bodies",
    "segment.mask_labels",
    "segment.tissue",
    "segment.tissue_labels",
    "model.table",
    "model.vertebra_table",
    "model.external_model",
    "predict.model",
    "predict.table",
    "predict.vertebra_table",
    "train.masks",
)
"""Options that may be a path of the user's."""

WORDS = {
    "segment.mask_labels": {"verse", "totalsegmentator", "totalsegmentator_bodies"},
    "segment.tissue_labels": {"bonecast", "totalsegmentator", "tissue_types", "tissue_4_types"},
    "segment.weights_dir": {"weights"},
}
"""Values of these options that are words of Bonecast's own."""

OWN_FOLDERS = ("resources/", "demo/")
"""Below these lies what comes with Bonecast or is made by it."""

INPUT_TABLES = (
    "cohort.participants",
    "cohort.clinical",
    "cohort.exclude_levels",
    "cohort.calibration",
    "segment.mask_labels",
    "segment.tissue_labels",
    "model.table",
    "model.vertebra_table",
    "model.external_model",
    "predict.model",
    "predict.table",
    "predict.vertebra_table",
)
"""Options that may name a single file of the input, whose content is told by a digest."""

SEEDS = {
    "model.seed": "folds, resamples, learners; resamples of the figure roi_agreement",
    "measure.radiomics.robustness.seed": "who is perturbed and how, in the target robustness",
    "demo.seed": "the synthetic patients of the demo",
}
"""Every option that random numbers start from, and what they decide."""


def option(config: Mapping, name: str) -> object:
    """Value of an option by its dotted name; None where a part of the name is missing."""
    value: object = config
    for part in name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def without_paths(config: Mapping) -> dict:
    """A copy of the configuration in which `<name of the option>` stands for private paths."""
    return _shown("", config)


def is_own(name: str, value: str) -> bool:
    """Whether the value of an option is a word of Bonecast's, or a path of what comes with it."""
    within = value.startswith(OWN_FOLDERS) and ".." not in value.split("/")
    return within or value in WORDS.get(name, ())


def _shown(name: str, value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _shown(f"{name}.{key}".lstrip("."), part) for key, part in value.items()}
    if name in PRIVATE_OPTIONS and isinstance(value, str):
        return value if is_own(name, value) else f"<{name}>"
    return list(value) if isinstance(value, list | tuple) else value
