"""What a segmentation backend is, and which one the configuration asks for."""

from pathlib import Path
from typing import Any, Protocol

from bonecast.images import Volume


class Backend(Protocol):
    """Anything that segments scans: reading, the network and finishing may overlap.

    Attributes:
        name: as in `segment.backend`.
        digest: SHA-256 over everything that decides a voxel; results are kept under it.
        provenance: what segmentation.json says; plain values.
    """

    name: str
    digest: str
    provenance: dict

    def read(self, path: Path) -> Any:
        """Load and prepare a scan (reader thread)."""

    def infer(self, prepared: Any) -> Any:
        """Run the network (main thread)."""

    def finish(self, inferred: Any) -> dict[str, Volume]:
        """`classes`, and `bodies` and `tissue` where there are any, on the scan's grid."""


def open_backend(settings: dict) -> Backend:
    """The backend of a configuration's `segment` section, its weights checked.

    Raises:
        ValueError: a backend that runs no network.
    """
    if settings["backend"] == "totalsegmentator":
        from bonecast.segment.totalsegmentator import open_totalsegmentator

        return open_totalsegmentator(settings)
    raise ValueError(f"segment.backend: {settings['backend']} runs no network")
