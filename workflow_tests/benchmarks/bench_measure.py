"""Times all measuring of one large scan against what a user would run instead: `make bench`.

Ours: rule measure_scan with every family and the picture of the segmentation, run by Snakemake;
counted are the CPU seconds of its process, start and reading included. The peers, each in a
process of its own, reading included too: TotalSegmentator's statistics of the same vertebrae, and
pyradiomics with `preCrop`, on `PEER_REGIONS` of them and scaled to all. pyradiomics is no
dependency: name the Python of an environment that has `pyradiomics-bhklab` with --peer or in
BONECAST_PYRADIOMICS_PYTHON, or it is left out.
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
RULES = ("measure_scan",)
LEVELS = 17
FIRST = 8
"""Label of the uppermost vertebra: T1 in VerSe's codes; they go on to L5."""
PEER_REGIONS = 3
GOAL_CPU_S = 5.0


def draw(folder: Path) -> None:
    """A torso from T1 to the sacrum in 512 x 512 x 300 voxels: CT, vertebrae, bodies, tissue.

    Drawn at half the resolution in the slice and doubled: here the number of voxels counts.
    """
    import numpy as np

    sys.path.insert(0, str(PROJECT / "scripts"))
    from bonecast.images import Volume, save
    from bonecast.phantom.anatomy import draw_torso
    from bonecast.phantom.demo import true_masks
    from bonecast.phantom.torso import AORTA, MUSCLE, Scanner, image_torso
    from bonecast.segment.tissues import Tissue

    rng = np.random.default_rng(5)
    torso = draw_torso(rng, trabecular_hu=130, scale=1.0)
    top = torso.vertebra("T1").centre[2] + 25
    spacing = (1.6, 1.6, (top + 20) / 300)
    scanner = Scanner((256, 256, 300), spacing, (0, 15, (top - 20) / 2), 15, 0.7)
    ct, label = image_torso(torso, scanner, rng)
    bodies, whole = true_masks(label)
    tissue = np.zeros(label.shape, np.uint8)
    tissue[(ct.data > -150) & (ct.data < -50)] = Tissue.TORSO_FAT
    tissue[label == MUSCLE], tissue[label == AORTA] = Tissue.SKELETAL_MUSCLE, Tissue.AORTA
    affine = ct.affine.copy()
    affine[:3, :2] /= 2
    affine[:3, 3] -= affine[:3, :2].sum(axis=1) / 2
    noise = rng.integers(-20, 21, (512, 512, 300), dtype=np.int16)
    volumes = {"ct": ct.data, "vertebrae": whole, "bodies": bodies, "tissue": tissue}
    for name, data in volumes.items():
        data = data.repeat(2, axis=0).repeat(2, axis=1)
        (folder / name).mkdir()
        save(Volume(data + noise if name == "ct" else data, affine), folder / name / "scan.nii.gz")


def run_ours(folder: Path, number: int) -> dict[str, float]:
    """CPU seconds of each rule in a real run over a cohort of one scan."""
    import yaml

    cohort = f"round{number}"
    masks = {name: str(folder / name) for name in ("bodies", "tissue")}
    config = {
        "cohort": {"name": cohort, "input": str(folder / "ct"), "clinical": None},
        "segment": {"backend": "masks", "masks": str(folder / "vertebrae"), **masks},
        "measure": {"calibration": {"method": "internal"}},
    }
    (folder / f"{cohort}.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("snakemake")), "--cores", "1", "--quiet", "all"]
    command += ["--snakefile", str(PROJECT / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(folder / f"{cohort}.yaml"), "--"]
    command += [f"results/{cohort}/participants/scan/radiomics.tsv"]
    subprocess.run(command, check=True)
    logs = folder / "results" / cohort / "logs" / "participants" / "scan"
    found = [(logs / f"{rule}.log").read_text(encoding="utf-8") for rule in RULES]
    cpu = [float(re.search(r"CPU since the process began: ([\d.]+)", text)[1]) for text in found]
    return dict(zip(RULES, cpu, strict=True))


def totalsegmentator(folder: Path) -> None:
    """Volume and mean HU of every vertebra, as its option `--statistics` computes them."""
    import nibabel as nib
    import numpy as np
    from totalsegmentator.map_to_binary import class_map
    from totalsegmentator.statistics import get_basic_statistics

    numbers = {name: number for number, name in class_map["total"].items()}
    names = [f"vertebrae_T{i}" for i in range(1, 13)] + [f"vertebrae_L{i}" for i in range(1, 6)]
    codes = np.asarray(nib.load(folder / "vertebrae" / "scan.nii.gz").dataobj)
    table = np.zeros(256, np.uint8)
    for i, name in enumerate(names):
        table[FIRST + i] = numbers[name]
    scan = nib.load(folder / "ct" / "scan.nii.gz")
    get_basic_statistics(table[codes], scan, quiet=True, roi_subset=names)


def pyradiomics(folder: Path) -> None:
    """Intensity and texture of some bodies at 1 mm; prints what it would be for all."""
    import logging
    import time

    import SimpleITK as sitk
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    logging.getLogger("radiomics").setLevel(logging.ERROR)
    extractor = RadiomicsFeatureExtractor(
        binWidth=25,
        resampledPixelSpacing=[1.0, 1.0, 1.0],
        interpolator="sitkLinear",
        preCrop=True,
    )
    extractor.disableAllFeatures()
    for family in ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"):
        extractor.enableFeatureClassByName(family)
    paths = (str(folder / name / "scan.nii.gz") for name in ("ct", "bodies"))
    ct, bodies = map(sitk.ReadImage, paths)
    before = time.process_time()
    for label in range(FIRST + 8, FIRST + 8 + PEER_REGIONS):
        extractor.execute(ct, bodies, label=label)
    measured = time.process_time() - before
    print(before + measured * LEVELS / PEER_REGIONS)


def cpu_of(python: str, task: str, folder: Path) -> float:
    """CPU seconds of one process: those it prints, or else its own."""
    names = ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    environment = os.environ | dict.fromkeys(names, "1")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [python, str(Path(__file__).resolve()), "--work", task, str(folder)]
    done = subprocess.run(
        command, check=True, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(done.stdout or own)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peer", default=os.environ.get("BONECAST_PYRADIOMICS_PYTHON"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    tasks = {"draw": draw, "totalsegmentator": totalsegmentator, "pyradiomics": pyradiomics}
    if arguments.work:
        tasks[arguments.work[0]](Path(arguments.work[1]))
        return
    if not arguments.peer:
        print("pyradiomics left out: no --peer given")
    rounds: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cpu_of(sys.executable, "draw", folder)
        for number in range(arguments.rounds):
            seconds = run_ours(folder, number)
            seconds["TotalSegmentator statistics"] = cpu_of(
                sys.executable, "totalsegmentator", folder
            )
            if arguments.peer:
                seconds["pyradiomics"] = cpu_of(arguments.peer, "pyradiomics", folder)
            rounds.append(seconds)
    middle = {name: statistics.median(row[name] for row in rounds) for name in rounds[0]}
    ours = sum(middle[rule] for rule in RULES)
    print(f"{LEVELS} levels in 512 x 512 x 300 voxels, medians of {len(rounds)} rounds in turns:")
    for name, seconds in middle.items():
        print(f"{name:30s} {seconds:8.2f} s of CPU")
    print(f"{'ours together':30s} {ours:8.2f} s of CPU (goal: at most {GOAL_CPU_S:g})")
    peers = sum(middle.values()) - ours
    print(f"{'peers together':30s} {peers:8.2f} s of CPU, {peers / ours:.1f} times ours")


if __name__ == "__main__":
    main()
