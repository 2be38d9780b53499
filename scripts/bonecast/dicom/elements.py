"""The wanted elements of a plain DICOM file, found by stepping over all others.

pydicom makes an object of every element and gdcm a node of its tree: that, not the disk, is
what many headers cost. Here an element that is not wanted costs one `unpack`. Only what can
be read in one way is read: explicit or implicit VR, little endian, tags ascending, lengths
that fit. Anything else is left to pydicom, whose answers these are held against in the tests.
"""

import os
import struct
import zlib
from collections.abc import Collection
from dataclasses import dataclass

from pydicom import uid
from pydicom.datadict import dictionary_VR
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

MAGIC_OFFSET = 128
"""Bytes of preamble before the letters DICM."""

PIXEL_DATA = 0x7FE00010
UNDEFINED_LENGTH = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

TRANSFER_SYNTAX = 0x00020010
META_CLASS = 0x00020002
META = (META_CLASS, TRANSFER_SYNTAX)
"""Elements of the file meta group that are always read."""

META_START = b"DICM\x02\x00\x00\x00UL\x04\x00"
SYNTAX_START = b"\x02\x00\x10\x00UI"
"""How a sound file meta group begins, and the element of the transfer syntax in it."""

CHARACTER_SET = 0x00080005

DATA_SET = 0x00080000
"""The first tag after the file meta and command groups."""

BEFORE_PIXELS = 0x7FE00008
"""The first tag of group 7FE0 that may hold pixels."""

BUFFER_BYTES = (16384, 262144)
"""Read at once; the second where private elements make a header longer than the first."""

MAX_INFLATED_BYTES = 2**20
"""As much of a deflated data set is looked at: its header, but never a bomb."""

MAX_DEPTH = 8
"""Sequences within sequences; scanners nest three or four."""

LONG_VRS = frozenset(vr.encode() for vr in EXPLICIT_VR_LENGTH_32)
SHORT_VRS = frozenset(vr.value.encode() for vr in VR if len(vr.value) == 2) - LONG_VRS
PIXEL_VRS = (b"OW", b"OB")

_EXPLICIT = struct.Struct("<HH2sH").unpack_from
_IMPLICIT = struct.Struct("<HHI").unpack_from
_LENGTH = struct.Struct("<I").unpack_from

OTHER_CODINGS = {uid.ExplicitVRBigEndian, *uid.PrivateTransferSyntaxes}
"""Left to pydicom; every other syntax but the implicit one is explicit VR, little endian."""


class NotPlainError(Exception):
    """The header can be read in more than one way, or in none."""


@dataclass(slots=True)
class Elements:
    """What a walk found.

    Attributes:
        values: the bytes of each wanted element that is there, by tag.
        pixel_length: announced bytes of pixel data, UNDEFINED_LENGTH where they are encoded;
            None where there are none.
        pixel_bytes: those that are there, or the rest of the file.
    """

    values: dict[int, bytes]
    pixel_length: int | None
    pixel_bytes: int


def read_elements(descriptor: int, size: int, wanted: Collection[int]) -> Elements | None:
    """Walk the header of an open file.

    Args:
        descriptor: of the file.
        size: of the file, in bytes.
        wanted: tags, besides META.

    Returns:
        The elements; None where the file is not plain DICOM.

    Raises:
        OSError: the disk is at fault.
        ValueError: a deflated data set, which pydicom would inflate whole, is not plain.
        zlib.error: it is damaged.
    """
    for limit in BUFFER_BYTES:
        content = os.pread(descriptor, limit, 0)
        try:
            return _walk(content, size, wanted)
        except NotPlainError:
            return None
        except struct.error:  # the buffer ends before the header does
            if len(content) >= size:
                return None
    return None


def _walk(content: bytes, size: int, wanted: Collection[int]) -> Elements:
    """Raises NotPlainError, or struct.error where `content` ends first."""
    if content[MAGIC_OFFSET : MAGIC_OFFSET + len(META_START)] != META_START:
        raise NotPlainError
    values: dict[int, bytes] = {}
    at = _explicit(content, MAGIC_OFFSET + 4, 0x00020000, 0x00030000, META, values)
    if SYNTAX_START not in content[:at]:
        raise NotPlainError
    syntax = values.get(TRANSFER_SYNTAX, b"").decode("latin-1").rstrip(" \0")
    if not syntax.replace(".", "").isdigit() or syntax in OTHER_CODINGS:
        raise NotPlainError
    if syntax == uid.DeflatedExplicitVRLittleEndian:
        return _walk_deflated(content[at:], size - at, wanted, values)
    implicit = syntax == uid.ImplicitVRLittleEndian
    step = _implicit if implicit else _explicit
    at = step(content, at, DATA_SET, BEFORE_PIXELS, wanted, values)
    if b"\0" in values.get(CHARACTER_SET, b"").rstrip(b" \0"):  # stops pydicom
        raise NotPlainError
    if at == size:
        return Elements(values, None, 0)
    if implicit:
        group, element, length = _IMPLICIT(content, at)
        start = at + 8
    else:
        group, element, vr, _ = _EXPLICIT(content, at)
        (length,) = _LENGTH(content, at + 8)
        start = at + 12
        if vr not in PIXEL_VRS:
            raise NotPlainError
    if (group << 16 | element) != PIXEL_DATA:
        raise NotPlainError
    return Elements(values, length, size - start)


def _walk_deflated(
    content: bytes, size: int, wanted: Collection[int], values: dict[int, bytes]
) -> Elements:
    """The same for a data set that begins in `content` and takes `size` bytes deflated."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflate.decompress(content, MAX_INFLATED_BYTES)
    try:
        at = _explicit(plain, 0, DATA_SET, BEFORE_PIXELS, wanted, values)
    except NotPlainError:
        raise ValueError("a deflated data set that is not plain") from None
    except struct.error:
        if len(content) == size or len(content) > BUFFER_BYTES[0]:
            raise ValueError("a deflated data set without end") from None
        raise
    ended = at == len(plain) and inflate.eof
    return Elements(values, None if ended else UNDEFINED_LENGTH, size)


def _explicit(
    content: bytes,
    at: int,
    first: int,
    until: int,
    wanted: Collection[int],
    values: dict[int, bytes],
) -> int:
    """Walk elements with explicit VR from the tag `first` to the one before `until`.

    Returns:
        Where the element `until`, or one after it, begins; or the end of the content.
    """
    last, end = first - 1, len(content)
    while at < end:
        group, element, vr, length = _EXPLICIT(content, at)
        tag = group << 16 | element
        if tag >= until:
            return at
        if tag <= last:
            raise NotPlainError
        last = tag
        if vr in SHORT_VRS:
            at += 8
        elif vr in LONG_VRS:
            (length,) = _LENGTH(content, at + 8)
            at += 12
            if length == UNDEFINED_LENGTH:
                if vr != b"SQ" or tag in wanted:
                    raise NotPlainError
                at = _after_sequence(content, at, implicit=False, depth=0)
                continue
        else:
            raise NotPlainError
        if tag in wanted:
            values[tag] = content[at : at + length]
        at += length
    if at > end:
        raise struct.error
    return at


def _implicit(
    content: bytes,
    at: int,
    first: int,
    until: int,
    wanted: Collection[int],
    values: dict[int, bytes],
) -> int:
    """The same for implicit VR."""
    last, end = first - 1, len(content)
    if content[at + 4 : at + 6].isalpha():  # a VR after all
        raise NotPlainError
    while at < end:
        group, element, length = _IMPLICIT(content, at)
        tag = group << 16 | element
        if tag >= until:
            return at
        if tag <= last:
            raise NotPlainError
        last = tag
        at += 8
        if length == UNDEFINED_LENGTH:
            if tag in wanted:
                raise NotPlainError
            _check_sequence(content, at, tag)
            at = _after_sequence(content, at, implicit=True, depth=0)
            continue
        if tag in wanted:
            values[tag] = content[at : at + length]
        at += length
    if at > end:
        raise struct.error
    return at


def _check_sequence(content: bytes, at: int, tag: int) -> None:
    """Raise where an element of undefined length, its VR unsaid, may be no sequence."""
    try:
        sequence = dictionary_VR(tag) == "SQ"
    except KeyError:
        group, element, _ = _IMPLICIT(content, at)
        sequence = (group << 16 | element) == ITEM
    if not sequence:
        raise NotPlainError


def _after_sequence(content: bytes, at: int, implicit: bool, depth: int) -> int:
    """Where a sequence of undefined length ends whose first item begins at `at`."""
    if depth > MAX_DEPTH:
        raise NotPlainError
    while True:
        group, element, length = _IMPLICIT(content, at)
        tag = group << 16 | element
        at += 8
        if tag == SEQUENCE_END:
            return at
        if tag != ITEM:
            raise NotPlainError
        end = None if length == UNDEFINED_LENGTH else at + length
        at = _after_item(content, at, end, implicit, depth)


def _after_item(content: bytes, at: int, end: int | None, implicit: bool, depth: int) -> int:
    """Where an item ends: at `end`, or after its delimiter where that is None."""
    while end is None or at < end:
        group, element, length = _IMPLICIT(content, at)
        tag = group << 16 | element
        if tag == ITEM_END and end is None:
            return at + 8
        vr = content[at + 4 : at + 6]
        at += 8
        if implicit:
            if length == UNDEFINED_LENGTH:
                _check_sequence(content, at, tag)
        elif vr in SHORT_VRS:
            length >>= 16
        elif vr in LONG_VRS:
            (length,) = _LENGTH(content, at)
            at += 4
            if length == UNDEFINED_LENGTH and vr != b"SQ":
                raise NotPlainError
        else:
            raise NotPlainError
        if length == UNDEFINED_LENGTH:
            at = _after_sequence(content, at, implicit, depth + 1)
        else:
            at += length
    if at != end:
        raise NotPlainError
    return at
