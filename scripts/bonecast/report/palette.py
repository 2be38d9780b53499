"""Colours of every picture, safe for the common forms of colour blindness.

Okabe & Ito, Color Universal Design (jfly.uni-koeln.de/color, 2008).
"""

from bonecast.levels import LEVELS

BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#6B6B6B"

SERIES: tuple[str, ...] = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
"""Order in which lines and groups of a chart take colours."""

_CYCLE = (SKY, ORANGE, GREEN, YELLOW, PURPLE, VERMILION)


def level_colour(level: str) -> str:
    """Hex colour of a vertebral level; neighbours always differ."""
    return _CYCLE[LEVELS.index(level) % len(_CYCLE)]


def rgb(colour: str) -> tuple[int, int, int]:
    """A #RRGGBB colour as three integers, 0 to 255."""
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
