"""Thousands of damaged files: each ends in a decision with a reason, soon, and none in a crash.

Files are damaged as accidents and careless programs do it; the seed of chance is fixed.
"""

import os
import random
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset

from bonecast.dicom import scan
from bonecast.dicom.convert import convert_participant
from bonecast.dicom.headers import FileKind, quiet_pydicom
from bonecast.dicom.table import write_series

N_FABRICATED, N_REAL = 1500, 1000
N_INDEXED = 2000
CONVERT_EVERY = 10
SLICES = 11
SEED = 20260101
LIMIT_S = 10.0
"""CPU time for one damaged file, or a series with one: a thousand times what it takes."""

LARGEST_REAL_BYTES = 45_000

CODINGS = {
    "explicit": uid.ExplicitVRLittleEndian,
    "implicit": uid.ImplicitVRLittleEndian,
    "big": uid.ExplicitVRBigEndian,
    "deflated": uid.DeflatedExplicitVRLittleEndian,
    "rle": uid.RLELossless,
}


def recode(path: Path, syntax: uid.UID) -> None:
    """Write a file again in another coding."""
    dataset = pydicom.dcmread(path)
    if syntax == uid.RLELossless:
        dataset.compress(syntax)
    elif not syntax.is_little_endian:
        dataset["PixelData"].VR = "OW"
        dataset.PixelData = dataset.pixel_array.astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    fresh = Dataset(dataset)
    fresh.file_meta = dataset.file_meta
    fresh.save_as(path, enforce_file_format=True)


@pytest.fixture(autouse=True)
def no_mistake_of_our_own(caplog):
    """What damaged files make our own code stumble over may be a mistake in it."""
    yield
    told = {record.getMessage() for record in caplog.get_records("call")}
    assert {text for text in told if "taken for damage" in text} == set()


@pytest.fixture
def series(ct, tmp_path) -> dict[str, list[Path]]:
    """Sound series in every coding, and one multi-frame object: paths by name."""
    found = {name: ct.write(tmp_path / name, slices=SLICES) for name in CODINGS}
    for name, syntax in CODINGS.items():
        for path in found[name]:
            recode(path, syntax)
    found["enhanced"] = [tmp_path / "enhanced" / "one.dcm"]
    found["enhanced"][0].parent.mkdir()
    ct.enhanced(SLICES).save_as(found["enhanced"][0], enforce_file_format=True)
    return found


def damage(paths: list[Path], work: Path, number: int) -> Iterator[Path]:
    """Each of `number` damaged copies of files, under one name."""
    chance = random.Random(SEED)
    sound = {path: path.read_bytes() for path in paths}
    elements = {path: find_elements(content) for path, content in sound.items()}
    for _ in range(number):
        path = chance.choice(paths)
        (work / "damaged").write_bytes(mutate(sound[path], elements[path], chance))
        yield work / "damaged"


def by_pydicom(path: Path) -> object:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return scan.read_unusual(descriptor, 0)
    except Exception:
        return FileKind.UNREADABLE
    finally:
        os.close(descriptor)


def check_reading(paths: list[Path], work: Path, number: int) -> None:
    answers = Counter()
    with quiet_pydicom():
        for count, path in enumerate(damage(paths, work, number)):
            started = time.process_time()
            found = scan.read_header(path, 0)
            assert time.process_time() - started < LIMIT_S, count
            answers[found if isinstance(found, FileKind) else "header"] += 1
            if uid.DeflatedExplicitVRLittleEndian.encode() not in path.read_bytes()[:1024]:
                assert repr(found) == repr(by_pydicom(path)), count
    assert min(answers["header"], answers[FileKind.UNREADABLE]) > number / 10


def test_fabricated_files_are_read_as_pydicom_does_however_damaged(series, tmp_path):
    check_reading([paths[0] for paths in series.values()], tmp_path, N_FABRICATED)


def test_real_files_are_read_as_pydicom_does_however_damaged(shared_data, tmp_path):
    found = sorted((shared_data / "dicom" / "odd").rglob("*"))
    small = [p for p in found if p.is_file() and 1000 < p.stat().st_size < LARGEST_REAL_BYTES]
    assert len(small) > 30
    check_reading(small, tmp_path, N_REAL)


def test_damaged_series_get_a_decision_with_a_reason(ct, series, tmp_path):
    """One file of a series is damaged, or all alike; some of those are converted."""
    chance = random.Random(SEED)
    sound = {path: path.read_bytes() for paths in series.values() for path in paths}
    elements = {path: find_elements(content) for path, content in sound.items()}
    names = ["explicit"] * 4 + list(series)
    seen, converted = Counter(), Counter()
    for count in range(N_INDEXED):
        paths = series[chance.choice(names)]
        touched = paths if chance.random() < 0.1 else [chance.choice(paths)]
        state = chance.getstate()
        for path in touched:
            chance.setstate(state)
            path.write_bytes(mutate(sound[path], elements[path], chance))
        started = time.process_time()
        index, decisions = ct.decide(paths[0].parent)
        for one in decisions:
            assert one.chosen == (one.reason is None) and one.detail, count
            seen[one.reason] += 1
        files = [number for one in index.series for number in one.files]
        files += [number for numbers in index.others.values() for number in numbers]
        assert len(files) == len(set(files)), count
        copies = sum(one.n_copies for one in index.series)
        assert len(files) + copies == len(paths), count
        if count % CONVERT_EVERY == 0:
            write_series(index, decisions, tmp_path / "series.tsv")
            record = convert_participant(
                *("p1", paths[0].parent, tmp_path / "series.tsv", tmp_path / "ct.nii.gz")
            )
            assert (record["status"] == "ok") == (not record["reason"]), count
            assert record["status"] == "ok" or record["detail"], count
            assert bool((tmp_path / "ct.nii.gz").stat().st_size) == (record["status"] == "ok")
            converted[record["reason"]] += 1
        assert time.process_time() - started < LIMIT_S, count
        for path in touched:
            path.write_bytes(sound[path])
    assert sum(converted.values()) == N_INDEXED / CONVERT_EVERY
    assert len(converted) > 3 and converted[""] > 20
    assert len(seen) > 5 and seen[None] > N_INDEXED / 10


MAGIC = 132
"""Bytes before the first element of a file with preamble."""

GARBAGE = (
    *(b"nan", b"inf", b"-inf", b"1e308", b"-1", b"0", b"", b"\\", b"\\\\\\\\", b"1_0", b"0x10"),
    *(b"text in a number", b"1,5", b"\xff\xfe\x00\x01", b"99999999999999999999", b"1\\nan\\3"),
    *(b"1\\0\\0\\0\\1\\1e9", b"\x1b$B", b"-0.5\\-0.5", b"1e-300\\1e-300", b"0\\0\\0\\0\\0\\0"),
)
NUMBERS = (0, 1, 2, 7, 0x7FFF, 0xFFFE, 0xFFFF)
LENGTHS = (0, 1, 2, 3, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
VRS = (b"SQ", b"UN", b"OB", b"OW", b"US", b"DS", b"UT", b"??", b"\0\0", b"zz", b"FD", b"AT")
NESTED = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff"
"""An item of a sequence of undefined length that opens another one."""

Element = tuple[int, int, int]
"""Where an element begins, its value, and the next element."""


def find_elements(content: bytes) -> list[Element]:
    """Elements of a sound file with explicit VR, up to its pixels."""
    at, found = MAGIC, []
    while at + 12 < len(content) and content[at : at + 2] != b"\xe0\x7f":
        vr, length = struct.unpack_from("<2sH", content, at + 4)
        value = at + 8
        if vr in (b"SQ", b"OB", b"OW", b"UN", b"UT", b"OF", b"UC", b"UR"):
            (length,) = struct.unpack_from("<I", content, at + 8)
            value = at + 12
        if not vr.isalpha() or length > len(content) - value:
            break  # an undefined length, or implicit VR after the file meta
        found.append((at, value, value + length))
        at = value + length
    return [*found, (at, min(at + 12, len(content)), len(content))]


def mutate(content: bytes, elements: list[Element], chance: random.Random) -> bytes:
    """One to three random mutations of a file."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        if len(content) < 8:
            break
        start, value, end = chance.choice(elements)
        place = min(start, len(content) - 1), min(value, len(content)), min(end, len(content))
        content = chance.choice(MUTATIONS)(content, place, chance)
    return content


def _put(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def flip_bit(content: bytes, element: Element, chance: random.Random) -> bytes:
    at = chance.randrange(*chance.choice(((0, len(content)), (element[0], len(content)))))
    return _put(content, at, bytes([content[at] ^ 1 << chance.randrange(8)]))


def set_byte(content: bytes, element: Element, chance: random.Random) -> bytes:
    return _put(content, chance.randrange(len(content)), bytes([chance.randrange(256)]))


def flip_header_bits(content: bytes, element: Element, chance: random.Random) -> bytes:
    start, value, end = element
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(start, max(min(end, start + 64), start + 1))
        content = _put(content, at, bytes([content[at] ^ 1 << chance.randrange(8)]))
    return content


def truncate(content: bytes, element: Element, chance: random.Random) -> bytes:
    start, value, end = element
    places = (start, start + 2, start + 4, start + 6, value, (value + end) // 2, end, end - 1)
    return content[: chance.choice((*places, chance.randrange(len(content))))]


def set_length(content: bytes, element: Element, chance: random.Random) -> bytes:
    start, value, _ = element
    length = chance.choice(LENGTHS)
    if value - start == 12:
        return _put(content, start + 8, struct.pack("<I", length))
    return _put(content, start + 6, struct.pack("<H", length & 0xFFFF))


def set_vr(content: bytes, element: Element, chance: random.Random) -> bytes:
    return _put(content, element[0] + 4, chance.choice(VRS))


def set_tag(content: bytes, element: Element, chance: random.Random) -> bytes:
    return _put(content, element[0], chance.randbytes(4))


def swap_bytes(content: bytes, element: Element, chance: random.Random) -> bytes:
    start, value, end = element
    part = bytearray(content[start:end][: 2 * (min(end - start, 4096) // 2)])
    part[::2], part[1::2] = part[1::2], part[::2]
    return _put(content, start, bytes(part))


def delete(content: bytes, element: Element, chance: random.Random) -> bytes:
    return content[: element[0]] + content[element[2] :]


def repeat(content: bytes, element: Element, chance: random.Random) -> bytes:
    start, _, end = element
    return content[:end] + content[start:end][:4096] + content[end:]


def set_value(content: bytes, element: Element, chance: random.Random) -> bytes:
    """A value that makes no sense, in an element whose length is right."""
    start, value, end = element
    if value - start == 12:
        return _put(content, value, bytes(min(end - value, 16)))
    new = chance.choice(GARBAGE)
    new += b" " * (len(new) % 2)
    if end - value == 2:
        new = struct.pack("<H", chance.choice(NUMBERS))
    head = content[start : start + 6] + struct.pack("<H", len(new))
    return content[:start] + head + new + content[end:]


def zero(content: bytes, element: Element, chance: random.Random) -> bytes:
    at = chance.randrange(len(content))
    return _put(content, at, bytes(min(chance.choice((4, 64, 512)), len(content) - at)))


def fill(content: bytes, element: Element, chance: random.Random) -> bytes:
    at = chance.randrange(len(content))
    size = min(chance.choice((4, 64, 512)), len(content) - at)
    return _put(content, at, chance.randbytes(size))


def nest(content: bytes, element: Element, chance: random.Random) -> bytes:
    """A sequence that opens ever more sequences and closes none."""
    opened = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + NESTED * chance.choice((1, 8, 100, 1500))
    return content[: element[0]] + opened + content[element[0] :]


def other_syntax(content: bytes, element: Element, chance: random.Random) -> bytes:
    """Coded otherwise than the file says."""
    for identifier in (b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.5\0"):
        if identifier in content[:1024]:
            others = (b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.9")
            new = chance.choice((*others, b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1.99"))
            return content.replace(identifier, new[: len(identifier)].ljust(len(identifier), b"\0"))
    return content


def cut_out(content: bytes, element: Element, chance: random.Random) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + content[at + chance.choice((1, 2, 3, 8, 100)) :]


def insert(content: bytes, element: Element, chance: random.Random) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + chance.randbytes(chance.choice((1, 2, 8, 100))) + content[at:]


MUTATIONS: tuple[Callable[[bytes, Element, random.Random], bytes], ...] = (
    *(flip_bit, set_byte, flip_header_bits, truncate, set_length, set_vr, set_tag, swap_bytes),
    *(delete, repeat, set_value, set_value, set_value, zero, fill, nest, other_syntax, cut_out),
    insert,
)
