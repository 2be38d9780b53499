"""One picture per participant that lets a reader judge a segmentation at a glance.

Two views share one vertical axis: a sagittal and a coronal plane, both bent to
follow the vertebral bodies, so that a scoliotic spine is seen whole. Vertebrae are
outlined and bodies tinted in colours that stay apart for colour-blind readers,
with the name of each level between the views.
"""

import io
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bonecast.images import Volume
from bonecast.levels import VERSE_NAMES
from bonecast.report.palette import level_colour, rgb

WINDOW_HU = (-250.0, 750.0)
"""Grey scale from black to white: trabecular bone and soft tissue both keep contrast."""
SLAB_MM = 6.0
"""Thickness averaged around the bent plane: hides noise, keeps end-plates sharp."""
FIELD_MM = 170.0
"""Width of each view, centred on the bodies."""
HEIGHT_PX = 620
"""Height of the views of a tall scan; a short one is enlarged up to `MAX_PX_PER_MM`."""
MAX_PX_PER_MM = 2.6
SEARCH_STEP_MM = 2.0
"""Grid on which body centres are found: much finer than a body, much cheaper than every voxel."""
BODY_PERCENTILE = 75
"""Back to front, this share of a whole vertebra's voxels lies behind the middle of its body."""

GUTTER_PX = 64
NAME_PX = 15
"""Least distance between two level names."""
MARGIN_PX = 12
BACKGROUND = (17, 19, 23)
INK = (235, 235, 235)
WARNING = rgb("#E69F00")
CARD_PX = (640, 360)


@dataclass(frozen=True)
class _Centres:
    """Voxel positions of the labelled bodies, ordered from foot to head."""

    codes: np.ndarray
    xyz: np.ndarray

    def along(self, axis: int, n_slices: int) -> np.ndarray:
        """Index along `axis` (0 x, 1 y) of the spine in every slice, held beyond the ends."""
        return np.interp(np.arange(n_slices), self.xyz[:, 2], self.xyz[:, axis])


def draw_qc(
    ct: Volume,
    vertebrae: Volume,
    bodies: Volume,
    title: str,
    flags: list[str] | tuple[str, ...] = (),
) -> np.ndarray:
    """Draw the quality-control picture of one segmented scan.

    Args:
        ct: HU, [x, y, z] RAS+.
        vertebrae: VerSe codes of whole vertebrae, same grid.
        bodies: VerSe codes of vertebral bodies, same grid; may be all zero.
        title: first line; a pseudonym, never a name.
        flags: warnings printed under the views.

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
    sagittal = _view(ct, vertebrae, bodies, 0, x_line, float(np.median(y_line)), px_per_mm)
    coronal = _view(ct, vertebrae, bodies, 1, y_line, float(np.median(x_line)), px_per_mm)

    marks = [
        (VERSE_NAMES[code], (n_z - 0.5 - z) * dz_mm * px_per_mm)
        for code, z in zip(centres.codes, centres.xyz[:, 2], strict=True)
        if code in VERSE_NAMES
    ]
    return _compose(sagittal, coronal, marks, px_per_mm, title, list(flags))


def draw_exclusion_card(participant: str, sentence: str) -> np.ndarray:
    """A small card in place of the picture: who was left out, and why in one sentence.

    Returns:
        uint8 RGB, shape (360, 640, 3).
    """
    width, height = CARD_PX
    card = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(card)
    draw.text((32, 96), participant, font=_font(30), fill=INK)
    draw.text((32, 142), "left out of the measurements", font=_font(18), fill=WARNING)
    draw.multiline_text((32, 184), textwrap.fill(sentence, 58), font=_font(19), fill=INK, spacing=8)
    return np.asarray(card)


def encode_png(rgb_image: np.ndarray) -> bytes:
    """PNG bytes of an RGB array, free of metadata, the same for the same picture."""
    buffer = io.BytesIO()
    Image.fromarray(rgb_image).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def write_png(rgb_image: np.ndarray, path: str | Path) -> None:
    """Write an RGB array as PNG."""
    Path(path).write_bytes(encode_png(rgb_image))


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
    vertebrae: Volume,
    bodies: Volume,
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
    labels = _on_screen(_bent_plane(vertebrae.data, through, line, low, high), size, "nearest")
    interior = _on_screen(_bent_plane(bodies.data, through, line, low, high), size, "nearest")
    return _overlay(_on_screen(grey, size, "bilinear"), labels, interior)


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
    out[inside] = 0.68 * out[inside] + 0.32 * table[interior[inside]]
    for mask, strength in ((labels, 0.75), (interior, 1.0)):
        edge = _edges(mask)
        out[edge] = (1 - strength) * out[edge] + strength * table[mask[edge]]
    return out.astype(np.uint8)


def _edges(labels: np.ndarray) -> np.ndarray:
    """Labelled pixels with a different neighbour above, below, left or right."""
    padded = np.pad(labels, 1)
    centre = padded[1:-1, 1:-1]
    differs = np.zeros(centre.shape, bool)
    for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
        height, width = centre.shape
        differs |= padded[rows : rows + height, columns : columns + width] != centre
    return differs & (centre > 0)


def _compose(
    sagittal: np.ndarray,
    coronal: np.ndarray,
    marks: list[tuple[str, float]],
    px_per_mm: float,
    title: str,
    flags: list[str],
) -> np.ndarray:
    """Views side by side, level names between them, title above, flags below."""
    height = max(sagittal.shape[0], 120)
    left, top = MARGIN_PX, 40
    gutter = left + sagittal.shape[1]
    right = gutter + GUTTER_PX
    width = max(right + coronal.shape[1] + MARGIN_PX, 360)
    lines = [line for flag in flags for line in textwrap.wrap(flag, max(30, width // 8))]
    canvas = Image.new("RGB", (width, top + height + 34 + 20 * len(lines)), BACKGROUND)
    canvas.paste(Image.fromarray(sagittal), (left, top))
    canvas.paste(Image.fromarray(coronal), (right, top))

    draw = ImageDraw.Draw(canvas)
    draw.text((left, 10), title, font=_font(18), fill=INK)
    name_y = -np.inf
    for level, offset in sorted(marks, key=lambda mark: mark[1]):
        y = top + offset
        name_y = max(y, name_y + NAME_PX)
        colour = rgb(level_colour(level))
        draw.line([(gutter, y), (gutter + 8, y)], fill=colour, width=2)
        draw.line([(right - 9, y), (right - 1, y)], fill=colour, width=2)
        draw.text((gutter + GUTTER_PX / 2, name_y), level, font=_font(15), fill=colour, anchor="mm")
    if not marks:
        draw.text((gutter + GUTTER_PX / 2, top + 40), "none", font=_font(14), fill=INK, anchor="mm")

    bottom = top + height + 8
    for x0, view, sides in ((left, sagittal, "AP"), (right, coronal, "RL")):
        draw.text((x0 + 3, top + 2), sides[0], font=_font(15), fill=INK)
        x1 = x0 + view.shape[1]
        draw.text((x1 - 3, top + 2), sides[1], font=_font(15), fill=INK, anchor="ra")
    bar_px = 50 * px_per_mm
    draw.line([(left, bottom + 8), (left + bar_px, bottom + 8)], fill=INK, width=3)
    draw.text((left + bar_px + 8, bottom), "50 mm", font=_font(14), fill=INK)
    for row, line in enumerate(lines):
        draw.text((left, bottom + 22 + 20 * row), line, font=_font(14), fill=WARNING)
    return np.asarray(canvas)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own typeface, so pictures do not depend on installed fonts."""
    return ImageFont.load_default(size)
