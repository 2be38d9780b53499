"""The base of every error that the user, and not the code, has to put right."""

import re

HARMLESS = re.compile(
    r"[+-]?(\d{0,5}([.,]\d{0,4})?(e[+-]?\d{1,3})?|inf|nan)|[A-Za-z]\d{0,2}|\W{0,2}"
)
"""Cells that name nobody: numbers too short for a date or a record, and codes such as L1."""


class Refusal(Exception):
    """An input cannot be used; the message says whose, what was found and what to do."""


def shown(cell: str) -> str:
    """A cell of a user's table as a message may show it: only what cannot be a name or a date."""
    return repr(cell) if HARMLESS.fullmatch(cell) else f"a text of {len(cell)} characters"
