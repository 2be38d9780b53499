"""What can be known of an nnU-Net v2 model folder without loading it.

<model>/plans.json  dataset.json  fold_<n>/checkpoint_final.pth  (or checkpoint_best.pth)
"""

import hashlib
import json
from pathlib import Path

CHECKPOINTS = ("final", "best")
"""nnU-Net's two: the end of the training, and the epoch that validated best."""


def find_weights(model: Path, folds: str | list[int], checkpoint: str) -> dict[str, Path]:
    """The checkpoint of each fold to run: name of the fold ("0", "all") to file.

    Args:
        model: the model folder.
        folds: "all" for every fold there is, or their numbers.
        checkpoint: "final" or "best".

    Raises:
        FileNotFoundError: no model, or a fold without that checkpoint; says what is there.
    """
    name = f"checkpoint_{checkpoint}.pth"
    if not (model / "plans.json").is_file() or not list(model.glob("fold_*/checkpoint_*.pth")):
        raise FileNotFoundError(
            f"segment.model: {model} holds no trained nnU-Net v2 model "
            f"(expected plans.json, dataset.json and fold_*/{name})"
        )
    there = {
        path.parent.name.removeprefix("fold_"): path
        for path in sorted(model.glob(f"fold_*/{name}"))
    }
    if folds == "all":
        # nnU-Net's fold_all is one network trained on every case, not a part of an ensemble.
        numbered = {fold: path for fold, path in there.items() if fold != "all"}
        found = numbered or there
        missing = [] if found else ["any"]
    else:
        found = {str(fold): there[str(fold)] for fold in folds if str(fold) in there}
        missing = [str(fold) for fold in folds if str(fold) not in there]
    if missing:
        others = sorted(
            f"{path.parent.name}/{path.name}" for path in model.glob("fold_*/checkpoint_*.pth")
        )
        raise FileNotFoundError(
            f"segment.folds, segment.checkpoint: no {name} for fold {', '.join(missing)} in "
            f"{model.name}; there is {', '.join(others)}"
        )
    return found


def read_dataset(model: Path) -> dict:
    """dataset.json of a model that takes one CT.

    Raises:
        ValueError: it was trained on several channels.
    """
    dataset = json.loads((model / "dataset.json").read_text(encoding="utf-8"))
    channels = dataset.get("channel_names", dataset.get("modality", {}))
    if len(channels) != 1:
        names = ", ".join(map(str, channels.values())) or "none"
        raise ValueError(
            f"segment.model: {model.name} takes {len(channels)} channels ({names}); "
            "expected a model of one CT channel"
        )
    return dataset


def label_map(dataset: dict) -> dict[int, str]:
    """Value of a voxel to name of its class; 0 is background.

    In a region-based model a region is named by the value that nnU-Net paints for it.
    """
    labels = {name: value for name, value in dataset["labels"].items() if name != "ignore"}
    if not has_regions(dataset):
        return {int(one_value(value)): name for name, value in labels.items()}
    names = [name for name, value in labels.items() if one_value(value) != 0]
    painted = dict(zip(map(int, dataset["regions_class_order"]), names, strict=True))
    return {0: "background"} | painted


def has_regions(dataset: dict) -> bool:
    """Whether classes overlap: then each has a probability of its own."""
    return any(isinstance(value, list) and len(value) > 1 for value in dataset["labels"].values())


def one_value(value: int | list[int]) -> int | None:
    """The label of a class given as a number or a list of one; None for a region of several."""
    if isinstance(value, list):
        return value[0] if len(value) == 1 else None
    return value


def class_names(model: str | Path) -> dict[int, str]:
    """Class names of a model folder, by index."""
    return label_map(json.loads((Path(model) / "dataset.json").read_text(encoding="utf-8")))


def file_digest(paths: list[Path]) -> str:
    """SHA-256 over the content of files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
