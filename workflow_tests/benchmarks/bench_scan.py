"""CPU seconds, memory and disk of one scan, rule by rule: the rows of docs/scaling.tsv.

Draws a torso from T1 to the sacrum as a scanner would store it, or takes a folder of scans, and
runs the real rules over it. Of every process that a rule starts are counted: user and system time
of it and its children, and the highest resident memory of any of them, as GNU time tells.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "scripts"))

NOISE_HU = 25.0
"""Standard deviation in the body: noise decides how well a scan compresses."""

# Python reads this at its start, in every process that has the folder on PYTHONPATH.
ACCOUNT = """
import atexit, json, os, resource, sys
def tell():
    own, child = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = own.ru_utime + own.ru_stime + child.ru_utime + child.ru_stime
    # Not ru_maxrss: a process inherits its parent's, as it was when it was forked.
    own_peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    peak = max(int(own_peak.split()[1]), child.ru_maxrss) / 1024
    line = {"argv": sys.argv[:1], "cpu_s": cpu, "peak_mb": peak}
    with open(os.environ["BONECAST_ACCOUNT"], "a") as file:
        file.write(json.dumps(line) + "\\n")
atexit.register(tell)
"""


def draw(folder: Path, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> None:
    """One participant as DICOM, with the true masks: dicom/scan/, vertebrae/, bodies/, tissue/."""
    from bonecast.images import Volume, save
    from bonecast.phantom.anatomy import draw_torso
    from bonecast.phantom.demo import true_masks
    from bonecast.phantom.dicom import Study
    from bonecast.phantom.torso import AORTA, MUSCLE, Scanner, image_torso
    from bonecast.segment.tissues import Tissue

    rng = np.random.default_rng(5)
    torso = draw_torso(rng, trabecular_hu=130, scale=1.0)
    middle = torso.vertebra("T12").centre[2]
    scanner = Scanner(shape, spacing_mm, (0, 15, middle), NOISE_HU, 0.7)
    ct, label = image_torso(torso, scanner, rng)
    row = {"age_years": 70, "sex": "F", "contrast": False}
    (folder / "dicom" / "scan").mkdir(parents=True)
    Study(folder / "dicom" / "scan", "A", "scan", row, 5).axial(ct, "Abdomen 1.0 Br40")
    bodies, whole = true_masks(label)
    tissue = np.zeros(label.shape, np.uint8)
    tissue[(ct.data > -150) & (ct.data < -50)] = Tissue.TORSO_FAT
    tissue[label == MUSCLE], tissue[label == AORTA] = Tissue.SKELETAL_MUSCLE, Tissue.AORTA
    for name, data in {"vertebrae": whole, "bodies": bodies, "tissue": tissue}.items():
        (folder / name).mkdir()
        save(Volume(data, ct.affine), folder / name / "scan.nii.gz")


def settings(folder: Path, backend: str) -> dict:
    """The configuration of a cohort in `folder`, whose input is its folder `dicom`."""
    segment = {"backend": backend, "device": "cpu", "threads": 1}
    if backend == "masks":
        kinds = {"masks": "vertebrae", "bodies": "bodies", "tissue": "tissue"}
        segment |= {k: str(folder / v) for k, v in kinds.items() if (folder / v).is_dir()}
    cohort = {"name": backend, "input": str(folder / "dicom")}
    return {
        "cohort": cohort,
        "segment": segment,
        "measure": {"calibration": {"method": "internal"}},
    }


def run(folder: Path, backend: str, targets: list[str]) -> list[dict]:
    """What every process of a run took, one entry each.

    Raises:
        subprocess.CalledProcessError: the run failed.
    """
    import yaml

    (folder / "account").mkdir(exist_ok=True)
    (folder / "account" / "sitecustomize.py").write_text(ACCOUNT, encoding="utf-8")
    told = folder / f"{backend}.jsonl"
    told.unlink(missing_ok=True)
    config = folder / f"{backend}.yaml"
    config.write_text(yaml.safe_dump(settings(folder, backend)), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("snakemake")), "--cores", "1"]
    command += ["--snakefile", str(PROJECT / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(config), "--quiet", "all", "--", *targets]
    environment = os.environ | {
        "PYTHONPATH": str(folder / "account"),
        "BONECAST_ACCOUNT": str(told),
        "OMP_NUM_THREADS": "1",
    }
    subprocess.run(command, check=True, env=environment)
    return [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]


def by_rule(processes: list[dict]) -> dict[str, dict]:
    """CPU seconds and highest memory of the job of each rule, by its name."""
    named = ((Path(process["argv"][0]).name, process) for process in processes)
    return {
        name.removesuffix(".py").partition(".")[2]: process
        for name, process in named
        if name.startswith("tmp") and name.endswith(".py")
    }


def size_of(folder: Path) -> int:
    """Bytes of every file below a folder, links followed."""
    walk = os.walk(folder, followlinks=True)
    return sum(Path(parent, name).stat().st_size for parent, _, names in walk for name in names)


def sizes(folder: Path) -> dict[str, float]:
    """MB of every file that a scan leaves, by its path in the folder of results."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size / 1e6
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ("scan" in path.parts or path.name.startswith("scan."))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(512, 512, 400))
    parser.add_argument("--spacing", type=float, nargs=3, default=(0.75, 0.75, 1.0), metavar="MM")
    parser.add_argument("--backend", choices=("masks", "nnunet"), default="nnunet")
    parser.add_argument("--input", type=Path, help="a scan to take instead; backend nnunet")
    parser.add_argument("--name", help="of the scan in the table; default: its shape")
    parser.add_argument("--folder", type=Path, help="where to draw and run; kept")
    arguments = parser.parse_args()
    scan = arguments.name or "x".join(map(str, arguments.shape))
    with tempfile.TemporaryDirectory() as name:
        folder = (arguments.folder or Path(name)).resolve()
        if arguments.input:
            (folder / "dicom").mkdir(parents=True, exist_ok=True)
            suffix = "".join(arguments.input.suffixes) if arguments.input.is_file() else ""
            (folder / "dicom" / f"scan{suffix}").symlink_to(arguments.input.resolve())
        elif not (folder / "dicom").is_dir():
            draw(folder, tuple(arguments.shape), tuple(arguments.spacing))
        rows = [("mb", "input", size_of(folder / "dicom") / 1e6)]
        for rule, job in by_rule(run(folder, arguments.backend, ["features"])).items():
            rows += [("cpu_s", rule, job["cpu_s"]), ("peak_mb", rule, job["peak_mb"])]
        results = folder / "results" / arguments.backend
        rows += [("mb", path, size) for path, size in sizes(results).items()]
        for kind, of, value in rows:
            print(scan, arguments.backend, kind, of, f"{value:.4g}", sep="\t")


if __name__ == "__main__":
    main()
