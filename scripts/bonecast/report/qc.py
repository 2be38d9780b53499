"""One picture per participant that lets a reader judge a segmentation at a glance.

Two views share one vertical axis: a sagittal and a coronal plane, both bent to
follow the vertebral bodies, so that a scoliotic spine is seen whole. Vertebrae are
outlined and bodies tinted in colours that stay apart for colour-blind readers, with the
name of each level between the views; regions that are measured are outlined in white.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from bonecast.images import Volume
from bonecast.levels import VERSE_NAMES
from bonecast.measure.frame import Body
from bonecast.report.palette import level_colour, rgb
from bonecast.report.qc_page import Mark, Remarks, compose

WINDOW_HU = (-250.0, 750.0)
"""Grey scale from black to white: trabecular bone and soft tissue both keep contrast."""
SLAB_MM = 6.0
"""Thickness averaged around the bent plane: hides noise, keeps end-plates sharp."""
FIELD_MM = 150.0
"""Width of each view, centred on the bodies."""
HEIGHT_PX = 700
"""Height of the views of a tall scan; a short one is enlarged up to `MAX_PX_PER_MM`."""
MAX_PX_PER_MM = 2.4
SEARCH_STEP_MM = 2.0
"""Grid on which body centres are found: much finer than a body, much cheaper than every voxel."""
BODY_PERCENTILE = 75
"""Back to front, this share of a whole vertebra's voxels lies behind the middle of its body."""
DASHES_PX = (0, 5, 2)
"""Dashes of the outlines of the first, second and third region; 0 is a whole line."""


@dataclass(frozen=True)
class Regions:
    """Voxels that are measured.

    Attributes:
        names: of the regions.
        bits: uint8 on the scan's grid; bit k is set in region k.
    """

    names: Sequence[str]
    bits: np.ndarray


@dataclass(frozen=True)
class _Centres:
    """Voxel positions of the labelled bodies, ordered from foot to head."""

    codes: np.ndarray
    xyz: np.ndarray

    def along(self, axis: int, n_slices: int) -> np.ndarray:
        """Index along `axis` (0 x, 1 y) of the spine in every slice, held beyond the ends."""
        return np.interp(np.arange(n_slices), self.xyz[:, 2], self.xyz[:, axis])


def regions_in_scan(
    shape: tuple[int, int, int],
    bodies: Mapping[str, Body | None],
    bits: Mapping[str, np.ndarray],
    names: Sequence[str],
) -> Regions:
    """Put the regions of each body, given on its crop, into the scan.

    Args:
        shape: of the scan.
        bodies: by level, as from `bonecast.measure.bodies.find_bodies`.
        bits: as from `bonecast.measure.density.region_bits`.
        names: of the regions, in the order of the bits.
    """
    whole = np.zeros(shape, np.uint8)
    for level, crop in bits.items():
        whole[bodies[level].box] |= crop
    return Regions(names, whole)


def draw_qc(
    ct: Volume,
    vertebrae: Volume,
    bodies: Volume,
    title: str,
    remarks: Remarks | None = None,
    regions: Regions | None = None,
) -> np.ndarray:
    """Draw the quality-control picture of one segmented scan.

    Args:
        ct: HU, [x, y, z] RAS+.
        vertebrae: VerSe codes of whole vertebrae, same grid.
        bodies: VerSe codes of vertebral bodies, same grid; may be all zero.
        title: first line; a pseudonym, never a name.
        remarks: what is to be checked, and whether a person corrected the masks.
        regions: what is measured.

    Returns:
        uint8 RGB, shape (height, width, 3). Sagittal: anterior on the left. Coronal:
        the patient's right on the left. Head up. Both at the same physical scale.
    """
    centres = _find_centres(bodies, vertebrae)
    n_x, n_y, n_z = ct.data.shape
    if len(centres.codes):
        x_line, y_line = centres.along(0, n_z), centres.along(1, n_z)
    else:
        x_line, y_line = np.full(n_z, (n_x - 1) / 2), np.full(n_z, (n_y - 1) / 2)

    dz_mm = ct.spacing_mm[2]
    px_per_mm = min(HEIGHT_PX / (n_z * dz_mm), MAX_PX_PER_MM)
    layers = (ct, vertebrae.data, bodies.data, regions)
    sagittal = _view(*layers, 0, x_line, float(np.median(y_line)), px_per_mm)
    coronal = _view(*layers, 1, y_line, float(np.median(x_line)), px_per_mm)

    marks = [
        Mark(VERSE_NAMES[code], (n_z - 0.5 - z) * dz_mm * px_per_mm)
        for code, z in zip(centres.codes, centres.xyz[:, 2], strict=True)
        if code in VERSE_NAMES
    ]
    legend = list(zip(regions.names, DASHES_PX, strict=False)) if regions else []
    return compose(sagittal, coronal, marks, px_per_mm, title, remarks or Remarks(), legend)


def _find_centres(bodies: Volume, vertebrae: Volume) -> _Centres:
    """Centre of each body, or of the whole vertebra where no body was separated."""
    step = [max(1, round(SEARCH_STEP_MM / s)) for s in bodies.spacing_mm]
    found: dict[int, np.ndarray] = {}
    for mask in (vertebrae, bodies):  # the second overwrites the first
        coarse = np.ascontiguousarray(mask.data[:: step[0], :: step[1], :: step[2]])
        index = np.argwhere(coarse)
        codes = coarse[tuple(index.T)]
        for code in np.unique(codes):
            voxels = index[codes == code]
            centre = voxels.mean(axis=0)
            if mask is vertebrae:  # arch and processes pull the centre out of the body
                centre[1] = np.percentile(voxels[:, 1], BODY_PERCENTILE)
            found[int(code)] = centre * step
    order = sorted(found, key=lambda code: found[code][2])
    xyz = np.array([found[code] for code in order]).reshape(-1, 3)
    return _Centres(np.array(order, dtype=int), xyz)


def _view(
    ct: Volume,
    vertebrae: np.ndarray,
    bodies: np.ndarray,
    regions: Regions | None,
    through: int,
    line: np.ndarray,
    centre: float,
    px_per_mm: float,
) -> np.ndarray:
    """One bent plane as RGB.

    Args:
        through: axis the plane is perpendicular to (0: sagittal, 1: coronal).
        line: position of the plane along that axis in every slice, in voxels.
        centre: middle of the view along the other in-plane axis, in voxels.
        px_per_mm: scale of the picture.
    """
    across = 1 - through
    spacing = ct.spacing_mm
    half = FIELD_MM / 2 / spacing[across]
    low = max(0, round(centre - half))
    high = min(ct.data.shape[across], round(centre + half) + 1)

    n_slab = max(0, round(SLAB_MM / 2 / spacing[through]))
    planes = [
        _bent_plane(ct.data, through, line + offset, low, high)
        for offset in range(-n_slab, n_slab + 1)
    ]
    hu = np.mean(planes, axis=0, dtype=np.float32)
    grey = (hu - WINDOW_HU[0]) / (WINDOW_HU[1] - WINDOW_HU[0])
    grey = (np.clip(grey, 0, 1) * 255).astype(np.uint8)

    size = (
        max(1, round((high - low) * spacing[across] * px_per_mm)),
        max(1, round(len(line) * spacing[2] * px_per_mm)),
    )
    picture = _overlay(
        _on_screen(grey, size, "bilinear"),
        _on_screen(_bent_plane(vertebrae, through, line, low, high), size, "nearest"),
        _on_screen(_bent_plane(bodies, through, line, low, high), size, "nearest"),
    )
    if regions is not None:
        bits = _on_screen(_bent_plane(regions.bits, through, line, low, high), size, "nearest")
        _outline(picture, bits, len(regions.names))
    return picture


def _bent_plane(
    data: np.ndarray, through: int, line: np.ndarray, low: int, high: int
) -> np.ndarray:
    """Values on a plane that moves along `through` from slice to slice; [across, z]."""
    position = np.clip(np.rint(line).astype(int), 0, data.shape[through] - 1)
    z = np.arange(data.shape[2])
    across = np.arange(low, high)[:, None]
    return data[position, across, z] if through == 0 else data[across, position, z]


def _on_screen(plane: np.ndarray, size: tuple[int, int], how: str) -> np.ndarray:
    """A [across, z] plane as a picture: head up, anterior or the patient's right on the left."""
    method = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR}[how]
    picture = np.ascontiguousarray(plane.T[::-1, ::-1]).astype(np.uint8)
    return np.asarray(Image.fromarray(picture).resize(size, method))


def _overlay(grey: np.ndarray, labels: np.ndarray, interior: np.ndarray) -> np.ndarray:
    """Bodies tinted, whole vertebrae outlined."""
    out = np.repeat(grey[..., None], 3, axis=2).astype(np.float32)
    table = np.zeros((256, 3), np.float32)
    for code, name in VERSE_NAMES.items():
        table[code] = rgb(level_colour(name))
    inside = interior > 0
    out[inside] = 0.72 * out[inside] + 0.28 * table[interior[inside]]
    for mask, strength in ((labels, 0.75), (interior, 1.0)):
        edge = _edges(mask)
        # Two pixels wide, so that the outline survives a thumbnail.
        wide = edge | (np.roll(edge, 1, axis=1) & (mask > 0)) | (np.roll(edge, 1, 0) & (mask > 0))
        out[wide] = (1 - strength) * out[wide] + strength * table[mask[wide]]
    return out.astype(np.uint8)


def _outline(picture: np.ndarray, bits: np.ndarray, count: int) -> None:
    """Draw the outline of each region into the picture: whole, dashed, dotted."""
    rows, columns = np.indices(bits.shape, sparse=True)
    for k, dash in zip(range(count), DASHES_PX, strict=False):
        edge = _edges((bits >> k) & 1)
        if dash:
            edge &= (rows + columns) // dash % 2 == 0
        picture[edge] = 255


def _edges(labels: np.ndarray) -> np.ndarray:
    """Labelled pixels with a different neighbour above, below, left or right."""
    padded = np.pad(labels, 1)
    centre = padded[1:-1, 1:-1]
    differs = np.zeros(centre.shape, bool)
    for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
        height, width = centre.shape
        differs |= padded[rows : rows + height, columns : columns + width] != centre
    return differs & (centre > 0)
