"""Elements of a data set straight from their bytes.

pydicom's own conversion of values costs three times as much as reading the file; here it is
used only for values that are converted already, such as those within sequences.
"""

from collections.abc import Sequence
from functools import cache

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from bonecast.dicom.headers import FUNCTIONAL_GROUPS, FrameGroups


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(tag_for_keyword(keyword))


class Values:
    """The top-level elements of a data set, and the functional groups of an enhanced one."""

    def __init__(self, dataset: Dataset):
        self._dataset = dataset
        enhanced = any(Tag(tag) in dataset for tag in FUNCTIONAL_GROUPS)
        self._groups = FrameGroups(dataset) if enhanced else None

    def __contains__(self, keyword: str) -> bool:
        return _tag(keyword) in self._dataset

    def text(self, keyword: str) -> str:
        """An element as text, empty where missing; several values parted by backslashes."""
        tag = _tag(keyword)
        if tag not in self._dataset:
            return ""
        value = self._dataset.get_item(tag).value
        if isinstance(value, bytes):
            return value.decode("latin-1").strip(" \0")
        if isinstance(value, MultiValue | list):
            return "\\".join(str(part) for part in value)
        return "" if value is None else str(value).strip(" \0")

    def integer(self, keyword: str) -> int | None:
        """A binary element of two bytes without sign; None where missing or empty."""
        tag = _tag(keyword)
        if tag not in self._dataset:
            return None
        element = self._dataset.get_item(tag)
        if isinstance(element.value, bytes):
            order = "little" if element.is_little_endian else "big"
            return int.from_bytes(element.value[:2], order) if element.value else None
        return None if element.value is None else int(element.value)

    def floats(self, keyword: str, frame: int = 0, sequence: str = "") -> list[float] | None:
        """A decimal element's values, a frame's own before the data set's; None where missing.

        Args:
            sequence: functional group that holds it in enhanced objects.

        Raises:
            ValueError: a value is not a number.
        """
        found = self._groups.value(frame, sequence, keyword) if self._groups else None
        if found is None:
            text = self.text(keyword)
            return [float(part) for part in text.split("\\")] if text else None
        parts = found if isinstance(found, Sequence) and not isinstance(found, str) else [found]
        return [float(part) for part in parts]

    def word(self, keyword: str, frame: int = 0, sequence: str = "") -> str:
        """A code, in capitals, a frame's own before the data set's; empty where missing."""
        found = self._groups.value(frame, sequence, keyword) if self._groups else None
        return (self.text(keyword) if found is None else str(found)).strip().upper()
