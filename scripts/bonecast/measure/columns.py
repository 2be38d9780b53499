"""What a column of a table is: declared once, where it is made.

Names in files, types when read back, the data dictionary and the check of the collected
tables all come from these declarations.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bonecast.levels import LEVELS
from bonecast.reasons import Reason

REASONS = tuple(str(code) for code in Reason)


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: as in the file.
        unit: empty where there is none.
        definition: what a value is, in one sentence.
        source: of the definition, formula or threshold; or the file a value comes from.
        kind: float, int, bool or text.
        low, high: what a value can be at least and at most; None: no limit.
        words: those a text may be; empty: any.
        block: the block of features it belongs to; `id`, `quality` and `acquisition` are none.
    """

    name: str
    unit: str
    definition: str
    source: str = ""
    kind: str = "float"
    low: float | None = None
    high: float | None = None
    words: tuple[str, ...] = ()
    block: str = "quality"

    def __post_init__(self):
        if self.kind not in ("float", "int", "bool", "text"):
            raise ValueError(f"{self.name}: no kind of column is called {self.kind}")

    @property
    def range(self) -> str:
        """What values are possible, in words: `0 to 3`, `at least 0`, `none | wedge`."""
        if self.words == REASONS:
            return "a reason code"
        if self.words:
            return " | ".join(self.words)
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        if self.low is not None:
            return f"at least {self.low:g}"
        return "" if self.high is None else f"at most {self.high:g}"


SCAN = (
    Column(
        "participant_id",
        "",
        "Pseudonym of the participant",
        "participants.tsv",
        kind="text",
        block="id",
    ),
    Column(
        "session_id",
        "",
        "Which scan of the participant, empty where there is but one",
        "participants.tsv",
        kind="text",
        block="id",
    ),
)
"""Which scan a row is of."""

LEVEL = Column("level", "", "Vertebral level", kind="text", words=tuple(LEVELS), block="id")

HU = {"low": -1024.0, "high": 32767.0}
"""What attenuation of a converted image can be: metal goes far beyond bone."""

SHARED = ("included", "reason")
"""Columns that every family has: in a table of several families its name goes before."""


def included(when: str) -> Column:
    """Column `included`: whether `when` is true."""
    return Column("included", "", f"Whether {when}", kind="bool")


def reason(definition: str, name: str = "reason") -> Column:
    """Column of a code of `bonecast.reasons`."""
    return Column(name, "", definition, kind="text", words=REASONS)


def names(columns: Iterable[Column]) -> tuple[str, ...]:
    """The names of columns, in order."""
    return tuple(column.name for column in columns)


def prefixed(prefix: str, columns: Iterable[Column], about: str = "") -> tuple[Column, ...]:
    """The same columns with `prefix_` before each name and `; about` after each definition."""
    more = f"; {about}" if about else ""
    return tuple(
        replace(c, name=f"{prefix}_{c.name}", definition=c.definition + more) for c in columns
    )


def in_family(family: str, columns: Iterable[Column]) -> tuple[Column, ...]:
    """Columns of a family as they are called beside those of others.

    `included` and `reason` become `<family>_included` and `<family>_reason`; `level` is left out.
    """
    return tuple(
        replace(c, name=f"{family}_{c.name}") if c.name in SHARED else c
        for c in columns
        if c.name != "level"
    )
