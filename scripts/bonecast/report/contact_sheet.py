"""Participants' pictures on pages of two dozen, those to be checked first."""

import base64
import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from bonecast.report.palette import ORANGE, rgb
from bonecast.report.qc_page import font, read_remarks, write_png
from bonecast.sessions import scan_id

COLUMNS = ("page", "place", "participant_id", "status", "corrected", "checks", "picture")
ACROSS, DOWN = 6, 4
MAX_PAGES = 100
"""Half a megabyte each: of a larger cohort the sheet shows a part, and its table lists everyone."""
TILE_PX = (300, 352)
"""Room for one picture; its names were made to be read at this width."""
CAPTION_PX = 44
"""Under each picture: the participant, and how it stands out from the cohort."""
GAP_PX = 12
HEAD_PX = 54
PAPER = (255, 255, 255)
INK = (28, 33, 38)
WARNING = rgb(ORANGE)
JPEG_QUALITY = 82
NO_TIME = {"creationDate": None, "modDate": None, "title": None}
"""The same pictures give the same file."""


@dataclass(frozen=True)
class Tile:
    """One scan on the sheet.

    Attributes:
        participant_id: name of the scan.
        status: ok or excluded.
        checks: sentences, those of the segmentation and the outliers against the cohort.
        outliers: the latter, short enough for a caption.
    """

    participant_id: str
    picture: Path
    status: str
    corrected: bool
    checks: Sequence[str]
    outliers: str


def draw_contact_sheet(
    pictures: Sequence[str | Path],
    segmentations: Sequence[str | Path],
    outliers_path: str | Path,
    outputs: Mapping[str, str],
) -> None:
    """Write the pages as PDF, the first as PNG and SVG, and the list of who is where as CSV.

    Of more than MAX_PAGES pages of scans those `on_sheet` are drawn; the list has everyone.

    Args:
        pictures, segmentations: qc.png and segmentation.json of everyone, in the same order.
        outliers_path: segmentation_outliers.tsv.
        outputs: keys pdf (all pages), svg and png (the first page), csv.
    """
    every = order(read_tiles(pictures, segmentations, outliers_path))
    per_page = ACROSS * DOWN
    tiles = on_sheet(every, MAX_PAGES * per_page)
    pages = max(1, -(-len(tiles) // per_page))
    about = f"To be checked: {sum(bool(tile.checks) for tile in every):,}, shown first."
    if len(tiles) < len(every):
        about += f" {len(tiles):,} of {len(every):,} scans; contact_sheet.csv lists all."
    for number in range(1, pages + 1):
        part = tiles[(number - 1) * per_page : number * per_page]
        page = draw_page(part, f"Page {number} of {pages}. {about}")
        if number == 1:
            write_png(np.asarray(page), outputs["png"])
            _write_svg(page.size, outputs)
        # Page by page: a cohort of thousands does not fit in memory.
        options = {} if number == 1 else {"append": True}
        page.save(
            outputs["pdf"], format="PDF", resolution=150, quality=JPEG_QUALITY, **NO_TIME, **options
        )
    with Path(outputs["csv"]).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        places = {tile.participant_id: place for place, tile in enumerate(tiles)}
        others = [tile for tile in every if tile.participant_id not in places]
        for tile in (*tiles, *others):
            place = places.get(tile.participant_id)
            writer.writerow(
                {
                    "page": None if place is None else place // per_page + 1,
                    "place": None if place is None else place % per_page + 1,
                    "participant_id": tile.participant_id,
                    "status": tile.status,
                    "corrected": str(tile.corrected).lower(),
                    "checks": " ".join(tile.checks),
                    "picture": f"participants/{tile.participant_id}/qc.png",
                }
            )


def _write_svg(size: tuple[int, int], outputs: Mapping[str, str]) -> None:
    """The PNG inside an SVG: photographs have no lines to keep."""
    width, height = size
    content = base64.b64encode(Path(outputs["png"]).read_bytes()).decode("ascii")
    Path(outputs["svg"]).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
        f'<image width="{width}" height="{height}" href="data:image/png;base64,{content}"/>'
        "</svg>\n",
        encoding="utf-8",
    )


def read_tiles(
    pictures: Sequence[str | Path], segmentations: Sequence[str | Path], outliers_path: str | Path
) -> list[Tile]:
    """What the sheet says of each participant, in the cohort's order."""
    with Path(outliers_path).open(newline="", encoding="utf-8") as stream:
        outliers = list(csv.DictReader(stream, delimiter="\t"))
    found: dict[str, list[str]] = {}
    for row in outliers:
        z = float(row["robust_z"])
        found.setdefault(scan_id(row["participant_id"], row.get("session_id", "")), []).append(
            f"{row['level']} {row['quantity']} {z:+.1f}"
        )
    tiles = []
    for picture, segmentation in zip(pictures, segmentations, strict=True):
        about = json.loads(Path(segmentation).read_text(encoding="utf-8"))
        name = about["participant_id"]
        remarks = read_remarks(about)
        far = [f"{text} robust SD from the cohort." for text in found.get(name, [])]
        refused = ["The correction cannot be used."] if _refused(about) else []
        tiles.append(
            Tile(
                name,
                Path(picture),
                about["status"],
                bool(about.get("correction")),
                [*refused, *remarks.lines, *far],
                ", ".join(found.get(name, [])),
            )
        )
    return tiles


def _refused(about: Mapping) -> bool:
    return about["status"] != "ok" and bool(about.get("correction"))


def order(tiles: Sequence[Tile]) -> list[Tile]:
    """Those to be checked first, those left out last; else the cohort's order."""
    return sorted(tiles, key=lambda tile: (not tile.checks, tile.status != "ok"))


def on_sheet(tiles: Sequence[Tile], room: int) -> list[Tile]:
    """Those for which there is room, in the order given.

    Where not all fit, at least half the room goes to those to be checked, first those with most
    to be checked; the others are taken at even steps.
    """
    if len(tiles) <= room:
        return list(tiles)
    marked = sorted((tile for tile in tiles if tile.checks), key=lambda tile: -len(tile.checks))
    others = [tile for tile in tiles if not tile.checks]
    marked = marked[: max(room // 2, room - len(others))]
    n = room - len(marked)
    others = [others[i * len(others) // n] for i in range(n)]
    chosen = {tile.participant_id for tile in (*marked, *others)}
    return [tile for tile in tiles if tile.participant_id in chosen]


def draw_page(tiles: Sequence[Tile], title: str) -> Image.Image:
    """One page of at most ACROSS x DOWN pictures."""
    wide, high = TILE_PX[0] + GAP_PX, TILE_PX[1] + CAPTION_PX + GAP_PX
    rows = max(1, -(-len(tiles) // ACROSS))
    page = Image.new("RGB", (ACROSS * wide + GAP_PX, rows * high + HEAD_PX + GAP_PX), PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((GAP_PX, HEAD_PX / 2), title, font=font(24), fill=INK, anchor="lm")
    for i, tile in enumerate(tiles):
        x, y = GAP_PX + i % ACROSS * wide, HEAD_PX + i // ACROSS * high
        with Image.open(tile.picture) as picture:
            small = picture.convert("RGB")
        # A high tile is narrower; a short one would otherwise be enlarged beyond its pixels.
        small.thumbnail(TILE_PX, Image.Resampling.LANCZOS)
        corner = (x + (TILE_PX[0] - small.width) // 2, y + TILE_PX[1] - small.height)
        page.paste(small, corner)
        below = y + TILE_PX[1] + 4
        draw.text((x, below), tile.participant_id, font=font(19), fill=INK)
        if tile.outliers:
            # Found after the picture was drawn, which therefore has no frame of its own.
            end = (corner[0] + small.width - 1, corner[1] + small.height - 1)
            draw.rectangle((*corner, *end), outline=WARNING, width=5)
            text = _fitted(draw, tile.outliers, TILE_PX[0] - 22)
            draw.rectangle((x, below + 24, x + 14, below + 38), fill=WARNING)
            draw.text((x + 20, below + 31), text, font=font(15), fill=INK, anchor="lm")
    return page


def _fitted(draw: ImageDraw.ImageDraw, text: str, width_px: int) -> str:
    """Text cut to a width."""
    if draw.textlength(text, font=font(15)) <= width_px:
        return text
    while draw.textlength(f"{text} ...", font=font(15)) > width_px:
        text = text[:-1]
    return f"{text} ..."
