"""Headers of many files by several processes."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bonecast.dicom.headers import FileKind, Header, quiet_pydicom, read_header

BATCH = 100


def read_headers(paths: Sequence[Path], processes: int) -> list[Header | FileKind]:
    """A header or a kind for each path, in their order."""
    batches = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
    if processes == 1 or len(batches) < 2:
        return [found for batch in batches for found in _read(batch)]
    with ProcessPoolExecutor(processes) as pool:
        return [found for batch in pool.map(_read, batches) for found in batch]


def _read(paths: Sequence[Path]) -> list[Header | FileKind]:
    with quiet_pydicom():
        return [read_header(path, 0) for path in paths]
