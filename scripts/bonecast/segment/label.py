"""Named vertebrae of one scan, from the network's classes or the user's own mask."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from bonecast.images import Volume, load
from bonecast.levels import VERSE_CODES, VERSE_NAMES
from bonecast.reasons import Excluded, Reason
from bonecast.runtime import read_json
from bonecast.segment.bodies import split_bodies
from bonecast.segment.instances import BODY, find_vertebrae
from bonecast.segment.labelmaps import read_mapping, recode, translate
from bonecast.segment.naming import Count
from bonecast.segment.raw import check, record_path, require
from bonecast.segment.review import Review, apply_names, review_levels
from bonecast.segment.tissues import TISSUE_CODES, TISSUE_CONVENTIONS, present

GRID_TOLERANCE_MM = 0.1
"""A mask's corners may differ from the scan's by this much (rounding of headers)."""


@dataclass
class Labelled:
    """Masks of one scan and how they came about.

    Attributes:
        whole, bodies: VerSe codes (uint8, the scan's grid).
        provenance: backend, model, versions, device, seconds, as far as known.
        flags: what a person should look at.
        tissue: codes of `segment/tissues.py` (uint8), where the backend tells tissue apart.
        count: how levels were counted, None where the names came with mask or model.
        review: what is known about the names, once `reviewed`.
    """

    whole: Volume
    bodies: Volume
    provenance: dict
    flags: list[str] = field(default_factory=list)
    tissue: Volume | None = None
    count: Count | None = None
    review: Review | None = None

    def levels(self) -> dict[str, dict]:
        """Per level: code, voxels of body and whole vertebra, whether the border cuts its body."""
        boxes = ndimage.find_objects(self.bodies.data)
        whole = dict(enumerate(ndimage.find_objects(self.whole.data), start=1))
        last = np.array(self.bodies.data.shape)
        levels = {}
        for code, box in enumerate(boxes, start=1):
            if box is not None:
                cut = any(b.start == 0 or b.stop == n for b, n in zip(box, last, strict=True))
                levels[VERSE_NAMES[code]] = {
                    "code": code,
                    "n_voxels": voxels_of(code, self.whole.data, whole.get(code)),
                    "n_body_voxels": voxels_of(code, self.bodies.data, box),
                    "touches_border": bool(cut),
                }
        if self.review is not None:
            for level, about in levels.items():
                about["level_confidence"] = self.review.confidence[level]
                about["flags"] = [str(flag) for flag in self.review.flags[level]]
        return levels


def voxels_of(code: int, data: np.ndarray, box: tuple[slice, ...] | None) -> int:
    """How many voxels have a code, all of which lie in a box; 0 without one."""
    return 0 if box is None else int(np.count_nonzero(data[box] == code))


def read_record(raw: Path) -> dict:
    """What the batch wrote about one scan, beside its raw result <participant_id>.nii.gz.

    Raises:
        Excluded: the network failed on this scan.
        FileNotFoundError: the batch's results are no longer there.
        RuntimeError: they are not those of the record.
    """
    name = raw.name.removesuffix(".nii.gz")
    about = read_json(require(record_path(raw.parent, name)))
    if about["error"]:
        raise Excluded(Reason.SEGMENTATION_FAILED, about["error"])
    check(raw.parent, name, about)
    return about


def reviewed(
    found: Labelled,
    shift: int | None,
    tissue: Volume | None = None,
    tissue_codes: Mapping[str, int] | None = None,
) -> Labelled:
    """Check the names of a scan and apply the shift that the participants table asks for.

    Args:
        found: as labelled.
        shift: levels that all names move towards the foot; None where the table says nothing.
        tissue, tissue_codes: organs and ribs, where the backend has them, and their names.

    Raises:
        Excluded: the shift leaves a vertebra without a name.
    """
    corrected = "mask" in found.provenance.get("correction", {})
    by_mask = corrected or found.provenance["backend"] in ("masks", "corrections")
    review = review_levels(
        found.whole,
        found.bodies,
        count=found.count,
        named_by="mask" if by_mask else "model",
        shift=shift,
        tissue=tissue,
        tissue_codes=tissue_codes,
    )
    whole, bodies = found.whole, found.bodies
    if shift:
        whole = whole.like(apply_names(whole.data, review.names))
        bodies = bodies.like(apply_names(bodies.data, review.names))
    flags = [*found.flags, *review.words()]
    return replace(found, whole=whole, bodies=bodies, flags=flags, review=review)


def label_from_network(
    ct: Volume, raw: Path, names: dict[int, str], count_from: str = "sacrum"
) -> Labelled:
    """Name the vertebrae in a network's classes.

    A model whose classes are tissues (vertebral_body ...) is counted from its anchors; one
    whose classes are levels (T12, vertebrae_L1 ...) is taken at its word.

    Args:
        ct: the scan.
        raw: <participant_id>.nii.gz of classes; its .json beside it.
        names: class names by index.
        count_from: `sacrum` or `ribs`, which decides where both are in view and disagree.

    Raises:
        Excluded: the network failed on this scan or found nothing that can be named.
    """
    about = read_record(raw)
    kept = ("backend", "model", "versions", "device", "seconds", "fallback", "label_map")
    # Records of before have none.
    provenance = {key: about[key] for key in kept} | {"gpu": about.get("gpu", "")}
    classes = load(require(raw))
    check_grid(classes, ct, "the segmentation")
    if BODY in names.values():
        found = find_vertebrae(classes, names, count_from)
        whole, bodies = ct.like(found.whole), ct.like(found.bodies)
        return Labelled(whole, bodies, provenance, count=found.count)
    levels = {i: name.removeprefix("vertebrae_") for i, name in names.items()}
    mapping = {i: level for i, level in levels.items() if level in VERSE_CODES}
    if not mapping:
        raise ValueError(
            "segment.model: its classes are neither tissues (vertebral_body ...) nor levels "
            f"(T12, vertebrae_L1 ...): {', '.join(names.values())}"
        )
    whole = ct.like(translate(classes.data, mapping))
    return with_bodies(ct, whole, None, provenance)


def label_from_mask(ct: Volume, mask: Path | None, bodies: Path | None, labels: str) -> Labelled:
    """Take the user's own masks.

    The labels of TotalSegmentator's task total name aorta, muscles and ribs too: these come along.

    Args:
        ct: the scan.
        mask: whole vertebrae, or None where there is none.
        bodies: vertebral bodies, if the user has them.
        labels: convention of the masks' values.

    Raises:
        Excluded: no mask, or one on another grid than the scan.
    """
    if mask is None:
        raise Excluded(Reason.NO_MASK, "neither the participants table nor segment.masks has one")
    whole = load(mask)
    check_grid(whole, ct, "the mask")
    translated = ct.like(translate(whole.data, read_mapping(labels)))
    tissue = None
    if labels == "totalsegmentator":
        names = TISSUE_CONVENTIONS[labels]
        tissue = recode(whole.data, {value: TISSUE_CODES[name] for value, name in names.items()})
        tissue = ct.like(tissue) if tissue.any() else None
    own = None
    if bodies is not None:
        own = load(bodies)
        check_grid(own, ct, "the mask of bodies")
        # TotalSegmentator numbers bodies from the head, whole vertebrae from the sacrum.
        convention = "totalsegmentator_bodies" if labels == "totalsegmentator" else labels
        own = ct.like(translate(own.data, read_mapping(convention)))
    about = {"backend": "masks", "mask_labels": Path(labels).name}
    if tissue is not None:
        about["tissue"] = present(tissue.data)
    return replace(with_bodies(ct, translated, own, about), tissue=tissue)


def with_bodies(ct: Volume, whole: Volume, bodies: Volume | None, provenance: dict) -> Labelled:
    """Complete whole vertebrae with bodies, cut out of them where none are given."""
    if not np.isin(whole.data, [code for name, code in VERSE_CODES.items() if name != "S1"]).any():
        raise Excluded(Reason.NO_VERTEBRA, "the mask holds no vertebra")
    split = bodies is None
    if split:
        bodies = ct.like(split_bodies(whole))
    provenance = provenance | {"bodies": "split from whole vertebrae" if split else "supplied"}
    data = np.where(bodies.data == VERSE_CODES["S1"], 0, bodies.data).astype(np.uint8)
    return Labelled(whole, ct.like(data), provenance)


def check_grid(mask: Volume, ct: Volume, what: str) -> None:
    """Raise Excluded unless a mask lies on the scan's voxels."""
    if mask.data.shape != ct.data.shape:
        raise Excluded(
            Reason.MASK_GRID_MISMATCH,
            f"{what} has {mask.data.shape} voxels, the scan {ct.data.shape}",
        )
    far = np.array(ct.data.shape) - 1
    corners = np.array([[0, 0, 0, 1], [*far, 1]], float).T
    apart = np.abs(mask.affine @ corners - ct.affine @ corners).max()
    if apart > GRID_TOLERANCE_MM:
        raise Excluded(Reason.MASK_GRID_MISMATCH, f"{what} lies {apart:.1f} mm beside the scan")
