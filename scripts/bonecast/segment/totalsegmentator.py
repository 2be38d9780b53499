"""Run TotalSegmentator over many scans in one process, through its own Python API.

The API was written for one scan a call. Around it, for the length of a call only: models stay
in memory from one scan to the next, preprocessing and export run in this process instead of in
two that import everything again, and nothing is downloaded, sent or written to the home.
"""

import contextlib
import importlib.metadata
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bonecast.digest import code_digest
from bonecast.images import Volume, load
from bonecast.segment.backends import CPU_DEVICE
from bonecast.segment.device import choose_device, use_repeatable_kernels
from bonecast.segment.totalsegmentator_weights import (
    LICENSED,
    WeightsError,
    check_license,
    checksums,
    combined_checksum,
    needed_weights,
    quiet_home,
    read_license,
    require_weights,
    tasks,
)

PACKAGES = ("TotalSegmentator", "nnunetv2", "torch")
FIRST_CHANNEL = "_0000.nii.gz"
"""End of the name of a scan's only channel, as nnU-Net has it."""
DECIDING_MODULES = ("segment/totalsegmentator.py", "segment/device.py")
"""Library code that decides the label of a voxel: results of an older version are made again."""


class TotalSegmentator:
    """A backend: TotalSegmentator with the tasks that the configuration asks for.

    Attributes:
        name: totalsegmentator.
        digest: SHA-256 over weights, options, versions and code.
        provenance: what segmentation.json says about how a scan was segmented.
        fallbacks: what is tried when GPU memory runs out. Before that, nnU-Net itself collects
            scores in main memory.
    """

    name = "totalsegmentator"
    fallbacks = (CPU_DEVICE,)

    def __init__(
        self,
        weights_dir: str | Path,
        *,
        fast: bool,
        bodies: str | None,
        tissue: str | None,
        license_number: str | None,
        device: str,
        threads: int,
    ):
        """Check weights and licence; models are loaded with the first scan.

        Args:
            weights_dir: folder of TotalSegmentator's weights.
            fast: the 3 mm model of task total.
            bodies: task for vertebral bodies, or None.
            tissue: task for fat and muscle, or None.
            license_number: needed for `tissue`; stays in memory and in a temporary folder.
            device: auto, cpu or cuda.
            threads: CPU threads of the networks.

        Raises:
            WeightsError: the package, weights or the licence that a task needs are missing.
            RuntimeError: cuda is asked for and there is none.
        """
        # Read when nnU-Net is imported: threads of its export.
        os.environ.setdefault("nnUNet_def_n_proc", str(threads))
        for folder in ("raw", "preprocessed", "results"):
            os.environ.setdefault(f"nnUNet_{folder}", "")
        self._needed = needed_weights(fast=fast, bodies=bodies, tissue=tissue)
        from totalsegmentator.map_tasks_config import TASK_CONFIGS
        from totalsegmentator.map_to_binary import class_map

        if tissue in LICENSED:
            check_license(license_number, tissue)
        self._weights_dir = Path(weights_dir)
        require_weights(self._weights_dir, self._needed)
        # TotalSegmentator's own word for it.
        self._device = "gpu" if choose_device(device) == "cuda" else "cpu"
        self._threads = threads
        self._fast = fast
        self._license_number = license_number
        keys = ("classes", "bodies", "tissue")
        chosen = ("total", bodies, tissue)
        self._tasks = {key: task for key, task in zip(keys, chosen, strict=True) if task}
        self._models: dict = {}
        sums = checksums(self._weights_dir, self._needed)
        mode = "fast" if fast else "default"
        versions = {name.lower(): importlib.metadata.version(name) for name in PACKAGES}
        self.provenance = {
            "backend": self.name,
            "model": {
                "name": " + ".join(
                    [f"total ({mode})", *tasks(bodies=bodies, tissue=tissue)[1:]],
                ),
                "sha256": combined_checksum(sums),
                "weights": sums,
            },
            "versions": versions,
            "device": "cuda" if self._device == "gpu" else "cpu",
            "spacing_mm": [TASK_CONFIGS["total"]["sub_modes"][mode]["resample"]] * 3,
            "label_map": _as_json(class_map["total"]),
            "tasks": dict(self._tasks),
            "label_maps": {key: _as_json(class_map[task]) for key, task in self._tasks.items()},
        }
        options = self._tasks | {"mode": mode, "code": code_digest(*DECIDING_MODULES)}
        self.digest = combined_checksum(sums | versions | options)

    def read(self, path: Path) -> Volume:
        """The scan; resampling is done inside the API."""
        return load(path)

    def infer(self, ct: Volume, fallback: str = "") -> dict[str, Volume]:
        """Run every task on a scan.

        Args:
            ct: the scan.
            fallback: one of `fallbacks`, where memory ran out.

        Returns:
            Labels (uint8, the scan's grid) of `classes` (task total) and, where configured,
            `bodies` and `tissue`, in TotalSegmentator's own numbers: see provenance.

        Raises:
            WeightsError: a task needs a model that was not fetched.
            RuntimeError: TotalSegmentator ended the program.
        """
        import nibabel as nib

        image = nib.Nifti1Image(ct.data, ct.affine)
        found = {}
        with self._at_home():
            from totalsegmentator.python_api import totalsegmentator

            for key, task in self._tasks.items():
                try:
                    result = totalsegmentator(
                        image,
                        None,
                        ml=True,
                        task=task,
                        fast=self._fast and key == "classes",
                        device="cpu" if fallback == CPU_DEVICE else self._device,
                        nr_thr_resamp=1,
                        nr_thr_saving=1,
                        quiet=True,
                    )
                except SystemExit as error:
                    raise RuntimeError(f"TotalSegmentator gave up in task {task}") from error
                found[key] = ct.like(np.asarray(result.dataobj).astype(np.uint8))
        return found

    def finish(self, found: dict[str, Volume]) -> dict[str, Volume]:
        """Nothing is left to do: the API returns labels on the scan's grid."""
        return found

    @contextlib.contextmanager
    def _at_home(self) -> Iterator[None]:
        """For the length of a call: our models, no download, no statistics, no home."""
        import torch

        threads_before = torch.get_num_threads()
        with quiet_home(self._license_number, self._weights_dir):
            import totalsegmentator.nnunet as engine
            import totalsegmentator.python_api as api

            replaced = [
                (engine, "nnUNetPredictor", _resident_predictor(self._models, self._threads)),
                # nnU-Net reads the folder of its models once, when it is imported.
                (engine, "get_output_folder", self._model_folder),
                (api, "download_pretrained_weights", self._require),
            ]
            originals = [getattr(module, name) for module, name, _ in replaced]
            try:
                for module, name, ours in replaced:
                    setattr(module, name, ours)
                yield
            finally:
                for (module, name, _), original in zip(replaced, originals, strict=True):
                    setattr(module, name, original)
                torch.set_num_threads(threads_before)

    def _require(self, task_id: int | str) -> None:
        """In place of the API's download: refuse what was not fetched beforehand."""
        wanted = [weights for weights in self._needed if weights.task_id == task_id]
        if not wanted:
            raise WeightsError(f"TotalSegmentator asks for model {task_id}, which is not fetched")
        require_weights(self._weights_dir, wanted)

    def _model_folder(self, task_id: int, trainer: str, plans: str, model: str) -> str:
        """The folder of a trained model."""
        (weights,) = [weights for weights in self._needed if weights.task_id == task_id]
        return str(self._weights_dir / weights.dataset / f"{trainer}__{plans}__{model}")


def _as_json(names: dict[int, str]) -> dict[str, str]:
    return {str(label): name for label, name in names.items()}


def _resident_predictor(models: dict, threads: int) -> type:
    """nnU-Net's predictor, taking models from memory and working in this process.

    Args:
        models: what was loaded so far; filled as models are asked for.
        threads: CPU threads; the API would take all of the machine's.
    """
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    loaded = (
        "plans_manager",
        "configuration_manager",
        "list_of_parameters",
        "network",
        "dataset_json",
        "trainer_name",
        "allowed_mirroring_axes",
        "label_manager",
    )

    class ResidentPredictor(nnUNetPredictor):
        """One model for the length of a call; its weights outlive it."""

        def initialize_from_trained_model_folder(self, folder, use_folds, checkpoint_name):
            torch.set_num_threads(threads)
            key = (folder, tuple(use_folds), checkpoint_name)
            if key not in models:
                super().initialize_from_trained_model_folder(folder, use_folds, checkpoint_name)
                models[key] = {name: getattr(self, name) for name in loaded}
            vars(self).update(models[key])
            use_repeatable_kernels()

        def predict_from_files(
            self,
            source,
            target,
            save_probabilities=False,
            overwrite=True,
            folder_with_segs_from_prev_stage=None,
            **unused,
        ):
            """The same work without processes for listing, preprocessing and export.

            The API asks for one scan (in three parts where it is large) in a folder of its own.
            """
            cases = sorted(Path(source).glob(f"*{FIRST_CHANNEL}"))
            names = [path.name.removesuffix(FIRST_CHANNEL) for path in cases]
            return self.predict_from_files_sequential(
                [[str(path)] for path in cases],
                [str(Path(target) / name) for name in names],
                save_probabilities,
                overwrite,
                folder_with_segs_from_prev_stage,
            )

    return ResidentPredictor


def open_totalsegmentator(settings: dict) -> TotalSegmentator:
    """The backend as the `segment` section of the configuration wants it."""
    options = settings["totalsegmentator"]
    return TotalSegmentator(
        settings["weights_dir"],
        fast=options["fast"],
        bodies=options["bodies"],
        tissue=options["tissue"],
        license_number=read_license(options["license_file"]),
        device=settings["device"],
        threads=settings["threads"],
    )
