"""A backend without a network that meets trouble where its settings say, for tests.

Imported by name in the process under test too, so it is a module of its own.
"""

import hashlib
import os
import resource
import signal
import threading
import time
from pathlib import Path

import numpy as np

from bonecast.images import Volume, load


class Fake:
    """Marks voxels above 100 HU.

    Settings:
        model: any text; another one is another model.
        trouble: "<participant>.<stage>" (read, infer, finish) or "load" to what happens there:
            die, die_once (where the file `marker` is not there yet), terminate (as a scheduler
            does), crowd (die unless alone in the process), slow, thread (wait for one that failed),
            ValueError, MemoryError, or full:<n> (memory suffices from the n-th fallback on).
        fallbacks: of the interface.
    """

    name = "fake"

    def __init__(self, settings: dict):
        self.settings = settings
        self.fallbacks = tuple(settings.get("fallbacks", ()))
        self.digest = hashlib.sha256(settings.get("model", "").encode()).hexdigest()
        self.provenance = {
            "backend": self.name,
            "model": {"name": settings.get("model", ""), "sha256": self.digest},
            "versions": {},
            "device": "cpu",
            "spacing_mm": [1.0, 1.0, 1.0],
            "label_map": {"0": "background", "1": "vertebral_body"},
        }
        self.lock = threading.Lock()
        self.held = self.most_held = 0
        self.inferred: list[str] = []

    def load(self) -> None:
        self.meet("load")

    def read(self, path: Path) -> tuple[str, Volume]:
        name = path.name.removesuffix(".nii.gz")
        self.hold(1)
        self.meet(f"{name}.read")
        return name, load(path)

    def infer(self, prepared, fallback: str = ""):
        self.inferred.append(f"{prepared[0]} {fallback}".strip())
        self.meet(f"{prepared[0]}.infer", fallback)
        return prepared

    def finish(self, inferred) -> dict[str, Volume]:
        name, ct = inferred
        self.meet(f"{name}.finish")
        self.hold(-1)
        return {"classes": ct.like((ct.data > 100).astype(np.uint8))}

    def hold(self, change: int) -> None:
        with self.lock:
            self.held += change
            self.most_held = max(self.most_held, self.held)

    def meet(self, where: str, fallback: str = "") -> None:
        what = self.settings.get("trouble", {}).get(where, "")
        if what in ("slow", "crowd"):
            time.sleep(0.2)
        if what == "terminate":
            os.kill(os.getpid(), signal.SIGTERM)
        if what == "die_once":
            marker = Path(self.settings["marker"])
            what = "" if marker.exists() else "die"
            marker.touch()
        if what == "die" or (what == "crowd" and self.held > 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "thread":
            threading.Thread(target=lambda: 1 / 0).start()
            threading.Event().wait()
        if what == "ValueError":
            raise ValueError("/somewhere/odd scan")
        if what == "MemoryError":
            raise MemoryError
        if what.startswith("full:"):
            enough = ("", *self.fallbacks)[int(what.removeprefix("full:")) :]
            if fallback not in enough:
                raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")


def open_fake(settings: dict) -> Fake:
    return Fake(settings)


def open_on_a_small_disk(settings: dict) -> Fake:
    """A fake backend in a process that may write files of no more than `limit_bytes`."""
    limit = settings["limit_bytes"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return Fake(settings)
