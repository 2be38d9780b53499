"""Run any nnU-Net v2 model over many scans in one process.

nnU-Net's own predictor does the network's work. Around it: the scan is brought to the
network's spacing once, air around the body is left out, and class scores go back to the
scan's grid slab by slab and only where there is anything but background.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bonecast.digest import code_digest
from bonecast.images import Volume, bounding_box, load
from bonecast.segment.backends import CPU_DEVICE, RESULTS_ON_CPU, SMALLER_TILES
from bonecast.segment.device import choose_device, use_repeatable_kernels
from bonecast.segment.grid import (
    Box,
    body_box,
    coarse_shape,
    grid_weights,
    likeliest,
    painted,
    reach,
    resample,
)
from bonecast.segment.model_folder import (
    file_digest,
    find_weights,
    has_regions,
    label_map,
    read_dataset,
)

DECIDING_MODULES = ("segment/nnunet.py", "segment/grid.py", "segment/device.py")
"""Library code that decides the class of a voxel: results of an older version are made again."""


@dataclass(frozen=True)
class Prepared:
    """A scan as the network takes it, or gives it back.

    Attributes:
        data: before the network: normalised, shape (1, a, b, c) in the network's order of
            axes; after it: scores (class, a, b, c).
        box: where `data` lies in the coarse grid [z, y, x], before it was transposed.
        shape: voxels of the coarse grid [z, y, x].
        scan: shape of the scan [x, y, z], voxel size in mm and affine.
    """

    data: np.ndarray
    box: Box
    shape: tuple[int, ...]
    scan: tuple[tuple[int, ...], tuple[float, ...], np.ndarray]


class Network:
    """A trained nnU-Net, loaded once. A `bonecast.segment.backends.Backend`.

    Attributes:
        classes: name of each class by its value in the result, 0 is background.
        digest: identifies weights, plans, options and deciding code.
        device: where it runs; known once loaded.
        spacing_mm: voxel size the network works at, along x, y, z; known once loaded.
    """

    name = "nnunet"

    def __init__(
        self,
        model: str | Path,
        device: str = "auto",
        threads: int = 2,
        *,
        folds: str | list[int] = "all",
        checkpoint: str = "final",
        tile_step: float = 0.5,
        mirroring: bool = False,
    ):
        """Look at a model folder (plans.json, dataset.json, fold_*/checkpoint_*.pth).

        Args:
            model: the folder.
            device: auto, cpu or cuda.
            threads: CPU threads of the network.
            folds: "all" or their numbers; scores of several are averaged.
            checkpoint: final or best.
            tile_step: step between tiles, as a share of the tile.
            mirroring: average over the mirrored scans the model was trained with.

        Raises:
            FileNotFoundError: the folder is not a trained nnU-Net model, or has no such fold.
            ValueError: a model of several channels.
        """
        self.model = Path(model)
        self.weights = find_weights(self.model, folds, checkpoint)
        self.dataset = read_dataset(self.model)
        self.classes = label_map(self.dataset)
        self.checkpoint = checkpoint
        self.tile_step, self.mirroring = tile_step, mirroring
        self.threads = threads
        self.device = device
        self._predictor = None

    @cached_property
    def model_digest(self) -> str:
        """SHA-256 over plans and the weights used."""
        return file_digest([self.model / "plans.json", *self.weights.values()])

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that decides a voxel."""
        labels = {key: self.dataset.get(key) for key in ("labels", "regions_class_order")}
        # Class names decide nothing here: renaming them needs no network.
        decides = [
            self.model_digest,
            [list(labels["labels"].values()), labels["regions_class_order"]],
            [self.tile_step, self.mirroring],
            code_digest(*DECIDING_MODULES),
        ]
        return hashlib.sha256(json.dumps(decides).encode()).hexdigest()

    @property
    def provenance(self) -> dict:
        """How results came about, for JSON."""
        from importlib.metadata import version

        return {
            "backend": self.name,
            "model": {
                "name": self.model.name,
                "sha256": self.model_digest,
                "folds": list(self.weights),
                "checkpoint": self.checkpoint,
                "tile_step": self.tile_step,
                "mirroring": self.mirroring,
            },
            "versions": {name: version(name) for name in ("nnunetv2", "torch")},
            "device": self.device,
            "spacing_mm": list(self.spacing_mm),
            "label_map": {str(value): name for value, name in self.classes.items()},
        }

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """Ways to need less memory, each tried when the one before was not enough."""
        if self.device == "cpu":
            return (SMALLER_TILES,)
        return (RESULTS_ON_CPU, SMALLER_TILES, CPU_DEVICE)

    @property
    def helpers(self) -> int:
        """Scans read, and written, at a time: on a GPU the CPU threads have nothing else to do."""
        return max(1, self.threads // 2) if self.device == "cuda" else 1

    def load(self) -> None:
        """Read the weights; later calls do nothing.

        Raises:
            ValueError: a configuration that cannot be run here (cascade, 2d).
            RuntimeError: cuda is asked for and there is none.
        """
        if self._predictor is not None:
            return
        # nnU-Net warns about these at import; inference does not use them.
        for name in ("raw", "preprocessed", "results"):
            os.environ.setdefault(f"nnUNet_{name}", "")
        import torch

        self.device = choose_device(self.device)
        torch.set_num_threads(self.threads)
        predictor = make_predictor(
            tile_step_size=self.tile_step,
            use_gaussian=True,
            use_mirroring=self.mirroring,
            perform_everything_on_device=self.device != "cpu",
            device=torch.device(self.device),
            allow_tqdm=False,
        )
        check_configuration(self.model, next(iter(self.weights.values())))
        predictor.initialize_from_trained_model_folder(
            str(self.model),
            use_folds=tuple(self.weights),
            checkpoint_name=f"checkpoint_{self.checkpoint}.pth",
        )
        use_repeatable_kernels()
        self._predictor = predictor

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size the network works at, along x, y, z."""
        # Plans are in the network's own order of axes; nnU-Net's arrays are [z, y, x].
        back = self._predictor.plans_manager.transpose_backward
        zyx = [self._predictor.configuration_manager.spacing[axis] for axis in back]
        return tuple(float(step) for step in zyx[::-1])

    def read(self, path: Path) -> Prepared:
        """A scan, loaded and as the network takes it."""
        return self.prepare(load(path))

    def prepare(self, ct: Volume) -> Prepared:
        """A scan at the network's spacing, without the air around it, normalised."""
        predictor = self._predictor
        spacing = self.spacing_mm[::-1]
        zyx, steps = ct.data.transpose(2, 1, 0), ct.spacing_mm[::-1]
        shape = coarse_shape(zyx.shape, steps, spacing)
        coarse = resample(zyx, grid_weights(zyx.shape, steps, shape, spacing))
        patch = predictor.configuration_manager.patch_size
        tile = [patch[axis] for axis in predictor.plans_manager.transpose_backward]
        box = body_box(coarse, spacing, tile)
        preprocessor = predictor.configuration_manager.preprocessor_class(verbose=False)
        data, _, properties = preprocessor.run_case_npy(
            coarse[box][None],
            None,
            {"spacing": list(spacing)},
            predictor.plans_manager,
            predictor.configuration_manager,
            self.dataset,
        )
        # nnU-Net crops zeros away, after transposing.
        inner = properties["bbox_used_for_cropping"]
        inner = [inner[axis] for axis in predictor.plans_manager.transpose_backward]
        box = tuple(
            slice(outer.start + low, outer.start + high)
            for outer, (low, high) in zip(box, inner, strict=True)
        )
        return Prepared(data, box, shape, (ct.data.shape, ct.spacing_mm, ct.affine))

    def infer(self, prepared: Prepared, fallback: str = "") -> Prepared:
        """Scores of every class on the network's grid (float16).

        Args:
            prepared: of `prepare`.
            fallback: one of `fallbacks`, for this scan only.

        Raises:
            MemoryError, torch.OutOfMemoryError: this way needs more memory than there is.
        """
        import torch

        data = torch.from_numpy(prepared.data)
        with self._frugal(fallback):
            scores = self._predictor.predict_logits_from_preprocessed_data(data).numpy()
        return Prepared(scores, prepared.box, prepared.shape, prepared.scan)

    @contextlib.contextmanager
    def _frugal(self, fallback: str) -> Iterator[None]:
        """The predictor set to need less memory, and set back afterwards."""
        import torch

        predictor = self._predictor
        configuration = predictor.configuration_manager.configuration
        before = (predictor.perform_everything_on_device, predictor.device)
        patch = configuration["patch_size"]
        try:
            if fallback:
                predictor.perform_everything_on_device = False
            if fallback == SMALLER_TILES:
                configuration["patch_size"] = smaller_tile(patch, configuration)
            if fallback == CPU_DEVICE:
                predictor.device = torch.device("cpu")
            yield
        finally:
            predictor.perform_everything_on_device, predictor.device = before
            configuration["patch_size"] = patch

    def finish(self, inferred: Prepared) -> dict[str, Volume]:
        """Class of every voxel of the scan (uint8, on the scan's grid)."""
        shape, steps, affine = inferred.scan
        dtype = np.uint8 if max(self.classes) < 256 else np.uint16
        back = self._predictor.plans_manager.transpose_backward
        scores = inferred.data.transpose(0, *(1 + axis for axis in back))
        classes = np.zeros(shape[::-1], dtype)
        box = self._foreground(scores)
        if box is not None:
            weights = grid_weights(inferred.shape, self.spacing_mm[::-1], shape[::-1], steps[::-1])
            found = [
                reach(matrix, outer.start + part.start, outer.start + part.stop)
                for matrix, outer, part in zip(weights, inferred.box, box, strict=True)
            ]
            # A scan coarser than the network may have voxels between the network's.
            fine, used = (tuple(axis[k] for axis in found) for k in (0, 1))
            weights = [
                matrix[rows, columns]
                for matrix, rows, columns in zip(weights, fine, used, strict=True)
            ]
            probabilities = self._probabilities(scores, inferred.box, used)
            if has_regions(self.dataset):
                order = self.dataset["regions_class_order"]
                classes[fine] = painted(probabilities, weights, order, dtype)
            else:
                classes[fine] = likeliest(probabilities, weights, dtype)
        return {"classes": Volume(classes.transpose(2, 1, 0), affine)}

    def _foreground(self, scores: np.ndarray) -> Box | None:
        """Bounding box of everything that is not background, None where all of it is.

        A voxel of the scan is a mean of voxels here: it can be foreground only where one of
        them is, so nothing outside needs deciding.
        """
        background = 0 if has_regions(self.dataset) else scores[0]
        heads = scores if has_regions(self.dataset) else scores[1:]
        mask = np.zeros(scores.shape[1:], bool)
        for head in heads:
            mask |= head > background
        return bounding_box(mask)

    def _probabilities(self, scores: np.ndarray, box: Box, used: Box) -> np.ndarray:
        """Probabilities (class, ...) within `used` of the coarse grid; background beyond `box`."""
        regions = has_regions(self.dataset)
        found = np.zeros((len(scores), *(part.stop - part.start for part in used)), np.float32)
        if not regions:
            found[0] = 1
        both = [
            slice(max(a.start, b.start), min(a.stop, b.stop))
            for a, b in zip(box, used, strict=True)
        ]
        inside = tuple(shifted(part, -outer.start) for part, outer in zip(both, box, strict=True))
        there = tuple(shifted(part, -outer.start) for part, outer in zip(both, used, strict=True))
        logits = scores[(slice(None), *inside)].astype(np.float32)
        if regions:
            found[(slice(None), *there)] = 1 / (1 + np.exp(-logits))
        else:
            logits -= logits.max(axis=0)
            np.exp(logits, out=logits)
            found[(slice(None), *there)] = logits / logits.sum(axis=0)
        return found

    def segment(self, ct: Volume) -> Volume:
        """Class of every voxel of a scan already in memory."""
        self.load()
        return self.finish(self.infer(self.prepare(ct)))["classes"]


def shifted(part: slice, by: int) -> slice:
    """A slice moved along its axis."""
    return slice(part.start + by, part.stop + by)


def smaller_tile(patch: list[int], configuration: dict) -> list[int]:
    """A tile of half the length, as far as the network's strides allow: an eighth of the memory."""
    strides = configuration["architecture"]["arch_kwargs"]["strides"]
    total = np.prod(np.atleast_2d(strides), axis=0)
    # Two voxels must be left at the bottom: instance normalisation needs more than one.
    return [
        min(int(n), max(2 * int(s), int(n) // 2 // int(s) * int(s)))
        for n, s in zip(patch, np.broadcast_to(total, len(patch)), strict=True)
    ]


def check_configuration(model: Path, weights: Path) -> None:
    """Raise ValueError for configurations of nnU-Net that need another network's result, or 2d."""
    import torch
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    checkpoint = torch.load(weights, map_location="cpu", weights_only=False)
    name = checkpoint["init_args"]["configuration"]
    configuration = PlansManager(str(model / "plans.json")).get_configuration(name)
    expected = "expected 3d_fullres or 3d_lowres"
    if configuration.previous_stage_name is not None:
        raise ValueError(
            f"segment.model: {model.name} ({name}) is the second stage of a cascade and needs the "
            f"result of '{configuration.previous_stage_name}'; {expected}"
        )
    if len(configuration.patch_size) != 3:
        raise ValueError(f"segment.model: {model.name} ({name}) works on slices; {expected}")


def make_predictor(**options):
    """nnU-Net's predictor, one that lets a full memory be seen.

    nnU-Net itself goes on with its results on the CPU and says so only on its standard output.
    """
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    class Predictor(nnUNetPredictor):
        def _internal_predict_sliding_window_return_logits(self, *args, **kwargs):
            try:
                return super()._internal_predict_sliding_window_return_logits(*args, **kwargs)
            except torch.OutOfMemoryError as error:
                raise MemoryError(str(error)) from None

    return Predictor(**options)
