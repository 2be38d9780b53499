"""Vertebra names and the integer codes masks use for them.

VerSe codes (Sekuboyina et al., Med Image Anal 2021;73:102166): 1-7 C1-C7,
8-19 T1-T12, 20-25 L1-L6, 26 S1 (sacrum), 28 T13.
"""

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
