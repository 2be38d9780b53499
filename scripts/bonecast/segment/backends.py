"""What every segmentation backend gives, whatever network is inside.

The batch (`segment/batch.py`, `segment/worker.py`) knows this interface and nothing of nnU-Net:
it opens one backend per process and sends scans through `read`, `infer` and `finish`, each of
which runs in a thread of its own while the others work on the neighbouring scans.
"""

from pathlib import Path
from typing import Any, Protocol

from bonecast.images import Volume

RESULTS_ON_CPU = "results_on_cpu"
"""Way out of a full GPU memory: scores are collected in main memory. The same result."""
SMALLER_TILES = "smaller_tiles"
"""The network sees smaller pieces of the scan. Scores differ slightly."""
CPU_DEVICE = "cpu_device"
"""The network runs on the CPU for this scan. The same result up to rounding, slowly."""


class Backend(Protocol):
    """A network, or several, that turns a scan into label maps.

    Opening one is cheap: weights are read by `load`, so that a batch in which everything is
    finished costs nothing.

    Attributes:
        name: as in segment.backend.
        digest: SHA-256 over everything that decides a voxel (weights, plans, options, code):
            a result made under another digest is made again.
        provenance: plain values for JSON: backend, model {name, sha256}, versions, device,
            spacing_mm, label_map (index to class name). Complete once loaded.
        fallbacks: optional; ways to need less memory, in the order in which they are tried
            when memory runs out, each a keyword that `infer` takes.
        helpers: optional; how many scans may be read at a time, and how many written, while
            the network works on another. Known once loaded; 1 where it is missing.
    """

    name: str
    digest: str
    provenance: dict

    def load(self) -> None:
        """Read the weights. Called once, in the main thread. Optional."""

    def read(self, path: Path) -> Any:
        """A scan as the network wants it: loaded, resampled, normalised. In a reader thread."""

    def infer(self, prepared: Any) -> Any:
        """The network itself. Main thread. With `fallbacks`, also `infer(prepared, fallback)`."""

    def finish(self, inferred: Any) -> dict[str, Volume]:
        """Label maps on the scan's grid: "classes", and "bodies", "tissue" where there are any.

        Runs in a writer thread.
        """


def open_backend(settings: dict) -> Backend:
    """The backend that the `segment` section of the configuration names.

    Args:
        settings: options of the section, paths located; `threads` is the number of CPU threads.

    Raises:
        ValueError: no such backend, or options it cannot follow.
        FileNotFoundError: its model is not there.
        WeightsError: TotalSegmentator's weights or licence are not there.
    """
    name = settings["backend"]
    if name == "nnunet":
        from bonecast.segment.nnunet import Network

        return Network(
            settings["model"],
            settings["device"],
            settings["threads"],
            folds=settings["folds"],
            checkpoint=settings["checkpoint"],
            tile_step=settings["tile_step"],
            mirroring=settings["mirroring"],
        )
    if name == "totalsegmentator":
        from bonecast.segment.totalsegmentator import open_totalsegmentator

        return open_totalsegmentator(settings)
    raise ValueError(f"segment.backend: {name} runs no network")


def is_memory_error(error: BaseException) -> bool:
    """Whether a computation failed for want of memory, on the GPU or in the machine."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"MemoryError", "OutOfMemoryError"}:
        return True
    # PyTorch's CPU allocator and the CUDA libraries raise their base classes.
    text = str(error).lower()
    words = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    return "RuntimeError" in kinds and any(word in text for word in words)


def is_machine_fault(error: BaseException) -> bool:
    """Whether the machine failed rather than the scan: nobody is left out of a study for that."""
    if isinstance(error, OSError) and error.errno:
        return True  # a file is gone or the disk fails; damaged content has no error number
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return is_memory_error(error) or "AcceleratorError" in kinds
