"""Segment a batch of scans in one process; what is finished stays finished."""

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path

from bonecast.digest import code_digest
from bonecast.images import save
from bonecast.runtime import read_json, write_json

COLUMNS = ("participant_id", "status", "seconds", "error")

DECIDING_MODULES = ("segment/nnunet.py", "segment/grid.py")
"""Library code that decides the class of a voxel: results of an older version are made again."""


def segment_batch(
    scans: dict[str, Path],
    raw: Path,
    *,
    model: str,
    device: str,
    threads: int,
    tell: Callable[[str], None],
) -> list[dict]:
    """Write the network's classes of each scan to `raw`; returns one row a scan.

    A scan whose result is there already, made from the same voxels by the same model and
    code, is not segmented again. An empty scan file (an excluded participant) is passed over.

    Args:
        scans: participant_id to path of ct.nii.gz.
        raw: folder for <participant_id>.nii.gz and .json.
        model: nnU-Net model folder.
        device: auto, cpu or cuda.
        threads: CPU threads of the network.
        tell: receives one line of progress a scan.

    Raises:
        RuntimeError: every one of several scans failed.
    """
    from bonecast.segment.nnunet import Network, model_digest, model_versions, segment_scans

    raw.mkdir(parents=True, exist_ok=True)
    made_by = model_digest(model)
    code = code_digest(*DECIDING_MODULES)
    rows, waiting = {}, {}
    for name, path in scans.items():
        content = Path(path).read_bytes()
        key = hashlib.sha256(content + f"{made_by} {code}".encode()).hexdigest()
        if not content:
            rows[name] = {"participant_id": name, "status": "no_scan"}
        elif finished(raw, name, key):
            rows[name] = {"participant_id": name, "status": "kept"}
        else:
            waiting[name] = (path, key)
    if waiting:
        network = Network(model, device, threads)
        provenance = {
            "backend": "nnunet",
            "model": {"name": Path(model).name, "sha256": made_by},
            "versions": model_versions(),
            "device": network.device,
            "spacing_mm": list(network.spacing_mm),
        }
        paths = {name: path for name, (path, _) in waiting.items()}
        for done, result in enumerate(segment_scans(network, paths), start=1):
            name = result.participant_id
            row = {
                "participant_id": name,
                "seconds": round(result.seconds, 2),
                # The whole message goes to the log, which is cleaned of paths; this is published.
                "error": result.error.partition(":")[0],
            }
            if result.classes is None:
                row["status"] = "failed"
            else:
                row["status"] = "segmented"
                save(result.classes, raw / f"{name}.nii.gz")
            about = {"key": waiting[name][1], **provenance, "seconds": row["seconds"]}
            write_json(about | {"error": row["error"]}, raw / f"{name}.json")
            rows[name] = row
            tell(
                f"{done} of {len(waiting)}: {name} {row['status']} in {result.seconds:.1f} s "
                + result.error
            )
        failed = [name for name in waiting if rows[name]["status"] == "failed"]
        done_before = [row for row in rows.values() if row["status"] == "kept"]
        if len(failed) == len(waiting) > 1 and not done_before:
            raise RuntimeError(
                f"all {len(failed)} scans of the batch failed ({rows[failed[0]]['error']}): the "
                "fault is in the model or the machine, so nobody is left out for it"
            )
    return [rows[name] for name in scans]


def finished(raw: Path, name: str, key: str) -> bool:
    """Whether a scan's result is there and was made under the same key."""
    about = raw / f"{name}.json"
    if not about.exists() or not (raw / f"{name}.nii.gz").exists():
        return False
    record = read_json(about)
    return record["key"] == key and not record["error"]


def write_rows(rows: list[dict], path: Path) -> None:
    """The batch's table (TSV)."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="", delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
