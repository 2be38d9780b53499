"""A search for what was planted: raw, unpacked and in every encoding."""

import base64
import json
import os
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from planted import PATIENTS, traces


def patterns() -> list[tuple[str, bytes]]:
    """Every trace in every encoding in which it may be written, ASCII letters in lower case."""
    codecs = ("utf-8", "utf-16-le", "utf-16-be", "latin-1", "cp1252")
    codecs += tuple({patient.codec for patient in PATIENTS})
    found = set()
    for place, text in traces().items():
        decomposed = unicodedata.normalize("NFD", text)
        for form in {text, text.upper(), text.lower(), decomposed, json.dumps(text)[1:-1]}:
            for codec in codecs:
                try:
                    found.add((place, form.encode(codec).lower()))
                except UnicodeEncodeError:
                    continue
            # Bytes of one character set that were read as another.
            found.add((place, form.encode().decode("latin-1").encode().lower()))
    return sorted(found)


class Needles:
    """Many byte strings looked for at once: by their first four bytes, then as a whole."""

    def __init__(self, wanted: list[tuple[str, bytes]]):
        self.by_start: dict[bytes, list[tuple[str, bytes]]] = {}
        for place, pattern in wanted:
            self.by_start.setdefault(pattern[:4], []).append((place, pattern))
        self.starts = [int.from_bytes(start, "little") for start in self.by_start]
        self.begins = np.zeros(1 << 16, dtype=bool)
        self.begins[[start & 0xFFFF for start in self.starts]] = True

    def found_in(self, content: bytes) -> set[str]:
        """What is found in a file, ASCII letters in either case."""
        small = content.lower()
        codes = np.frombuffer(small + b"\0\0\0", np.uint8)
        pairs = codes[:-1].astype(np.uint16) | codes[1:].astype(np.uint16) << 8
        at = np.flatnonzero(self.begins[pairs[:-2]])
        fours = pairs[at] | pairs[at + 2].astype(np.uint32) << 16
        return {
            place
            for start in at[np.isin(fours, self.starts)]
            for place, pattern in self.by_start.get(small[start : start + 4], [])
            if small.startswith(pattern, start)
        }


def layers(name: str, content: bytes, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """A file's bytes as they are and as what they hold when unpacked, with the way there."""
    yield name, content
    if depth == 4:
        return

    def inner(how: str, unpacked: bytes) -> Iterator[tuple[str, bytes]]:
        return layers(f"{name} > {how}", unpacked, depth + 1)

    if content[:2] == b"\x1f\x8b":
        yield from inner("gzip", zlib.decompressobj(31).decompress(content))
    elif content[:4] == b"PK\3\4":
        with zipfile.ZipFile(BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from inner(member, archive.read(member))
    elif content[:4] == b"PAR1":
        table = pd.read_parquet(BytesIO(content))
        yield from inner("table", table.to_csv().encode() + repr(table.attrs).encode())
    elif content[:4] == b"%PDF" or content[:4] == b"\x89PNG":
        for number, unpacked in enumerate(inflated(content)):
            yield from inner(f"zlib stream {number}", unpacked)
    else:
        for run in re.findall(rb"[A-Za-z0-9+/]{24,}", content):
            run = run[:-1] if len(run) % 4 == 1 else run
            yield from inner("base64", base64.b64decode(run + b"=" * (-len(run) % 4)))


def inflated(content: bytes) -> Iterator[bytes]:
    """Every zlib stream of a PDF or a PNG, wherever it begins; a PNG's pixels are in pieces."""
    for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", content):
        try:
            unpacked = zlib.decompressobj().decompress(content[match.start() :])
        except zlib.error:
            continue
        if unpacked:
            yield unpacked


def file_name(path: Path) -> bytes:
    """A path's bytes, and what its parts say as base64, in which Snakemake names its records."""
    decoded = []
    for part in path.parts:
        try:
            decoded.append(base64.b64decode(part.removeprefix("@"), altchars=b"-_"))
        except ValueError:
            continue
    return b"\n".join([os.fsencode(path), *decoded])


def search(folder: Path, printed: dict[str, str]) -> dict[str, list[str]]:
    """Places where something planted is found, by what was planted."""
    wanted, hits = Needles(patterns()), {}

    def look(where: str, content: bytes) -> None:
        for place in wanted.found_in(content):
            hits.setdefault(place, []).append(where)

    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        look(f"name of {relative}", file_name(relative))
        if path.is_symlink():
            look(f"target of {relative}", os.fsencode(path.readlink()))
        elif path.is_file():
            for where, content in layers(str(relative), path.read_bytes()):
                look(where, content)
    for command, text in printed.items():
        look(f"printed by {command}", text.encode(errors="surrogateescape"))
    return hits
