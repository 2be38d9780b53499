"""Vertebra names and the integer codes masks use for them.

VerSe codes (Sekuboyina et al., Med Image Anal 2021;73:102166): 1-7 C1-C7,
8-19 T1-T12, 20-25 L1-L6, 26 S1 (sacrum), 28 T13.
"""

from collections.abc import Collection

VERSE_CODES: dict[str, int] = (
    {f"C{i}": i for i in range(1, 8)}
    | {f"T{i}": 7 + i for i in range(1, 13)}
    | {f"L{i}": 19 + i for i in range(1, 7)}
    | {"S1": 26, "T13": 28}
)
"""Level name to VerSe code."""

VERSE_NAMES: dict[int, str] = {code: name for name, code in VERSE_CODES.items()}
"""VerSe code to level name."""

LEVELS: tuple[str, ...] = (
    *(f"C{i}" for i in range(1, 8)),
    *(f"T{i}" for i in range(1, 14)),
    *(f"L{i}" for i in range(1, 7)),
    "S1",
)
"""Every level name from head to foot: the order of rows in all tables."""


def order_of(present: Collection[str]) -> list[str]:
    """Level names from head to foot as they follow each other in one scan.

    T13 is one of them only where the scan has it. L6 always is: between L5 and the sacrum
    a name must be left to move on to.
    """
    return [level for level in LEVELS if level != "T13" or "T13" in present]


def shift_levels(present: Collection[str], shift: int) -> dict[str, str | None]:
    """New name of each level of a scan when all move `shift` levels towards the foot.

    The sacrum keeps its name. None where there is no such level: above C1, below L6.
    """
    order = [level for level in order_of(present) if level != "S1"]
    moved = {}
    for level in present:
        place = order.index(level) + shift if level != "S1" else None
        if place is None:
            moved[level] = level
        else:
            moved[level] = order[place] if 0 <= place < len(order) else None
    return moved
