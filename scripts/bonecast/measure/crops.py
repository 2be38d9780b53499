"""The vertebral bodies of a scan as one small file: what is measured later reads no CT again."""

import io
import json
from pathlib import Path

import numpy as np
from isal import igzip

from bonecast.measure.frame import Body, Frame

GZIP_LEVEL = 1


def save_bodies(bodies: dict[str, Body | None], path: str | Path) -> None:
    """Write every body with its HU: a few MB a scan.

    Args:
        bodies: as from `find_bodies`, with HU; the order is kept.
    """
    facts: dict[str, dict | None] = {}
    arrays: dict[str, np.ndarray] = {}
    for level, body in bodies.items():
        if body is None:
            facts[level] = None
            continue
        facts[level] = {
            "box": [[part.start, part.stop] for part in body.box],
            "image_shape": list(body.image_shape),
            "touches_border": body.touches_border,
        }
        arrays[f"{level}_hu"] = body.hu
        arrays[f"{level}_mask"] = np.packbits(body.mask)
        arrays[f"{level}_affine"] = body.affine
        arrays[f"{level}_origin"] = body.frame.origin_mm
        arrays[f"{level}_axes"] = body.frame.axes
    buffer = io.BytesIO()
    np.savez(buffer, facts=np.array(json.dumps(facts)), **arrays)
    Path(path).write_bytes(igzip.compress(buffer.getvalue(), compresslevel=GZIP_LEVEL, mtime=0))


def load_bodies(path: str | Path) -> dict[str, Body | None]:
    """Bodies as they were saved."""
    archive = np.load(io.BytesIO(igzip.decompress(Path(path).read_bytes())))
    facts = json.loads(str(archive["facts"]))
    bodies: dict[str, Body | None] = {}
    for level, about in facts.items():
        if about is None:
            bodies[level] = None
            continue
        hu = archive[f"{level}_hu"]
        mask = np.unpackbits(archive[f"{level}_mask"], count=hu.size).reshape(hu.shape)
        bodies[level] = Body(
            level=level,
            box=tuple(slice(*part) for part in about["box"]),
            image_shape=tuple(about["image_shape"]),
            mask=mask.astype(bool),
            affine=archive[f"{level}_affine"],
            frame=Frame(archive[f"{level}_origin"], archive[f"{level}_axes"]),
            touches_border=about["touches_border"],
            hu=hu,
        )
    return bodies
