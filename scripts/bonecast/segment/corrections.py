"""Put a mask corrected by hand in the place of the backend's result.

Whatever the editor did to the file - another order of axes, floats for whole numbers, a part of
the scan's grid only - is undone here; what cannot be undone is refused with a reason, so that a
backend's result never passes for the corrected one.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from bonecast.images import Volume, load
from bonecast.levels import LEVELS, VERSE_CODES, VERSE_NAMES
from bonecast.reasons import Excluded, Reason
from bonecast.segment.bodies import split_bodies
from bonecast.segment.label import GRID_TOLERANCE_MM, Labelled
from bonecast.segment.labelmaps import VERSE, translate

MOST_LEVELS_RENAMED = 6
"""No miscount of ribs or sacrum moves names further; an editor that numbers labels anew from 1
calls a lumbar vertebra C1."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
SACRUM = VERSE_CODES["S1"]


@dataclass(frozen=True)
class Changes:
    """What a correction did, by level.

    Attributes:
        edited: levels of the backend whose voxels differ now.
        added: levels that the backend did not have.
        removed: levels that are gone.
        renamed: levels of the same voxels under another name, old to new.
    """

    edited: list[str]
    added: list[str]
    removed: list[str]
    renamed: dict[str, str]


def apply_correction(
    ct: Volume, mask: Path | None, bodies: Path | None, backend: Labelled | None
) -> Labelled:
    """The corrected vertebrae of one scan.

    The mask replaces all vertebrae of the backend. Bodies: the person's own where given. Else a
    vertebra whose voxels are still the backend's, under whatever name, keeps the backend's body,
    and of every other one the body is split off again (`split_bodies`).

    Args:
        ct: the scan.
        mask: whole vertebrae in VerSe codes; None keeps the backend's.
        bodies: vertebral bodies in VerSe codes; None takes them as said above.
        backend: the backend's result, None where it has none for this scan.

    Raises:
        Excluded: a file that cannot be used; the detail says why.
    """
    if mask is None and backend is None:
        raise Excluded(
            Reason.CORRECTION_UNUSABLE,
            "bodies alone, but the backend outlined no vertebrae: add the whole vertebrae",
        )
    whole = backend.whole.data if mask is None else read_correction(mask, ct)
    if not np.isin(whole, [code for name, code in VERSE_CODES.items() if name != "S1"]).any():
        raise Excluded(Reason.CORRECTION_UNUSABLE, "the mask holds no vertebra")
    if backend is not None:
        _check_not_renumbered(whole, backend.whole.data)
    if bodies is not None:
        inner = read_correction(bodies, ct)
        outside = sorted(set(_codes(inner)) - set(_codes(whole)))
        if outside:
            names = ", ".join(VERSE_NAMES[code] for code in outside)
            raise Excluded(
                Reason.CORRECTION_UNUSABLE, f"{names} has a body, but is not among the vertebrae"
            )
        whole = np.where(inner > 0, inner, whole).astype(np.uint8)
        how = "corrected by hand"
    else:
        inner, how = _bodies_of(ct.like(whole), backend)
    changes = find_changes(whole, backend.whole.data if backend else None)
    inner = np.where(inner == SACRUM, 0, inner).astype(np.uint8)
    provenance = dict(backend.provenance) if backend else {"backend": "corrections"}
    provenance |= {"bodies": how, "correction": vars(changes)}
    tissue = backend.tissue if backend else None
    return Labelled(ct.like(whole), ct.like(inner), provenance, tissue=tissue)


def _check_not_renumbered(whole: np.ndarray, before: np.ndarray) -> None:
    """Raise Excluded where most of a vertebra has a name far from the backend's."""
    for code in _codes(whole):
        under = np.bincount(before[whole == code], minlength=256)
        most = int(under.argmax()) if 2 * under.max() > under.sum() else 0
        new, other = VERSE_NAMES[code], VERSE_NAMES.get(most)
        if other and abs(LEVELS.index(new) - LEVELS.index(other)) > MOST_LEVELS_RENAMED:
            raise Excluded(
                Reason.CORRECTION_UNUSABLE,
                f"calls {new} ({code}) what the backend calls {other} ({VERSE_CODES[other]}): an "
                "editor has numbered the labels anew; save them with the values of the label file",
            )


def find_changes(whole: np.ndarray, before: np.ndarray | None) -> Changes:
    """Compare corrected codes with the backend's; without these, all levels are added."""
    if before is None:
        before = np.zeros_like(whole)
    same = _same_voxels(whole, before)
    new, old = _codes(whole), _codes(before)
    names = {VERSE_NAMES[b]: VERSE_NAMES[a] for a, b in same.items() if a != b}
    edited = [VERSE_NAMES[code] for code in new if code in old and code not in same]
    added = [VERSE_NAMES[code] for code in new if code not in old and code not in same]
    removed = [VERSE_NAMES[c] for c in old if c not in new and c not in same.values()]
    order = LEVELS.index
    return Changes(
        sorted(edited, key=order),
        sorted(added, key=order),
        sorted(removed, key=order),
        {name: names[name] for name in sorted(names, key=order)},
    )


def _codes(mask: np.ndarray) -> list[int]:
    return [int(code) for code in np.flatnonzero(np.bincount(mask.ravel())) if code]


def _same_voxels(whole: np.ndarray, before: np.ndarray) -> dict[int, int]:
    """Code of each vertebra that has exactly the voxels of one of the backend's, and that code."""
    size, size_before = np.bincount(whole.ravel()), np.bincount(before.ravel(), minlength=256)
    same = {}
    for code in _codes(whole):
        under = np.bincount(before[whole == code], minlength=256)
        other = int(under.argmax())
        if other and under[other] == size[code] == size_before[other]:
            same[code] = other
    return same


def _bodies_of(whole: Volume, backend: Labelled | None) -> tuple[np.ndarray, str]:
    """Bodies of corrected vertebrae and, in words, where they come from."""
    same = _same_voxels(whole.data, backend.whole.data) if backend else {}
    kept = np.zeros_like(whole.data)
    for code, other in same.items():
        kept[backend.bodies.data == other] = code
    anew = set(_codes(whole.data)) - set(_codes(kept)) - {SACRUM}
    if not anew:
        return kept, backend.provenance.get("bodies", "from the backend")
    # The whole spine is looked at: neighbours tell the direction, and where the canal is.
    split = split_bodies(whole)
    return np.where(np.isin(split, list(anew)), split, kept), "split from corrected vertebrae"


def read_correction(path: Path, ct: Volume) -> np.ndarray:
    """A corrected mask on the scan's grid (uint8, VerSe codes).

    Raises:
        Excluded: it cannot be read, lies on other voxels than the scan, or holds what is no
            VerSe code.
    """
    try:
        volume, names = _read(Path(path))
    except MemoryError:
        raise
    except Exception as error:  # whatever a damaged file makes a reader raise
        raise Excluded(
            Reason.CORRECTION_UNUSABLE, f"cannot be read ({type(error).__name__})"
        ) from error
    if volume.data.dtype.kind == "f" and not np.array_equal(volume.data, np.rint(volume.data)):
        raise Excluded(
            Reason.CORRECTION_UNUSABLE,
            "holds fractions: save labels, not probabilities, and resample by nearest neighbour",
        )
    unknown = sorted({int(value) for value in np.unique(volume.data)} - {0, *names})
    if unknown:
        listed = ", ".join(str(value) for value in unknown[:8])
        raise Excluded(
            Reason.CORRECTION_UNUSABLE,
            f"holds {listed}, no code of a vertebra (1-7 C1-C7, 8-19 T1-T12, 20-25 L1-L6, 26 "
            "sacrum, 28 T13)",
        )
    return _on_grid(volume.data, volume.affine, ct, names)


def _on_grid(data: np.ndarray, affine: np.ndarray, ct: Volume, names: dict[int, str]) -> np.ndarray:
    """Labels as VerSe codes, put where they belong in the scan: Slicer saves a part of the grid."""
    start = np.linalg.solve(ct.affine, affine[:, 3])[:3]
    first = np.rint(start).astype(int)
    stop = first + data.shape
    expected = ct.affine.copy()
    expected[:, 3] = ct.affine @ [*first, 1]
    far = np.array(data.shape) - 1
    corners = np.array([[0, 0, 0, 1], [*far, 1]], float).T
    apart = np.abs(affine @ corners - expected @ corners).max()
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if np.abs(spacing - ct.spacing_mm).max() > 1e-3 or apart > GRID_TOLERANCE_MM:
        found = " x ".join(f"{mm:.2f}" for mm in spacing)
        scan = " x ".join(f"{mm:.2f}" for mm in ct.spacing_mm)
        raise Excluded(
            Reason.CORRECTION_UNUSABLE,
            f"is not on the voxels of the scan: {data.shape} of {found} mm, {apart:.1f} mm off; "
            f"the scan {ct.data.shape} of {scan} mm",
        )
    whole = np.zeros(ct.data.shape, np.uint8)
    low, high = np.maximum(first, 0), np.minimum(stop, ct.data.shape)
    inside = tuple(slice(a - f, b - f) for a, b, f in zip(low, high, first, strict=True))
    if (high <= low).any() or np.count_nonzero(data[inside]) < np.count_nonzero(data):
        raise Excluded(Reason.CORRECTION_UNUSABLE, "has labels outside the scan")
    place = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    whole[place] = translate(data[inside], names)
    return whole


def _read(path: Path) -> tuple[Volume, dict[int, str]]:
    """A mask in RAS+ order and the level of each of its labels."""
    if not path.name.lower().endswith(".nrrd"):
        return load(path), VERSE
    image = sitk.ReadImage(str(path))
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise ValueError("segments overlap: save a label map")
    names = _segment_names(image) if path.name.lower().endswith(".seg.nrrd") else VERSE
    # Oriented as RAS, SimpleITK's array [z, y, x] turned round is [x, y, z] in RAS+ order.
    image = sitk.DICOMOrient(image, "RAS")
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    affine[:3, :3] = direction * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return Volume(sitk.GetArrayFromImage(image).transpose(2, 1, 0), LPS_TO_RAS @ affine), names


def _segment_names(image: sitk.Image) -> dict[int, str]:
    """Label value to level name, as Slicer writes into a .seg.nrrd; other names are left out."""
    names = {}
    for key in image.GetMetaDataKeys():
        if key.startswith("Segment") and key.endswith("_LabelValue"):
            name = image.GetMetaData(key.removesuffix("LabelValue") + "Name").strip()
            if name in VERSE_CODES:
                names[int(image.GetMetaData(key))] = name
    return names
