"""The lists of files: one per scan, and one for whatever was left out."""

import os
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bonecast.dicom.export.notes import list_name
from bonecast.dicom.export.scans import LeftOut, Scan
from bonecast.dicom.export.tables import Row
from bonecast.dicom.listing import LIST_SUFFIX, write_list

LEFT_OUT_COLUMNS = ("reason", "participant_id", "session_id", "files", "path", "meaning")


def write_lists(
    source: Path,
    home: Path,
    table: pa.Table,
    scans: Sequence[Scan],
    left: Sequence[LeftOut],
    named: Collection[str],
    joined: Collection[str],
) -> int:
    """Write every list that differs from the one on disk.

    Paths are relative to the list where the private folder lies in the export, else absolute. A
    list whose files have changed on disk gets a new date, so that what depends on it runs again.
    Lists that nobody needs any more are deleted; one that a row still names is left empty.

    Args:
        named: paths of lists in the participants table.
        joined: participants whom headers write in several ways.

    Returns:
        How many lists of scans were written or got a new date.
    """
    root, place = Path(source).resolve(), home.resolve()
    absolute = root not in place.parents
    # Taken out whole: one row at a time costs a hundred times more.
    paths = table["path"].to_pylist()
    mtimes_ns = table["mtime_ns"].to_numpy()

    def files(rows: np.ndarray) -> list[str]:
        return [os.path.join(root, os.fsdecode(paths[row])) for row in rows]  # noqa: PTH118

    changed = 0
    for scan in scans:
        path = home / list_name(scan)
        one_person = scan.participant_id in joined
        if write_list(path, files(scan.rows), absolute, one_person):
            changed += 1
        elif path.stat().st_mtime_ns < int(mtimes_ns[scan.rows].max()) < time.time_ns():
            path.touch()
            changed += 1
    for one in left:
        lines = [path.replace("\n", "?").replace("\r", "?") for path in files(one.rows)]
        write_list(home / _left_out_name(one), lines, absolute)
    wanted = {list_name(scan) for scan in scans} | {_left_out_name(one) for one in left}
    for path in sorted([*home.glob("lists/*"), *home.glob("left_out/*")]):
        name = path.relative_to(home).as_posix()
        if name in wanted:
            continue
        if name in named:
            changed += write_list(path, [])
        else:
            path.unlink()
    return changed


def _left_out_name(one: LeftOut) -> str:
    parts = filter(None, (one.reason, one.participant_id, one.session_id))
    return f"left_out/{'_'.join(parts)}{LIST_SUFFIX}"


def left_out_rows(left: Sequence[LeftOut]) -> list[Row]:
    """Rows of left_out.tsv."""
    cells = (
        (
            *(str(one.reason), one.participant_id, one.session_id, str(len(one.rows))),
            *(_left_out_name(one), one.reason.sentence),
        )
        for one in left
    )
    return sorted(
        (dict(zip(LEFT_OUT_COLUMNS, row, strict=True)) for row in cells),
        key=lambda row: (row["participant_id"], row["session_id"], row["reason"]),
    )
