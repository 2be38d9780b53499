"""Radiomics of the 17 bodies of one scan in memory, against two libraries.

Counted from the two arrays of a scan and its labels on, after a first region that is not counted,
with one thread: imports, reading and compiled kernels are there before. All three compute intensity
statistics and texture at 1 mm with bins of 25 HU. pyradiomics takes the same for every region: it
is timed on PEER_REGIONS of them and scaled to all.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench_measure import PEER_REGIONS, extractor
from contest import (
    ONE_THREAD,
    PROJECT,
    Contender,
    bonecast_version,
    command,
    compete,
    main,
    report,
    run,
    timed,
    versions,
)
from drawn import FIRST, LEVELS, SLICES
from peers import python_of_peers, version_of_peer

KERNELS = PROJECT / "results" / ".kernels"
BIN_HU = 25


def draw(folder: str) -> None:
    """The torso's scan and bodies as arrays, with the size of a voxel in mm."""
    import numpy as np
    from drawn import torso

    volumes = torso()
    np.save(Path(folder, "ct.npy"), volumes["ct"].data)
    bodies = volumes["bodies"].data
    np.save(Path(folder, "labels.npy"), np.where(bodies < FIRST + LEVELS, bodies, 0))
    np.save(Path(folder, "spacing.npy"), volumes["ct"].spacing_mm)


def ours(ct, labels, spacing_mm) -> Callable:
    """What the rule does from the scan and its mask on."""
    from bonecast.levels import VERSE_CODES
    from bonecast.measure.frame import CROP_MARGIN_MM, boxes, grow
    from bonecast.measure.radiomics.features import features_of_region, use_compiled_kernels
    from bonecast.measure.radiomics.grid import Surroundings, resample_region
    from bonecast.measure.radiomics.settings import RadiomicsSettings

    use_compiled_kernels(KERNELS)
    settings = RadiomicsSettings()

    def measure(only: int | None = None) -> dict:
        found = {}
        for level, tight in boxes(labels).items():
            label = VERSE_CODES[level]
            if only in (None, label):
                box = grow(tight, CROP_MARGIN_MM, spacing_mm, ct.shape)
                around = Surroundings(ct[box], box, ct.shape, spacing_mm)
                region = resample_region(around, labels[box] == label, settings.spacing_mm)
                found[label] = features_of_region(region, settings)
        return found

    return measure


def pictologics(ct, labels, spacing_mm) -> Callable:
    """The library's own way with several regions of one scan."""
    import numpy as np

    from bonecast.measure.radiomics.features import use_compiled_kernels
    from bonecast.measure.radiomics.names import FEATURES, TEXTURE_FAMILIES, column

    use_compiled_kernels(KERNELS)
    import pictologics as library

    resample = {
        "new_spacing": (1.0, 1.0, 1.0),
        "interpolation": "linear",
        "mask_interpolation": "linear",
        "round_intensities": True,
    }
    discretise = {"method": "FBS", "bin_width": float(BIN_HU), "min_val": -1000.0}
    steps = [
        {"step": "resample", "params": resample},
        {"step": "discretise", "params": discretise},
        {"step": "extract_features", "params": {"families": ["intensity", "texture"]}},
    ]
    pipeline = library.RadiomicsPipeline(load_standard=False)
    pipeline.add_config("bench", steps)
    families = ("intensity", *TEXTURE_FAMILIES)

    def measure(only: int | None = None) -> dict:
        where = {"spacing": spacing_mm, "origin": (0.0, 0.0, 0.0)}
        image, rois = library.Image(ct.astype(np.float64), **where), library.Image(labels, **where)
        found = pipeline.run_rois(image, rois, labels=None if only is None else [only])
        return {
            int(label): {
                column(long, tag): float(results["bench"][long])
                for family in families
                for long, tag in FEATURES[family].items()
            }
            for label, results in found.items()
        }

    return measure


def pyradiomics(ct, labels, spacing_mm) -> Callable:
    """As its manual has it for many regions of a large scan: `preCrop`."""
    import numpy as np
    import SimpleITK as sitk

    found = extractor()
    image, mask = (sitk.GetImageFromArray(np.ascontiguousarray(a.T)) for a in (ct, labels))
    for volume in (image, mask):
        volume.SetSpacing(spacing_mm)

    def measure(only: int | None = None) -> dict:
        some = range(FIRST, FIRST + PEER_REGIONS)
        return {one: found.execute(image, mask, label=one) for one in some if only in (None, one)}

    return measure


def work(name: str, folder: str) -> None:
    """One process: a first region that is not timed, then the whole scan."""
    import numpy as np

    ct, labels, spacing = (
        np.load(Path(folder, f"{file}.npy")) for file in ("ct", "labels", "spacing")
    )
    measure = WAYS[name](ct, labels, tuple(map(float, spacing)))
    measure(FIRST)
    seconds, found = timed(measure)
    if name != "pyradiomics":
        table = [
            [float(values[column]) for column in sorted(values)]
            for _, values in sorted(found.items())
        ]
        np.save(Path(folder, f"found_{name}.npy"), table)
    report(**{key: value * LEVELS / len(found) for key, value in seconds.items()})


def agreement(folder: str) -> None:
    """How many values there are, in how many regions all agree to the last bit with pictologics'
    own, and the largest relative difference in the others."""
    import numpy as np

    mine, theirs = (np.load(Path(folder, f"found_{name}.npy")) for name in list(WAYS)[:2])
    away = np.abs(mine - theirs) / np.maximum(np.abs(theirs), 1e-12)
    report(
        features=mine.shape[1],
        regions_same=int((away == 0).all(axis=1).sum()),
        largest_difference=float(away.max()),
    )


WAYS = {"ours": ours, "pictologics": pictologics, "pyradiomics": pyradiomics}


def contest(options) -> list[dict]:
    who = [
        ("Bonecast", "ours", bonecast_version(), command(__file__, "ours")),
        ("pictologics run_rois", "peer", versions("pictologics"), command(__file__, "pictologics")),
    ]
    if python := python_of_peers():
        words = command(__file__, "pyradiomics", python=python)
        who.append(("pyradiomics, preCrop", "peer", version_of_peer("pyradiomics-bhklab"), words))
    with tempfile.TemporaryDirectory() as name:
        run(command(__file__, "draw", name))
        everyone = [
            Contender(title, role, package, lambda _, words=words: run([*words, name], ONE_THREAD))
            for title, role, package, words in who
        ]
        source = f"{LEVELS} bodies in 512 x 512 x {SLICES} voxels, drawn"
        run([*who[0][-1], name], ONE_THREAD)  # compiles what is not compiled yet
        rows = compete("radiomics", "arrays in memory", source, everyone, options.rounds)
        about = run(command(__file__, "agreement", name)).facts
        text = " ".join(f"{key}={value:.4g}" for key, value in about.items())
        return [row | {"facts": text} if row["role"] == "ours" else row for row in rows]


if __name__ == "__main__":
    tasks = {name: partial(work, name) for name in WAYS}
    main("radiomics", __doc__, contest, tasks | {"draw": draw, "agreement": agreement})
