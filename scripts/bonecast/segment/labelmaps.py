"""Translate the label conventions of other programs into VerSe codes.

Masks come from many places; inside Bonecast a voxel's value is always the VerSe
code of its vertebra (see `bonecast.levels`), and everything that is not a
vertebra is 0.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml

from bonecast.levels import VERSE_CODES

VERSE = {code: name for name, code in VERSE_CODES.items()}
"""VerSe's own numbering."""

TOTALSEGMENTATOR = {26: "S1"} | {
    value: name
    for value, name in zip(
        range(27, 51),
        [
            *(f"L{i}" for i in range(5, 0, -1)),
            *(f"T{i}" for i in range(12, 0, -1)),
            *(f"C{i}" for i in range(7, 0, -1)),
        ],
        strict=True,
    )
}
"""Task `total` of TotalSegmentator v2: vertebrae from S1 upwards. Its 25 is the
sacrum below S1, which no measurement uses."""

TOTALSEGMENTATOR_BODIES = {
    value: name
    for value, name in enumerate(
        [
            *(f"C{i}" for i in range(1, 8)),
            *(f"T{i}" for i in range(1, 13)),
            *(f"L{i}" for i in range(1, 6)),
        ],
        start=1,
    )
}
"""TotalSegmentator's vertebral bodies: 1 = C1 ... 24 = L5, from the head downwards."""

CONVENTIONS: dict[str, dict[int, str]] = {
    "verse": VERSE,
    "totalsegmentator": TOTALSEGMENTATOR,
    "totalsegmentator_bodies": TOTALSEGMENTATOR_BODIES,
}
"""Conventions known by name."""


def read_mapping(
    convention: str | Path, known: Mapping[str, dict[int, str]] = CONVENTIONS
) -> dict[int, str]:
    """Label values and the level, or other structure, each stands for.

    Args:
        convention: a name in `known`, or a JSON or YAML file of `value: level`.
        known: conventions by name.

    Raises:
        ValueError: no such convention or file, or the file is not such a mapping.
    """
    if str(convention) in known:
        return known[str(convention)]
    path = Path(convention)
    if not path.is_file():
        raise ValueError(
            f"mask labels '{convention}': neither one of {', '.join(known)} nor a file"
        )
    text = path.read_text(encoding="utf-8")
    try:
        raw = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        return {int(value): str(level) for value, level in raw.items()}
    except (ValueError, AttributeError, TypeError, yaml.YAMLError) as error:
        raise ValueError(
            f"{path.name}: expected one 'value: name' per line, such as '22: L3'"
        ) from error


def translate(mask: np.ndarray, mapping: dict[int, str]) -> np.ndarray:
    """A mask in VerSe codes.

    Args:
        mask: labels of any integer type (or floats that are whole numbers), any shape.
        mapping: label value to level name; values not named become 0.

    Returns:
        uint8 array of the same shape.

    Raises:
        ValueError: a level that does not exist, a level named twice, or a mask that
            holds fractions or negative values.
    """
    unknown = sorted(set(mapping.values()) - set(VERSE_CODES))
    if unknown:
        names = ", ".join(unknown)
        raise ValueError(f"unknown level {names}: expected C1..C7, T1..T13, L1..L6 or S1")
    repeated = sorted({name for name in mapping.values() if [*mapping.values()].count(name) > 1})
    if repeated:
        raise ValueError(f"more than one label stands for {', '.join(repeated)}")
    return recode(mask, {value: VERSE_CODES[level] for value, level in mapping.items()})


def recode(mask: np.ndarray, codes: Mapping[int, int]) -> np.ndarray:
    """A mask with other numbers, uint8 of the same shape; labels that `codes` lacks become 0.

    Raises:
        ValueError: the mask holds fractions or negative values.
    """
    labels = _as_labels(mask)
    highest = int(labels.max(initial=0))
    table = np.zeros(max(highest, *codes, 0) + 1, dtype=np.uint8)
    for value, code in codes.items():
        table[value] = code
    return table[labels]


def _as_labels(mask: np.ndarray) -> np.ndarray:
    """The mask as non-negative integers, refusing what cannot be labels."""
    if mask.dtype.kind == "f":
        labels = mask.astype(np.int64)
        if not np.array_equal(labels, mask):
            raise ValueError("the mask holds fractions: expected one whole number per vertebra")
    elif mask.dtype.kind in "iub":
        labels = mask.astype(np.uint8) if mask.dtype.kind == "b" else mask
    else:
        raise ValueError(f"a mask of type {mask.dtype} holds no labels")
    if labels.dtype.kind == "i" and labels.min(initial=0) < 0:
        raise ValueError(f"the mask holds the negative label {labels.min()}")
    return labels
