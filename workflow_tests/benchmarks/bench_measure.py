"""All measuring of one large scan, against what a user would run instead.

Ours is the job that measures a scan, as Snakemake runs it with every family (attenuation, internal
calibration, shape, strength, composition, radiomics) and the picture for judging the masks: the
whole process, start, imports and reading included; Snakemake's main process is not. The peers, a
process each, read the same files: TotalSegmentator's statistics (volume and mean HU) of the same
vertebrae, and pyradiomics with `preCrop` (intensity and texture), on PEER_REGIONS of them and
scaled to all.
"""

import tempfile
from functools import partial
from pathlib import Path

from contest import (
    ONE_THREAD,
    Contender,
    Taken,
    bonecast_version,
    command,
    compete,
    main,
    report,
    run,
    together,
    versions,
)
from drawn import FIRST, LEVELS, SLICES, write_torso
from peers import python_of_peers, version_of_peer
from traced import run_workflow, sum_of

RULES = ("measure_",)
"""How the names of the rules begin that are counted."""

PEER_REGIONS = 3
RADIOMICS = {
    "binWidth": 25,
    "resampledPixelSpacing": [1.0, 1.0, 1.0],
    "interpolator": "sitkLinear",
    "preCrop": True,
    # Hashes of the whole scan for its log: most of the time.
    "additionalInfo": False,
}
FAMILIES = ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")


def extractor():
    """pyradiomics, set as close to our defaults as it can be."""
    import logging

    from radiomics.featureextractor import RadiomicsFeatureExtractor

    logging.getLogger("radiomics").setLevel(logging.ERROR)
    found = RadiomicsFeatureExtractor(**RADIOMICS)
    found.disableAllFeatures()
    for family in FAMILIES:
        found.enableFeatureClassByName(family)
    return found


def totalsegmentator(folder: str) -> None:
    """Volume and mean HU of every vertebra, as its option `--statistics` computes them."""
    import nibabel as nib
    import numpy as np
    from totalsegmentator.map_to_binary import class_map
    from totalsegmentator.statistics import get_basic_statistics

    numbers = {name: number for number, name in class_map["total"].items()}
    names = [f"vertebrae_T{i}" for i in range(1, 13)] + [f"vertebrae_L{i}" for i in range(1, 6)]
    codes = np.asarray(nib.load(Path(folder, "vertebrae", "scan.nii.gz")).dataobj)
    table = np.zeros(256, np.uint8)
    for i, name in enumerate(names):
        table[FIRST + i] = numbers[name]
    scan = nib.load(Path(folder, "ct", "scan.nii.gz"))
    found = get_basic_statistics(table[codes], scan, quiet=True, roi_subset=names)
    if len(found) != LEVELS:
        raise SystemExit(f"{len(found)} levels instead of {LEVELS}")


def pyradiomics(folder: str) -> None:
    """Intensity and texture of some bodies at 1 mm; says what it would be for all."""
    import time

    started = time.perf_counter()
    import SimpleITK as sitk

    found = extractor()
    paths = (str(Path(folder, name, "scan.nii.gz")) for name in ("ct", "bodies"))
    ct, bodies = map(sitk.ReadImage, paths)
    before = time.perf_counter(), time.process_time()
    for label in range(FIRST + 8, FIRST + 8 + PEER_REGIONS):
        found.execute(ct, bodies, label=label)
    wall_s, cpu_s = time.perf_counter() - before[0], time.process_time() - before[1]
    scale = LEVELS / PEER_REGIONS
    report(wall_s=before[0] - started + wall_s * scale, cpu_s=before[1] + cpu_s * scale)


def measure_with_ours(folder: Path, number: int) -> Taken:
    """The jobs that measure, in a run that converts and names the vertebrae as well."""
    cohort = f"round{number}"
    masks = {name: str(folder / name) for name in ("bodies", "tissue")}
    config = {
        "cohort": {"name": cohort, "input": str(folder / "ct"), "clinical": None},
        "segment": {"backend": "masks", "masks": str(folder / "vertebrae"), **masks},
        "measure": {"calibration": {"method": "internal"}},
    }
    files = ("density", "morphometry", "composition", "radiomics")
    targets = [f"results/{cohort}/participants/scan/{name}.tsv" for name in files]
    _, jobs = run_workflow(folder, config, targets)
    return sum_of(jobs, RULES)


def peers(folder: Path, python: str | None, number: int) -> Taken:
    """Both, one after the other; TotalSegmentator alone where there is no pyradiomics."""
    taken = {"totalsegmentator": run(command(__file__, "totalsegmentator", folder), ONE_THREAD)}
    if python:
        words = command(__file__, "pyradiomics", folder, python=python)
        taken["pyradiomics"] = run(words, ONE_THREAD)
    return together(**taken)


def contest(options) -> list[dict]:
    python = python_of_peers()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(command(__file__, "draw", folder))
        names, packages = ["TotalSegmentator"], [versions("TotalSegmentator")]
        if python:
            names.append("pyradiomics")
            packages.append(version_of_peer("pyradiomics-bhklab"))
        everyone = [
            Contender("Bonecast", "ours", bonecast_version(), partial(measure_with_ours, folder)),
            Contender(
                " + ".join(names), "peer", ", ".join(packages), partial(peers, folder, python)
            ),
        ]
        source = f"{LEVELS} levels in 512 x 512 x {SLICES} voxels, drawn"
        return compete("measure", "one scan, every family", source, everyone, options.rounds)


if __name__ == "__main__":
    tasks = {"draw": write_torso, "totalsegmentator": totalsegmentator, "pyradiomics": pyradiomics}
    main("measure", __doc__, contest, tasks)
