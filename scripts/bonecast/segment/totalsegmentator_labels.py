"""From TotalSegmentator's labels to vertebrae, bodies and tissue in Bonecast's codes."""

from pathlib import Path

import numpy as np
from scipy import ndimage

from bonecast.images import Volume, bounding_box, load
from bonecast.levels import VERSE_CODES, VERSE_NAMES
from bonecast.segment.label import Labelled, check_grid, read_record, with_bodies
from bonecast.segment.labelmaps import translate
from bonecast.segment.raw import require, volume_path
from bonecast.segment.tissues import combine, present, tissue_codes

PREFIX = "vertebrae_"
BODY_CLASS = "vertebrae_body"
"""The one class of task vertebrae_body that is body; the other is disc."""

REACH_MM = 5.0
"""A voxel of a body this near to a vertebra of task total belongs to it: that task's surface
may lie a voxel off, and discs keep neighbours farther apart."""

MIN_DISSENT = 0.5
"""A level is in doubt where this share of it bears another name in the task for bodies."""


def label_from_totalsegmentator(ct: Volume, raw: Path) -> Labelled:
    """Vertebrae, bodies and tissue of one scan.

    Levels are named by task total. A task for bodies gives their outline; where it names
    levels too and disagrees, that is flagged.

    Args:
        ct: the scan.
        raw: <participant_id>.nii.gz of task total; beside it .json and, for the tasks that were
            run, .bodies.nii.gz and .tissue.nii.gz.

    Raises:
        Excluded: TotalSegmentator failed or found no vertebra, or its labels lie on another grid
            than the scan.
    """
    about = read_record(raw)
    maps = {key: _names(label_map) for key, label_map in about["label_maps"].items()}
    found = {key: _load(raw, key, ct) for key in maps}
    levels = _levels(maps["classes"])
    whole = translate(found["classes"], levels)
    kept = ("backend", "model", "versions", "device", "seconds", "fallback", "tasks")
    # Records of before have none.
    provenance = {key: about[key] for key in kept} | {"gpu": about.get("gpu", "")}
    provenance["label_map"] = {str(label): level for label, level in levels.items()}
    flags = []
    bodies = None
    if "bodies" in maps and whole.any():
        bodies, whole, flags = name_bodies(found["bodies"], maps["bodies"], whole, ct.spacing_mm)
    tissue = combine(
        *(tissue_codes(found[key], maps[key]) for key in ("classes", "tissue") if key in maps)
    )
    tissue[whole > 0] = 0
    labelled = with_bodies(ct, ct.like(whole), None if bodies is None else ct.like(bodies), {})
    provenance["bodies"] = about["tasks"].get("bodies") or labelled.provenance["bodies"]
    provenance["tissue"] = present(tissue)
    return Labelled(
        labelled.whole,
        labelled.bodies,
        provenance,
        labelled.flags + flags,
        tissue=ct.like(tissue),
    )


def name_bodies(
    labels: np.ndarray,
    names: dict[int, str],
    whole: np.ndarray,
    spacing_mm: tuple[float, float, float],
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Give each voxel of a body the name of the vertebra it lies in, or nearest to.

    Args:
        labels: of a task for bodies (vertebrae_body, vertebrae_pp or vertebrae_pp_refined).
        names: that task's class names by label.
        whole: VerSe codes of whole vertebrae, the same shape.
        spacing_mm: voxel size along the axes.

    Returns:
        VerSe codes of bodies; of whole vertebrae, completed by their bodies; what is in doubt.
    """
    own = _levels(names)
    is_body = np.isin(labels, [label for label, name in names.items() if name == BODY_CLASS])
    is_body |= np.isin(labels, list(own))
    bodies = np.zeros_like(whole)
    box = bounding_box(is_body, spacing_mm, margin_mm=REACH_MM)
    if box is not None:
        part = whole[box]
        # Only bodies are asked for, but distances need the vertebrae beside them.
        apart, nearest = ndimage.distance_transform_edt(
            part == 0, sampling=spacing_mm, return_indices=True
        )
        inside = is_body[box] & (apart <= REACH_MM)
        bodies[box][inside] = part[tuple(axis[inside] for axis in nearest)]
    flags = _doubts(translate(labels, own), bodies) if own else []
    return bodies, np.where(whole == 0, bodies, whole), flags


def _doubts(own: np.ndarray, bodies: np.ndarray) -> list[str]:
    """Levels that the task for bodies calls otherwise."""
    flags = []
    for code in np.unique(bodies[bodies > 0]).tolist():
        counts = np.bincount(own[bodies == code], minlength=256)
        other = int(counts.argmax())
        if other not in (0, code) and counts[other] >= MIN_DISSENT * counts.sum():
            flags.append(
                f"{VERSE_NAMES[code]} is called {VERSE_NAMES[other]} by the task for bodies"
            )
    return flags


def _levels(names: dict[int, str]) -> dict[int, str]:
    """Those labels that are levels, and their names."""
    levels = {label: name.removeprefix(PREFIX) for label, name in names.items()}
    return {label: level for label, level in levels.items() if level in VERSE_CODES}


def _names(label_map: dict[str, str]) -> dict[int, str]:
    return {int(label): name for label, name in label_map.items()}


def _load(raw: Path, key: str, ct: Volume) -> np.ndarray:
    """One label map of the scan's raw result."""
    path = volume_path(raw.parent, raw.name.removesuffix(".nii.gz"), key)
    labels = load(require(path))
    check_grid(labels, ct, "the segmentation")
    return labels.data
