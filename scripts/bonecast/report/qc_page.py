"""The page around the views of a quality-control picture: names, marks, warnings.

Everything is sized by the width of the picture, so that a thumbnail still shows the names
of the levels and whether something is to be checked. Warnings are told by a striped frame
and words as well as by colour.
"""

import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bonecast.reasons import Reason
from bonecast.report.palette import ORANGE, SKY, level_colour, rgb

BACKGROUND = (17, 19, 23)
INK = (235, 235, 235)
SOFT = (165, 168, 172)
WARNING = rgb(ORANGE)
CORRECTED = rgb(SKY)
MARGIN_PX = 10
TITLE_SHARE = 0.052
"""Height of the title's letters as a share of the picture's width: 15 px in a thumbnail of 300."""
NAME_SHARE = 0.042
"""The same of a level's name."""
TEXT_SHARE = 0.027
FRAME_SHARE = 0.02
"""Width of the frame of a picture that is marked."""
STRIPE_PX = 14
LOW_CONFIDENCE = 0.5
"""A level named with less confidence is marked."""
USUAL = {"cut_by_border", "counted_over_doubt"}
"""Flags of a level that ask for no look: every scan ends somewhere, and the second follows from
a neighbour's flag."""
LINES_SHOWN = 8
CARD_PX = (640, 360)


@dataclass(frozen=True)
class Mark:
    """A level's name and how many pixels below the top of the views its body lies."""

    level: str
    y: float


@dataclass(frozen=True)
class Remarks:
    """What a reader is told beside the picture.

    Attributes:
        scan: sentences about the scan to be checked.
        levels: words about single levels.
        corrected: what a person corrected, in words; empty where nobody did.
        by_hand: levels whose mask is that person's.
    """

    scan: Sequence[str] = ()
    levels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    corrected: str = ""
    by_hand: frozenset[str] = frozenset()

    @property
    def lines(self) -> list[str]:
        """What is to be checked. Sentences about the scan name the levels they speak of."""
        return [*self.scan] or [
            f"{level}: {', '.join(words)}" for level, words in self.levels.items()
        ]


def read_remarks(about: Mapping) -> Remarks:
    """What segmentation.json has to say to a reader.

    Args:
        about: its content; of a level's keys only those that are there are used.
    """
    levels = {}
    for level, facts in (about.get("levels") or {}).items():
        flags = [str(flag) for flag in facts.get("flags") or [] if flag not in USUAL]
        words = [flag.replace("_", " ") for flag in flags]
        confidence = facts.get("level_confidence")
        if confidence is not None and confidence < LOW_CONFIDENCE:
            words.append(f"name uncertain ({confidence:.2f})")
        if words:
            levels[level] = words
    scan = [str(flag) for flag in about.get("flags") or []]
    if about.get("level_ambiguous") and not scan:
        scan = ["The levels could be named otherwise."]
    corrected, by_hand = read_correction(about.get("correction"))
    return Remarks(scan, levels, corrected, by_hand)


def read_correction(correction: Mapping | None) -> tuple[str, frozenset[str]]:
    """A correction in words, and the levels that it outlines or names; nothing for none."""
    if not correction:
        return "", frozenset()
    words = []
    for key in ("edited", "added", "removed"):
        if levels := correction.get(key):
            words.append(f"{', '.join(levels)} {key}")
    renamed = correction.get("renamed") or {}
    if renamed:
        words.append("renamed " + ", ".join(f"{old} to {new}" for old, new in renamed.items()))
    if "bodies" in correction:
        words.append("bodies supplied")
    by_hand = {*correction.get("edited", ()), *correction.get("added", ()), *renamed.values()}
    return f"Corrected by hand: {'; '.join(words) or 'nothing changed'}", frozenset(by_hand)


def compose(
    sagittal: np.ndarray,
    coronal: np.ndarray,
    marks: Sequence[Mark],
    px_per_mm: float,
    title: str,
    remarks: Remarks,
    legend: Sequence[tuple[str, int]] = (),
) -> np.ndarray:
    """Views side by side, level names between them, title above, warnings below.

    Args:
        sagittal, coronal: RGB of the same height.
        marks: names of levels.
        px_per_mm: scale of the views.
        title: first line.
        remarks: what is to be checked.
        legend: name of each region outlined and the length of its dashes in px, 0 for a line.
    """
    views = sagittal.shape[1] + coronal.shape[1]
    width = max(round((views + 2 * MARGIN_PX) / (1 - 3.2 * NAME_SHARE - 2 * FRAME_SHARE)), 380)
    name_px, text_px = round(NAME_SHARE * width), max(13, round(TEXT_SHARE * width))
    title_px, frame = round(TITLE_SHARE * width), round(FRAME_SHARE * width)
    gutter = width - views - 2 * (MARGIN_PX + frame)
    left = MARGIN_PX + frame
    middle, right = left + sagittal.shape[1], left + sagittal.shape[1] + gutter
    top = frame + round(1.5 * title_px)
    height = max(sagittal.shape[0], 3 * name_px)
    room = width - 2 * left
    lines = [(line, WARNING) for line in _fold(remarks.lines, room, text_px)]
    if remarks.corrected:
        lines += [(line, CORRECTED) for line in _fold([remarks.corrected], room, text_px)]
    bottom = top + height
    total = bottom + round((1.8 + bool(legend) + 1.3 * len(lines)) * text_px) + 6 + frame
    canvas = Image.new("RGB", (width, total), BACKGROUND)
    if remarks.lines:
        _frame(canvas, frame, WARNING, striped=True)
    elif remarks.corrected:
        _frame(canvas, frame, CORRECTED, striped=False)
    canvas.paste(Image.fromarray(sagittal), (left, top))
    canvas.paste(Image.fromarray(coronal), (right, top))

    draw = ImageDraw.Draw(canvas)
    _header(draw, title, remarks, left, frame, width, title_px)
    _names(draw, marks, remarks, (middle, right), top, name_px)
    for x0, view, sides in ((left, sagittal, "AP"), (right, coronal, "RL")):
        draw.text((x0 + 4, top + 2), sides[0], font=font(text_px), fill=INK)
        end = (x0 + view.shape[1] - 4, top + 2)
        draw.text(end, sides[1], font=font(text_px), fill=INK, anchor="ra")
    _scale(draw, (left, bottom + 6), px_per_mm, text_px)
    if legend:
        _legend(draw, legend, (left, bottom + 6 + round(1.2 * text_px)), text_px)
    y = bottom + 6 + round((1.3 + bool(legend)) * text_px)
    for row, (line, colour) in enumerate(lines):
        draw.text((left, y + 1.3 * text_px * row), line, font=font(text_px), fill=colour)
    return np.asarray(canvas)


def _fold(lines: Sequence[str], width_px: int, text_px: int) -> list[str]:
    """Lines folded to a width; the rest counted where there are too many."""
    columns = max(20, int(width_px / (0.53 * text_px)))
    folded = [part for line in lines for part in textwrap.wrap(line, columns)]
    if len(folded) > LINES_SHOWN:
        folded = [*folded[: LINES_SHOWN - 1], "and more: see segmentation.json"]
    return folded


def _frame(canvas: Image.Image, frame: int, colour: tuple[int, int, int], striped: bool) -> None:
    """Fill the outermost pixels: stripes for a warning, plain for a correction."""
    pixels = np.array(canvas)
    rows, columns = np.indices(pixels.shape[:2], sparse=True)
    height, width = pixels.shape[:2]
    near = np.minimum(np.minimum(rows, height - 1 - rows), np.minimum(columns, width - 1 - columns))
    ring = near < frame
    if striped:
        ring = ring & ((rows + columns) // STRIPE_PX % 2 == 0)
    pixels[ring] = colour
    canvas.paste(Image.fromarray(pixels))


def _header(draw, title: str, remarks: Remarks, left: int, frame: int, width: int, px: int) -> None:
    """The title, and badges at the right."""
    y = frame + round(0.75 * px)
    x = width - left
    for said, colour in (
        ("CHECK" if remarks.lines else "", WARNING),
        ("CORRECTED" if remarks.corrected else "", CORRECTED),
    ):
        if said:
            face = font(round(0.72 * px))
            wide = draw.textlength(said, font=face) + 0.7 * px
            draw.rectangle((x - wide, y - 0.55 * px, x, y + 0.55 * px), fill=colour)
            draw.text((x - wide / 2, y), said, font=face, fill=BACKGROUND, anchor="mm")
            x -= wide + 0.4 * px
    while px > 12 and left + draw.textlength(title, font=font(px)) > x:
        px -= 1
    draw.text((left, y), title, font=font(px), fill=INK, anchor="lm")


def _names(draw, marks, remarks: Remarks, between: tuple[int, int], top: int, px: int) -> None:
    """Level names between the views; warned in a filled box with !, corrected by hand with *."""
    low, high = between
    middle = (low + high) / 2
    if not marks:
        draw.text((middle, top + px), "none", font=font(px), fill=INK, anchor="mm")
    ordered = sorted(marks, key=lambda mark: mark.y)
    gaps = [b.y - a.y for a, b in zip(ordered, ordered[1:], strict=False)]
    if gaps:  # thoracic vertebrae of a tall scan lie close together; two at the border may overlap
        px = max(12, min(px, round(0.95 * np.percentile(gaps, 25))))
    last = -np.inf
    for mark in ordered:
        y = top + mark.y
        last = max(y, last + px)
        colour = rgb(level_colour(mark.level))
        draw.line([(low, y), (low + 0.3 * px, y)], fill=colour, width=3)
        draw.line([(high - 0.3 * px, y), (high, y)], fill=colour, width=3)
        said = f"{mark.level}*" if mark.level in remarks.by_hand else mark.level
        if mark.level in remarks.levels:
            said += "!"
            wide = draw.textlength(said, font=font(px)) / 2 + 0.15 * px
            box = (middle - wide, last - 0.5 * px, middle + wide, last + 0.5 * px)
            draw.rectangle(box, fill=WARNING)
            draw.text((middle, last), said, font=font(px), fill=BACKGROUND, anchor="mm")
        else:
            draw.text((middle, last), said, font=font(px), fill=colour, anchor="mm")


def _scale(draw, place: tuple[int, int], px_per_mm: float, px: int) -> None:
    x, y = place
    bar = 50 * px_per_mm
    draw.line([(x, y + px / 2), (x + bar, y + px / 2)], fill=INK, width=3)
    draw.text((x + bar + 8, y + px / 2), "50 mm", font=font(px), fill=INK, anchor="lm")


def _legend(draw, legend: Sequence[tuple[str, int]], place: tuple[int, int], px: int) -> None:
    """What the white outlines stand for."""
    x, y = place
    for name, dash in legend:
        length, step = 30, dash or 30
        for start in range(0, length, 2 * step if dash else step):
            draw.line([(x + start, y + px / 2), (x + start + step, y + px / 2)], fill=INK, width=2)
        draw.text((x + length + 7, y + px / 2), name, font=font(px), fill=SOFT, anchor="lm")
        x += length + 7 + draw.textlength(name, font=font(px)) + 1.2 * px


def draw_exclusion_card(
    participant: str, sentence: str, detail: str = "", corrected: bool = False
) -> np.ndarray:
    """A small card in place of the picture: who was left out, and why in one sentence.

    Args:
        detail: what was found, under the sentence.
        corrected: whether there is a correction, which then could not be used.

    Returns:
        uint8 RGB, shape (360, 640, 3).
    """
    width, height = CARD_PX
    card = Image.new("RGB", (width, height), BACKGROUND)
    if corrected:
        _frame(card, round(FRAME_SHARE * width), WARNING, striped=True)
    draw = ImageDraw.Draw(card)
    draw.text((32, 50), participant, font=font(38), fill=INK)
    draw.text((32, 104), "left out of the measurements", font=font(24), fill=WARNING)
    text = textwrap.fill(sentence, 48)
    draw.multiline_text((32, 148), text, font=font(24), fill=INK, spacing=8)
    if detail:
        lines = textwrap.wrap(detail, 66)[:4]
        y = 164 + 32 * (1 + text.count("\n"))
        draw.multiline_text((32, y), "\n".join(lines), font=font(17), fill=SOFT, spacing=6)
    return np.asarray(card)


def draw_why_left_out(participant: str, about: Mapping) -> np.ndarray:
    """The card of a scan that segmentation.json says was left out."""
    sentence = Reason(about["reason"]).sentence
    return draw_exclusion_card(
        participant, sentence, about["detail"], bool(about.get("correction"))
    )


def encode_png(rgb_image: np.ndarray) -> bytes:
    """PNG bytes of an RGB array, free of metadata, the same for the same picture."""
    buffer = io.BytesIO()
    Image.fromarray(rgb_image).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def write_png(rgb_image: np.ndarray, path: str | Path) -> None:
    """Write an RGB array as PNG."""
    Path(path).write_bytes(encode_png(rgb_image))


def font(size: float) -> ImageFont.FreeTypeFont:
    """Pillow's own typeface, so pictures do not depend on installed fonts."""
    return ImageFont.load_default(size)
