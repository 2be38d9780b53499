"""One process for a batch of scans, against one `nnUNetv2_predict` process a scan.

Same model, same small phantom scans, same device, in turns. Needs no environment of ours: Python
3.12 or newer with nnunetv2 (which brings torch, nibabel, scipy) and isal. On a machine
with a GPU: `python workflow_tests/benchmarks/bench_segmentation.py --device cuda --out gpu.tsv`,
and then here `python workflow_tests/benchmarks/page.py gpu.tsv`.
"""

import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

from contest import (
    PROJECT,
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

MODEL = PROJECT / "resources" / "embedded_model"
CASES = {"cpu": "batch on the CPU", "cuda": "batch on a GPU"}


def draw_scans(folder: str, count: str) -> None:
    """Small lumbar phantom scans, each of another patient."""
    import numpy as np

    from bonecast.images import save
    from bonecast.phantom.anatomy import draw_torso
    from bonecast.phantom.torso import Scanner, image_torso

    Path(folder).mkdir()
    for number in range(1, int(count) + 1):
        rng = np.random.default_rng(9000 + number)
        torso = draw_torso(rng, trabecular_hu=130, scale=1.0)
        centre = torso.vertebra("L3").centre + [0, 10, -10]
        ct, _ = image_torso(torso, Scanner((100, 100, 80), (2, 2, 3), tuple(centre), 12, 0.7), rng)
        save(ct, Path(folder) / f"scan{number}.nii.gz")


def segment_with_ours(folder: str, raw: str, device: str, threads: str) -> None:
    """All scans in one process; says what share of the time the network was running."""
    import time

    from bonecast.segment.batch import segment_batch

    scans = {path.name.removesuffix(".nii.gz"): path for path in Path(folder).iterdir()}
    settings = {"backend": "nnunet", "model": str(MODEL), "device": device, "folds": "all"}
    settings |= {"checkpoint": "final", "tile_step": 0.5, "mirroring": False}
    started = time.perf_counter()
    rows = segment_batch(
        scans,
        Path(raw),
        settings=settings | {"threads": int(threads)},
        tell=lambda *words: print(*words, file=sys.stderr),
    )
    wrong = [row for row in rows if row["status"] != "segmented" or row["fallback"]]
    if wrong or any(not row["device"].startswith(device) for row in rows):
        raise SystemExit(f"not all segmented on {device} as asked: {rows}")
    network = sum(row["network_seconds"] for row in rows)
    report(in_network=network / (time.perf_counter() - started))


def run_ours(folder: Path, device: str, threads: int, number: int) -> Taken:
    """One process for all scans; what it wrote stays in <folder>/ours."""
    shutil.rmtree(folder / "ours", ignore_errors=True)
    words = command(__file__, "ours", folder / "scans", folder / "ours", device, threads)
    return run(words)


def run_peer(folder: Path, device: str, number: int) -> Taken:
    """One process a scan; what it wrote stays in <folder>/peer."""
    words = [_predict(), "-d", "1", "-c", "3d_fullres", "-f", "0", "-device", device]
    # One helper process each for reading and writing: more only cost a single scan time.
    words += ["--disable_tta", "-npp", "1", "-nps", "1", "-o", folder / "peer"]
    names = {f"nnUNet_{name}": str(folder / "model") for name in ("raw", "preprocessed", "results")}
    taken = {}
    for path in sorted((folder / "scans").iterdir()):
        name = path.name.removesuffix(".nii.gz")
        with tempfile.TemporaryDirectory(dir=folder) as source:
            shutil.copy(path, Path(source, f"{name}_0000.nii.gz"))
            taken[name] = run([*words, "-i", source], names)
    whole = together(**taken)
    return Taken(whole.wall_s, whole.cpu_s, whole.peak_mb)


def _predict() -> str:
    """nnU-Net's command, of this environment if it has it."""
    here = Path(sys.executable).with_name("nnUNetv2_predict")
    return str(here) if here.exists() else "nnUNetv2_predict"


def agreement(folder: str) -> None:
    """Least and largest Dice of a class between the two results, over all scans."""
    from bonecast.images import load
    from bonecast.segment.model_folder import class_names

    ours, peer = Path(folder, "ours"), Path(folder, "peer")
    names = [path.name for path in Path(folder, "scans").iterdir()]
    both = [(load(ours / name).data, load(peer / name).data) for name in names]
    dice = []
    for value in filter(None, class_names(MODEL)):
        common = sum(((a == value) & (b == value)).sum() for a, b in both)
        total = sum((a == value).sum() + (b == value).sum() for a, b in both)
        if total:
            dice.append(float(2 * common / total))
    report(dice_least=min(dice), dice_most=max(dice))


def name_of_gpu(target: str) -> None:
    """As the driver calls it."""
    import torch

    if not torch.cuda.is_available():
        raise SystemExit("torch has no GPU here")
    Path(target).write_text(torch.cuda.get_device_name(0), encoding="utf-8")


def gpu() -> str:
    """Its name; asked in a process of its own, to keep this one small."""
    with tempfile.TemporaryDirectory() as folder:
        run(command(__file__, "gpu", Path(folder, "name")))
        return Path(folder, "name").read_text(encoding="utf-8")


def compare(device: str, options) -> list[dict]:
    """All rounds on one device."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(command(__file__, "draw", folder / "scans", options.scans))
        trained = folder / "model" / "Dataset001_Bench" / "nnUNetTrainer__nnUNetPlans__3d_fullres"
        shutil.copytree(MODEL, trained)
        packages = versions("nnunetv2", "torch")
        everyone = [
            Contender(
                "Bonecast, one process",
                "ours",
                f"{bonecast_version()}, {packages}",
                partial(run_ours, folder, device, options.threads),
            ),
            Contender(
                "nnUNetv2_predict, one a scan", "peer", packages, partial(run_peer, folder, device)
            ),
        ]
        source = f"{options.scans} scans of 100 x 100 x 80, drawn"
        rows = compete("segmentation", CASES[device], source, everyone, options.rounds)
        if {row["role"] for row in rows} == {"ours", "peer"}:
            dice = run(command(__file__, "agreement", folder)).facts
            text = " ".join(f"{key}={value:.4g}" for key, value in dice.items())
            rows = [row | {"facts": f"{row['facts']} {text}".strip()} for row in rows]
    return rows


def contest(options) -> list[dict]:
    os.environ.pop("OMP_NUM_THREADS", None)
    rows = []
    for device in options.device or ["cpu"]:
        on = f"{gpu()}, " if device == "cuda" else ""
        rows += [row | {"machine": on + row["machine"]} for row in compare(device, options)]
    return rows


def add_options(parser) -> None:
    parser.add_argument("--device", choices=CASES, action="append", help="default: cpu; repeatable")
    parser.add_argument("--scans", type=int, default=4)
    parser.add_argument("--threads", type=int, default=os.cpu_count())


if __name__ == "__main__":
    tasks = {"draw": draw_scans, "ours": segment_with_ours, "agreement": agreement}
    tasks["gpu"] = name_of_gpu
    main("segmentation", __doc__, contest, tasks, add_options)
