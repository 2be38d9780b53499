"""Times radiomics of 17 regions in a chest-and-abdomen scan against two peers: `make bench`.

All three compute the same families (intensity statistics and texture) at 1 mm with bins of 25 HU,
in turns, one thread each, from the two arrays of a scan and its labels on: whatever a contender
makes of them first counts. pyradiomics takes long and the same for every region: it is timed on
`PEER_REGIONS` of them. pyradiomics is no dependency: name the Python of an environment that has
`pyradiomics-bhklab` with --peer or in BONECAST_PYRADIOMICS_PYTHON, or it is left out.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[2]
SHAPE, SPACING_MM = (512, 512, 300), (0.8, 0.8, 1.0)
REGIONS = 17
FIRST = 8
"""Label of the uppermost region: T1 in VerSe's codes."""
PEER_REGIONS = 3
BIN_HU = 25
PEERS = {
    "pictologics": "pictologics run_rois",
    "pyradiomics": "pyradiomics-bhklab preCrop",
}


def draw(folder: Path) -> None:
    """A noisy scan with a column of elliptic cylinders of about 25,000 voxels in it."""
    rng = np.random.default_rng(1)
    ct = rng.normal(40, 25, SHAPE).astype(np.float32)
    labels = np.zeros(SHAPE, np.uint8)
    x, y, z = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    for number in range(REGIONS):
        middle = (number + 0.5) * SHAPE[2] / REGIONS
        across = ((x - 256) * SPACING_MM[0] / 25) ** 2
        deep = ((y - 300 - 30 * np.sin(number / 4)) * SPACING_MM[1] / 20) ** 2
        labels[(across + deep <= 1) & (np.abs(z - middle) <= 8)] = FIRST + number
    ct += 110 * (labels > 0) + 30 * (labels > 0) * np.sin(x / 5) * np.cos(y / 4) * np.sin(z / 3)
    np.save(folder / "ct.npy", np.round(ct).astype(np.int16))
    np.save(folder / "labels.npy", labels)


def ours(ct, labels):
    """What the rule does from the scan and its mask on."""
    sys.path.insert(0, str(PROJECT / "scripts"))
    from bonecast.levels import VERSE_CODES
    from bonecast.measure.frame import CROP_MARGIN_MM, boxes, grow
    from bonecast.measure.radiomics.features import features_of_region, use_compiled_kernels
    from bonecast.measure.radiomics.grid import Surroundings, resample_region
    from bonecast.measure.radiomics.settings import RadiomicsSettings

    use_compiled_kernels(PROJECT / "results" / ".kernels")
    settings = RadiomicsSettings()

    def run(only=None):
        found = {}
        for level, tight in boxes(labels).items():
            label = VERSE_CODES[level]
            if only in (None, label):
                box = grow(tight, CROP_MARGIN_MM, SPACING_MM, SHAPE)
                around = Surroundings(ct[box], box, SHAPE, SPACING_MM)
                region = resample_region(around, labels[box] == label, settings.spacing_mm)
                found[label] = features_of_region(region, settings)
        return found

    return run


def pictologics(ct, labels):
    """The library's own way with several regions of one scan."""
    sys.path.insert(0, str(PROJECT / "scripts"))
    from bonecast.measure.radiomics.features import use_compiled_kernels
    from bonecast.measure.radiomics.names import FEATURES, TEXTURE_FAMILIES, column

    use_compiled_kernels(PROJECT / "results" / ".kernels")
    import pictologics as library

    steps = [
        {
            "step": "resample",
            "params": {
                "new_spacing": (1.0, 1.0, 1.0),
                "interpolation": "linear",
                "mask_interpolation": "linear",
                "round_intensities": True,
            },
        },
        {
            "step": "discretise",
            "params": {"method": "FBS", "bin_width": float(BIN_HU), "min_val": -1000.0},
        },
        {"step": "extract_features", "params": {"families": ["intensity", "texture"]}},
    ]
    pipeline = library.RadiomicsPipeline(load_standard=False)
    pipeline.add_config("bench", steps)

    def run(only=None):
        image = library.Image(ct.astype(np.float64), spacing=SPACING_MM, origin=(0.0, 0.0, 0.0))
        rois = library.Image(labels, spacing=SPACING_MM, origin=(0.0, 0.0, 0.0))
        found = pipeline.run_rois(image, rois, labels=None if only is None else [only])
        return {
            int(label): {
                column(long, tag): float(results["bench"][long])
                for family in ("intensity", *TEXTURE_FAMILIES)
                for long, tag in FEATURES[family].items()
            }
            for label, results in found.items()
        }

    return run


def pyradiomics(ct, labels):
    """As its manual has it for many regions of a large scan: `preCrop`."""
    import logging

    import SimpleITK as sitk
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    logging.getLogger("radiomics").setLevel(logging.ERROR)
    extractor = RadiomicsFeatureExtractor(
        binWidth=BIN_HU,
        resampledPixelSpacing=[1.0, 1.0, 1.0],
        interpolator="sitkLinear",
        preCrop=True,
        # Hashes of the whole scan for its log: two thirds of the time.
        additionalInfo=False,
    )
    extractor.disableAllFeatures()
    for family in ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"):
        extractor.enableFeatureClassByName(family)
    image, mask = (sitk.GetImageFromArray(np.ascontiguousarray(a.T)) for a in (ct, labels))
    for volume in (image, mask):
        volume.SetSpacing(SPACING_MM)

    def run(only=None):
        return {
            label: {
                "rad_stat_mean_q4le": float(
                    extractor.execute(image, mask, label=label)["original_firstorder_Mean"]
                )
            }
            for label in range(FIRST, FIRST + PEER_REGIONS)
            if only in (None, label)
        }

    return run


def work(name: str, folder: Path) -> None:
    """One process: a first region that is not timed, then the whole scan."""
    run = globals()[name](np.load(folder / "ct.npy"), np.load(folder / "labels.npy"))
    run(FIRST)
    wall, cpu = time.perf_counter(), time.process_time()
    found = run()
    whole = REGIONS / len(found)
    print(
        json.dumps(
            {
                "wall_s": (time.perf_counter() - wall) * whole,
                "cpu_s": (time.process_time() - cpu) * whole,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "found": found,
            }
        )
    )


def measured(name: str, python: str, processes: int, folder: Path) -> list[dict]:
    """Results of as many processes at once, each with a scan."""
    command = [python, str(Path(__file__).resolve()), "--work", name, str(folder)]
    names = ("OMP_NUM_THREADS", "PICTOLOGICS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    environment = os.environ | dict.fromkeys(names, "1")
    running = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        for _ in range(processes)
    ]
    results = [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]
    assert all(result["found"] == results[0]["found"] for result in results)
    return results


def largest_difference(first: dict, second: dict) -> float:
    """Largest relative difference of features that both have."""
    return max(
        abs(value - second[label][name]) / max(abs(value), 1e-12)
        for label, values in first.items()
        for name, value in values.items()
        if name in second[label]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peer", default=os.environ.get("BONECAST_PYRADIOMICS_PYTHON"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        task, folder = arguments.work
        draw(Path(folder)) if task == "draw" else work(task, Path(folder))
        return
    pythons = {"ours": sys.executable, "pictologics": sys.executable}
    if arguments.peer:
        pythons["pyradiomics"] = arguments.peer
    else:
        print("pyradiomics left out: no --peer given")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: a child's peak memory is at least what its parent held.
        subprocess.run([sys.executable, __file__, "--work", "draw", name], check=True)
        best: dict[tuple[str, int], dict] = {}
        found = {}
        for _ in range(arguments.rounds):
            for processes in (1, 2):
                for contender, python in pythons.items():
                    results = measured(contender, python, processes, folder)
                    found[contender] = results[0]["found"]
                    scan = {
                        "wall_s": max(result["wall_s"] for result in results) / processes,
                        "cpu_s": sum(result["cpu_s"] for result in results) / processes,
                        "peak_mb": max(result["peak_mb"] for result in results),
                    }
                    key = contender, processes
                    if key not in best or scan["wall_s"] < best[key]["wall_s"]:
                        best[key] = scan
    print(f"{REGIONS} regions, best of {arguments.rounds} rounds in turns, per scan:")
    print("processes  contender                    wall_s   cpu_s  peak_mb  wall/ours  cpu/ours")
    for (contender, processes), scan in sorted(best.items(), key=lambda item: item[0][1]):
        mine = best["ours", processes]
        wall, cpu = scan["wall_s"] / mine["wall_s"], scan["cpu_s"] / mine["cpu_s"]
        print(
            f"{processes:9d}  {PEERS.get(contender, 'Bonecast'):26s}  {scan['wall_s']:7.3f}  "
            f"{scan['cpu_s']:6.3f}  {scan['peak_mb']:7.0f}  {wall:9.1f}  {cpu:8.1f}"
        )
    for contender in pythons.keys() - {"ours"}:
        difference = largest_difference(found[contender], found["ours"])
        names = len(next(iter(found[contender].values())))
        print(f"{PEERS[contender]}: {names} features compared, differ by at most {difference:.1e}")


if __name__ == "__main__":
    main()
