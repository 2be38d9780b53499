"""The slice that a scan's composition comes from, coloured by what was measured in it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bonecast.images import Volume, bounding_box
from bonecast.measure.composition.outline import BODY_HU
from bonecast.measure.composition.regions import (
    DERIVED,
    REGIONS,
    behind_vertebra,
    derive_regions,
)
from bonecast.measure.composition.slab import find_slab
from bonecast.measure.composition.summary import level_used
from bonecast.measure.frame import Body
from bonecast.report.palette import BLUE, GREEN, ORANGE, SKY, VERMILION, YELLOW, rgb

COLOURS = {
    "sat": YELLOW,
    "vat": ORANGE,
    "imat": VERMILION,
    "muscle": SKY,
    "psoas": BLUE,
    "back_muscles": GREEN,
}
"""Colour of each region; a later one is drawn over an earlier one."""

WINDOW_HU = (-160, 240)
"""From black to white: the usual window of soft tissue."""

PIXEL_MM = 1.25
"""Size of a pixel of the picture."""

MARGIN_MM = 10.0
OPACITY = 0.55


def draw_slice(
    ct: Volume,
    vertebrae: Volume,
    bodies: dict[str, Body | None],
    tissue: Volume | None,
    rows: Sequence[dict],
) -> np.ndarray | None:
    """Picture of the level that the scan's composition is taken from.

    Args:
        ct, vertebrae, bodies, tissue: as measured.
        rows: what was measured, as from `measure_composition`.

    Returns:
        uint8 (row, column, 3), the patient's right on the left; None where nothing was measured.
    """
    by_level: dict[str, dict] = {}
    for row in rows:
        by_level.setdefault(row["level"], {})[row["region"]] = row
    level = level_used(by_level)
    if level is None:
        return None
    body, k = bodies[level], find_slab(bodies[level], ct).middle
    hu = ct.data[:, :, k]
    grey = np.clip((hu - WINDOW_HU[0]) / (WINDOW_HU[1] - WINDOW_HU[0]), 0, 1) * 255
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    for name, mask in _masks(by_level[level], hu, k, body, vertebrae, tissue).items():
        picture[mask] = (1 - OPACITY) * picture[mask] + OPACITY * np.array(rgb(COLOURS[name]))
    x, y, _ = bounding_box((hu > BODY_HU)[:, :, None], ct.spacing_mm, MARGIN_MM)
    seen = picture[x, y].transpose(1, 0, 2)[::-1, ::-1].astype(np.uint8)
    size = [round(n * s / PIXEL_MM) for n, s in zip(seen.shape[1::-1], ct.spacing_mm, strict=False)]
    return np.asarray(Image.fromarray(seen).resize(size, Image.Resampling.BILINEAR))


def _masks(
    rows: dict[str, dict],
    hu: np.ndarray,
    k: int,
    body: Body,
    vertebrae: Volume,
    tissue: Volume | None,
) -> dict[str, np.ndarray]:
    """Voxels of every region that was measured in slice k, in the order of COLOURS."""
    methods = {name: rows[name]["method"] for name in COLOURS if rows[name]["included"]}
    derived = {}
    if DERIVED in methods.values():
        behind = behind_vertebra(body, vertebrae, [k])
        here = None if behind is None else behind[:, :, 0]
        derived = derive_regions(hu, vertebrae.spacing_mm[:2], here)
    masks = {}
    for name, method in methods.items():
        if method == DERIVED:
            masks[name] = derived[name]
        else:
            region = REGIONS[name]
            low, high = region.window_hu
            masks[name] = np.isin(tissue.data[:, :, k], region.codes) & (hu >= low) & (hu <= high)
    return masks


def write_slice(picture: np.ndarray | None, path: str | Path) -> None:
    """Write the picture as PNG, an empty file where there is none."""
    if picture is None:
        Path(path).write_bytes(b"")
    else:
        Image.fromarray(picture).save(path, format="PNG")
