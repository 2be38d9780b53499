"""Real vertebrae as shapes to paint: from label maps, never from images.

A parametric vertebra teaches a network what a vertebra is roughly like; its arch and
processes are rods. Masks of real spines, without their scans, lend their shape to the
phantom: each vertebra becomes two signed distance fields along its own axes.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from bonecast.images import Volume, load
from bonecast.measure.bodies import find_bodies
from bonecast.measure.frame import box_affine, boxes, grow, resample_local
from bonecast.segment.bodies import split_bodies

STEP_MM = 1.0
"""Grid of the distance fields."""
REACH_MM = np.array([[-52.0, -78.0, -46.0], [52.0, 30.0, 46.0]])
"""Box around the body's centre that holds a vertebra: right, anterior, superior."""
FAR_MM = 12.0
"""Distances are not told apart beyond this."""
MIN_BODY_MM = 8.0
"""A body with a smaller extent is cut or damaged and lends no shape."""


@dataclass(frozen=True)
class Donor:
    """The shape of one real vertebra, along its own axes from the centre of its body.

    Attributes:
        level: its name.
        whole, body: signed distance (mm, negative inside) on the grid of `REACH_MM` by
            `STEP_MM`, axes right, anterior, superior.
        width_mm, depth_mm: of the body.
        height_mm: of the posterior half of the body.
    """

    level: str
    whole: np.ndarray
    body: np.ndarray
    width_mm: float
    depth_mm: float
    height_mm: float

    def distances(self, u, v, w) -> tuple[np.ndarray, np.ndarray]:
        """Signed distances to the whole vertebra and to its body at local points (mm)."""
        points = np.broadcast_arrays(u, v, w)
        index = [(p - low) / STEP_MM for p, low in zip(points, REACH_MM[0], strict=True)]
        return tuple(
            ndimage.map_coordinates(field, index, order=1, mode="nearest", output=np.float32)
            for field in (self.whole, self.body)
        )


def donor_files(folder: str | Path) -> list[Path]:
    """The masks in a folder, at any depth, sorted.

    Raises:
        FileNotFoundError: the folder holds no `*vert_msk.nii.gz`.
    """
    paths = sorted(Path(folder).rglob("*vert_msk.nii.gz"))
    if not paths:
        raise FileNotFoundError(f"train.masks: {folder} holds no *vert_msk.nii.gz")
    return paths


@cache
def read_donors(folder: str) -> dict[str, dict[str, Donor]]:
    """Every vertebra of every mask in a folder.

    Args:
        folder: searched at any depth for `*vert_msk.nii.gz`, VerSe codes of whole vertebrae.

    Returns:
        Donor by level by name of the mask, in the order of the names.
    """
    return {path.name.partition("_")[0]: spine_donors(load(path)) for path in donor_files(folder)}


def spine_donors(whole: Volume) -> dict[str, Donor]:
    """The vertebrae of one mask whose body can be told from the arch and is not cut.

    Args:
        whole: VerSe codes of whole vertebrae.
    """
    whole = Volume(whole.data.astype(np.uint8), whole.affine)
    bodies = Volume(split_bodies(whole), whole.affine)
    places = boxes(whole.data)
    donors = {}
    for level, body in find_bodies(bodies, whole).items():
        if body is None or body.touches_border or level not in places:
            continue
        box = grow(places[level], 3 * max(whole.spacing_mm), whole.spacing_mm, whole.data.shape)
        code = int(bodies.data[body.box][body.mask].max())
        fields, axes = [], None
        for volume in (whole, bodies):
            grid, axes = resample_local(
                volume.data[box] == code,
                box_affine(volume.affine, box),
                body.frame,
                *REACH_MM,
                STEP_MM,
            )
            fields.append(signed_distance(grid > 0.5))
        inside = np.argwhere(fields[1] < 0)
        if not len(inside):
            continue
        u, v, w = (axes[k][inside[:, k]] for k in range(3))
        behind = w[v < 0]
        size = [float(np.ptp(np.percentile(x, [1, 99]))) + STEP_MM for x in (u, v, behind)]
        if min(size) >= MIN_BODY_MM:
            donors[level] = Donor(level, *fields, *size)
    return donors


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """Distance to the surface of a mask on the grid of `STEP_MM`, negative inside (float32, mm)."""
    outside = ndimage.distance_transform_edt(~mask, sampling=STEP_MM)
    inside = ndimage.distance_transform_edt(mask, sampling=STEP_MM)
    field = np.where(mask, STEP_MM / 2 - inside, outside - STEP_MM / 2)
    return np.clip(field, -FAR_MM, FAR_MM).astype(np.float32)
