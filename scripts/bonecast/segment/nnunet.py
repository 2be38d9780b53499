"""Run any nnU-Net v2 model over many scans in one process.

nnU-Net's own predictor does the network's work. Around it: the scan is brought to the
network's spacing once, and class scores go back to the scan's grid slab by slab, so a
large scan never holds all classes at full resolution.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bonecast.images import Volume, load
from bonecast.segment.grid import coarse_shape, grid_weights, resample

SLAB = 32
"""Slices of the scan's grid decided at a time."""


@dataclass(frozen=True)
class Result:
    """One scan's outcome: `classes` on the scan's grid, or what went wrong."""

    participant_id: str
    classes: Volume | None
    seconds: float
    error: str = ""


class Network:
    """A trained nnU-Net, loaded once.

    Attributes:
        classes: name of each class index, 0 is background.
        spacing_mm: voxel size the network works at, along x, y, z.
        device: where it runs.
    """

    def __init__(self, model: str | Path, device: str = "auto", threads: int = 2):
        """Load a model folder (plans.json, dataset.json, fold_*/checkpoint_final.pth).

        Raises:
            FileNotFoundError: the folder is not a trained nnU-Net model.
        """
        model = Path(model)
        if not (model / "plans.json").is_file() or not list(model.glob("fold_*/checkpoint_*.pth")):
            raise FileNotFoundError(
                f"segment.model: {model} holds no trained nnU-Net v2 model "
                "(expected plans.json, dataset.json and fold_*/checkpoint_final.pth)"
            )
        # nnU-Net warns about these at import; inference does not use them.
        for name in ("raw", "preprocessed", "results"):
            os.environ.setdefault(f"nnUNet_{name}", "")
        import torch
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

        torch.set_num_threads(threads)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = device
        self.predictor = nnUNetPredictor(
            tile_step_size=0.5,
            use_gaussian=True,
            use_mirroring=False,
            perform_everything_on_device=device == "cuda",
            device=torch.device(device),
            allow_tqdm=False,
        )
        self.predictor.initialize_from_trained_model_folder(str(model), use_folds=None)
        labels = self.predictor.dataset_json["labels"]
        self.classes = {int(index): name for name, index in labels.items()}
        # nnU-Net's arrays are [z, y, x].
        self.spacing_mm = tuple(self.predictor.configuration_manager.spacing[::-1])

    def logits(self, hu: np.ndarray) -> np.ndarray:
        """Class scores (class, x, y, z) of a volume [x, y, z] at the network's spacing."""
        import torch

        predictor = self.predictor
        preprocessor = predictor.configuration_manager.preprocessor_class(verbose=False)
        data, _, properties = preprocessor.run_case_npy(
            hu.transpose(2, 1, 0)[None],
            None,
            {"spacing": list(self.spacing_mm[::-1])},
            predictor.plans_manager,
            predictor.configuration_manager,
            predictor.dataset_json,
        )
        found = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data)).numpy()
        full = np.full((found.shape[0], *properties["shape_before_cropping"]), -1e4, np.float32)
        full[0] = 1e4
        box = tuple(slice(low, high) for low, high in properties["bbox_used_for_cropping"])
        full[(slice(None), *box)] = found
        back = predictor.plans_manager.transpose_backward
        return full.transpose(0, *(1 + axis for axis in back)).transpose(0, 3, 2, 1)

    def segment(self, ct: Volume) -> Volume:
        """Class of every voxel of a scan (uint8, on the scan's grid)."""
        shape = coarse_shape(ct.data.shape, ct.spacing_mm, self.spacing_mm)
        weights = grid_weights(ct.data.shape, ct.spacing_mm, shape, self.spacing_mm)
        return ct.like(self.decide(self.logits(resample(ct.data, weights)), ct))

    def decide(self, logits: np.ndarray, ct: Volume) -> np.ndarray:
        """The likeliest class at each voxel of the scan's grid, from coarse scores."""
        scores = np.exp(logits - logits.max(axis=0, keepdims=True))
        scores /= scores.sum(axis=0, keepdims=True)
        wx, wy, wz = grid_weights(logits.shape[1:], self.spacing_mm, ct.data.shape, ct.spacing_mm)
        classes = np.empty(ct.data.shape, np.uint8)
        for start in range(0, ct.data.shape[2], SLAB):
            rows = wz[start : start + SLAB]
            # The thickest dimension first: few coarse slices feed one slab.
            used = np.flatnonzero(rows.any(axis=0))
            part = scores[..., used[0] : used[-1] + 1]
            fine = resample(part, [wx, wy, rows[:, used[0] : used[-1] + 1]])
            classes[..., start : start + SLAB] = fine.argmax(axis=0)
        return classes


def segment_scans(network: Network, scans: dict[str, Path]) -> Iterator[Result]:
    """Segment scans one after the other, reading the next one while the network works.

    A scan that fails is reported in its result; the others go on.

    Args:
        network: the loaded model.
        scans: participant_id to path of ct.nii.gz.

    Raises:
        MemoryError, torch.OutOfMemoryError, torch.AcceleratorError: the machine failed, not the
            scan: nobody is left out of a study for that.
    """
    import torch

    machine_faults = (MemoryError, torch.OutOfMemoryError, torch.AcceleratorError)
    names = list(scans)
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(load, scans[names[0]]) if names else None
        for i, name in enumerate(names):
            started = time.perf_counter()
            current = ahead
            if i + 1 < len(names):
                ahead = reader.submit(load, scans[names[i + 1]])
            try:
                classes = network.segment(current.result())
                yield Result(name, classes, time.perf_counter() - started)
            except machine_faults:
                raise
            except Exception as error:  # one scan must not take the batch with it
                yield Result(
                    name, None, time.perf_counter() - started, f"{type(error).__name__}: {error}"
                )


def model_digest(model: str | Path) -> str:
    """SHA-256 over plans and weights: identifies the model in provenance and caches."""
    digest = hashlib.sha256()
    for path in sorted([Path(model) / "plans.json", *Path(model).glob("fold_*/checkpoint_*.pth")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def model_versions() -> dict[str, str]:
    """Versions of the software that decides a segmentation."""
    from importlib.metadata import version

    return {name: version(name) for name in ("nnunetv2", "torch")}


def class_names(model: str | Path) -> dict[int, str]:
    """Class names of a model folder, by index."""
    labels = json.loads((Path(model) / "dataset.json").read_text())["labels"]
    return {int(index): name for name, index in labels.items()}
