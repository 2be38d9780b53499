"""Times our batches against one `nnUNetv2_predict` process per scan: `make bench`.

Same model, same scans, same machine, in turns; the ratio of medians counts. Prints a table in
Markdown, for docs/benchmarks.md.
"""

import argparse
import csv
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "scripts"))

import numpy as np  # noqa: E402

from bonecast.images import load, save  # noqa: E402
from bonecast.phantom.anatomy import draw_torso  # noqa: E402
from bonecast.phantom.torso import Scanner, image_torso  # noqa: E402
from bonecast.segment.batch import segment_batch  # noqa: E402
from bonecast.segment.model_folder import class_names  # noqa: E402

MODEL = PROJECT / "resources" / "embedded_model"
GOAL_RATIO, GOAL_SHARE = 3.0, 0.7


def draw_scans(folder: Path, count: int) -> dict[str, Path]:
    """Small lumbar phantom scans, each of another patient."""
    scans = {}
    for number in range(1, count + 1):
        rng = np.random.default_rng(9000 + number)
        torso = draw_torso(rng, trabecular_hu=130, scale=1.0)
        centre = torso.vertebra("L3").centre + [0, 10, -10]
        ct, _ = image_torso(torso, Scanner((100, 100, 80), (2, 2, 3), tuple(centre), 12, 0.7), rng)
        scans[f"scan{number}"] = folder / f"scan{number}.nii.gz"
        save(ct, scans[f"scan{number}"])
    return scans


def run_ours(scans: dict, raw: Path, device: str, threads: int) -> dict[str, float]:
    """One process for all scans: seconds, CPU seconds, share in the network, peak memory in MB."""
    settings = {"backend": "nnunet", "model": str(MODEL), "device": device, "threads": threads}
    settings |= {"folds": "all", "checkpoint": "final", "tile_step": 0.5, "mirroring": False}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    rows = segment_batch(scans, raw, settings=settings, tell=say)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": seconds,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "share": sum(row["network_seconds"] for row in rows) / seconds,
        "peak_mb": max(row["peak_memory_mb"] for row in rows),
    }


def install_peer(folder: Path) -> dict[str, str]:
    """The model where nnU-Net's command looks for it; returns the environment that says so."""
    trained = folder / "Dataset001_Bench" / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    shutil.copytree(MODEL, trained)
    names = {f"nnUNet_{name}": str(folder) for name in ("raw", "preprocessed", "results")}
    return {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"} | names


def run_peer(scans: dict, folder: Path, device: str, environment: dict) -> dict[str, float]:
    """One process a scan: seconds, CPU seconds, peak memory in MB of the largest process.

    Raises:
        RuntimeError: the command failed.
    """
    command = [str(Path(sys.executable).with_name("nnUNetv2_predict")), "-d", "1"]
    # One helper process each for reading and writing: more only cost a single scan time.
    command += ["-c", "3d_fullres", "-f", "0", "-device", device, "--disable_tta"]
    command += ["-npp", "1", "-nps", "1"]
    seconds, cpu, peak_mb = 0.0, 0.0, 0.0
    for name, path in scans.items():
        source, target = folder / f"in_{name}", folder / "out"
        source.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, source / f"{name}_0000.nii.gz")
        started = time.perf_counter()
        with (folder / "log.txt").open("w") as log:
            process = subprocess.Popen(
                [*command, "-i", str(source), "-o", str(target)],
                env=environment,
                stdout=log,
                stderr=log,
            )
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"nnUNetv2_predict failed:\n{(folder / 'log.txt').read_text()}")
        taken = time.perf_counter() - started
        say(f"nnUNetv2_predict: {name} in {taken:.1f} s")
        seconds += taken
        cpu += usage.ru_utime + usage.ru_stime
        peak_mb = max(peak_mb, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))
    return {"seconds": seconds, "cpu": cpu, "peak_mb": peak_mb}


def agreement(scans: dict, ours: Path, theirs: Path) -> dict[str, float]:
    """Dice between the two results of each class, over all scans."""
    both = [(load(ours / f"{n}.nii.gz").data, load(theirs / f"{n}.nii.gz").data) for n in scans]
    dice = {}
    for value, name in class_names(MODEL).items():
        common = sum(((a == value) & (b == value)).sum() for a, b in both)
        total = sum((a == value).sum() + (b == value).sum() for a, b in both)
        if value and total:
            dice[name] = float(2 * common / total)
    return dice


def machine(device: str) -> str:
    """The machine in words: the GPU, or the processor and its cores."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name(0)
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def compare(device: str, count: int, rounds: int, threads: int) -> dict:
    """All rounds on one device; one row of the table."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        scans = draw_scans(folder, count)
        environment = install_peer(folder / "results")
        ours, theirs = [], []
        for number in range(rounds):
            raw = folder / f"raw{number}"
            ours.append(run_ours(scans, raw, device, threads))
            theirs.append(run_peer(scans, folder / f"peer{number}", device, environment))
            say(f"round {number + 1}: ours {ours[-1]}, nnUNetv2_predict {theirs[-1]}")
        dice = agreement(scans, folder / "raw0", folder / "peer0" / "out")

    def middle(runs: list[dict], key: str) -> float:
        return statistics.median(run[key] for run in runs)

    ratio = middle(theirs, "seconds") / middle(ours, "seconds")
    cpu_ratio = middle(theirs, "cpu") / middle(ours, "cpu")
    return {
        "device": machine(device),
        "scans": count,
        "Bonecast": f"{middle(ours, 'seconds'):.1f} s",
        "nnUNetv2_predict": f"{middle(theirs, 'seconds'):.1f} s",
        "throughput": f"{ratio:.1f} x",
        "per CPU second": f"{cpu_ratio:.1f} x",
        "in the network": f"{middle(ours, 'share'):.0%}",
        "peak memory": f"{max(run['peak_mb'] for run in ours):.0f} MB",
        "of the peer": f"{max(run['peak_mb'] for run in theirs):.0f} MB",
        "Dice of classes": f"{min(dice.values()):.3f} to {max(dice.values()):.3f}",
    }


def say(line: str) -> None:
    """Progress, apart from the table."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    import torch

    os.environ.pop("OMP_NUM_THREADS", None)
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    rows = [compare(device, options.scans, options.rounds, options.threads) for device in devices]
    writer = csv.writer(sys.stdout, delimiter="|", lineterminator="|\n")
    for line in (rows[0].keys(), ["---"] * len(rows[0]), *(row.values() for row in rows)):
        writer.writerow(["", *line])
    versions = ", ".join(f"{name} {version(name)}" for name in ("nnunetv2", "torch"))
    print(
        f"\n{versions}; medians of {options.rounds} rounds in turns; goals: throughput "
        f"{GOAL_RATIO:.0f} x, {GOAL_SHARE:.0%} of the time in the network."
    )


if __name__ == "__main__":
    main()
