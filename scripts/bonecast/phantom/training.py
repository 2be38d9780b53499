"""Train the embedded nnU-Net on phantoms, with nnU-Net's own planner and trainer.

The phantoms vary far more than people do (size, posture, deformities, attenuation of
every tissue, noise, kernel, voxel size, field of view, missing ends), because the
network has to hold on scans unlike its training data.
"""

import json
import os
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from bonecast.images import Volume, save
from bonecast.levels import VERSE_CODES
from bonecast.phantom.anatomy import GENANT_LOSS, SPINE, Deformity, Torso, draw_torso
from bonecast.phantom.torso import DISC, POSTERIOR_OFFSET, RIB, SACRUM, Scanner, image_torso
from bonecast.segment.grid import coarse_shape, grid_weights, resample

CLASSES = ("background", "vertebral_body", "posterior_elements", "disc", "sacrum", "rib")
"""What the network tells apart; levels are counted afterwards from sacrum and ribs."""

SPACING_MM = 3.0
DATASET_ID, DATASET = 1, "Dataset001_BonecastPhantom"
PATCH = (80, 64, 64)
"""Voxels along z, y, x: 240 x 192 x 192 mm."""
FEATURES = (8, 16, 32, 64, 96)


def network_classes(label: np.ndarray) -> np.ndarray:
    """Phantom labels as class indices of the network (uint8)."""
    table = np.zeros(256, np.uint8)
    for level in SPINE:
        table[VERSE_CODES[level]] = 1
        table[VERSE_CODES[level] + POSTERIOR_OFFSET] = 2
    table[DISC], table[SACRUM], table[RIB] = 3, 4, 5
    return table[label]


def draw_deformities(rng: np.random.Generator, share: float) -> dict[str, Deformity]:
    """Fractures on a share of the levels T5-L4, of any kind and grade."""
    deformities = {}
    for level in SPINE[SPINE.index("T5") : SPINE.index("L5")]:
        if rng.random() < share:
            grade = int(rng.integers(1, 4))
            kind = str(rng.choice(["wedge", "biconcave", "crush"]))
            deformities[level] = Deformity(kind, grade, float(rng.uniform(*GENANT_LOSS[grade])))
    return deformities


def draw_training_case(seed: int) -> tuple[Volume, np.ndarray]:
    """One training scan at the network's spacing: CT and class indices, [x, y, z]."""
    rng = np.random.default_rng(seed)
    torso = draw_torso(
        rng,
        trabecular_hu=float(rng.uniform(0, 260)),
        deformities=draw_deformities(rng, 0.15 if rng.random() < 0.6 else 0.0),
        scale=float(rng.uniform(0.8, 1.2)),
        texture_hu=float(rng.uniform(0, 50)),
        muscle_scale=float(rng.uniform(0.7, 1.2)),
        contrast=bool(rng.random() < 0.5),
    )
    ct, label = image_torso(torso, draw_scanner(rng, torso), rng)
    classes = network_classes(label)
    target = (SPACING_MM,) * 3
    shape = coarse_shape(ct.data.shape, ct.spacing_mm, target)
    weights = grid_weights(ct.data.shape, ct.spacing_mm, shape, target)
    hu = np.rint(resample(ct.data, weights)).astype(np.int16)
    cover = [resample(classes == k, weights) for k in range(len(CLASSES))]
    return (
        Volume(hu, np.diag([*target, 1.0])),
        np.argmax(cover, axis=0).astype(np.uint8),
    )


def draw_scanner(rng: np.random.Generator, torso: Torso) -> Scanner:
    """A random protocol over a random stretch of the spine."""
    xy, z = float(rng.uniform(1.0, 2.0)), float(rng.uniform(1.0, 5.0))
    top, bottom = torso.vertebra("T2").centre[2], -120.0
    length = float(np.clip(rng.uniform(130, 480), 0, top - bottom))
    low = float(rng.uniform(bottom - 20, top - length))
    width, depth = rng.uniform(150, 330), rng.uniform(150, 280)
    centre_y = np.mean(
        [v.centre[1] for v in torso.vertebrae if low < v.centre[2] < low + length] or [0]
    )
    return Scanner(
        shape=(int(width / xy), int(depth / xy), int(length / z)),
        spacing_mm=(xy, xy, z),
        centre_mm=(
            float(rng.normal(0, 20)),
            float(centre_y + rng.uniform(-15, 45)),
            low + length / 2,
        ),
        noise_hu=float(rng.uniform(3, 60)),
        blur_mm=float(rng.uniform(0.3, 1.4)),
    )


def write_case(folder: Path, seed: int) -> None:
    """Write one training case in nnU-Net's raw layout."""
    ct, classes = draw_training_case(seed)
    save(ct, folder / "imagesTr" / f"phantom_{seed:04d}_0000.nii.gz")
    save(ct.like(classes), folder / "labelsTr" / f"phantom_{seed:04d}.nii.gz")


def write_dataset(raw: Path, cases: int, seed: int, workers: int) -> None:
    """Write a raw nnU-Net data set of `cases` phantoms; existing cases are kept."""
    folder = raw / DATASET
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    seeds = range(seed, seed + cases)
    missing = [s for s in seeds if not (folder / "labelsTr" / f"phantom_{s:04d}.nii.gz").exists()]
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(write_case, [folder] * len(missing), missing, chunksize=4))
    description = {
        "channel_names": {"0": "CT"},
        "labels": {name: i for i, name in enumerate(CLASSES)},
        "numTraining": cases,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(description, indent=2))


def plan_small_network() -> None:
    """Let nnU-Net plan and preprocess, with a network small enough to ship and run on a CPU."""
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api

    api.extract_fingerprints([DATASET_ID], num_processes=2, show_progress_bar=False)
    api.plan_experiments([DATASET_ID])
    path = Path(os.environ["nnUNet_preprocessed"]) / DATASET / "nnUNetPlans.json"
    plans = json.loads(path.read_text())
    full = plans["configurations"]["3d_fullres"]
    full["patch_size"], full["batch_size"] = list(PATCH), 2
    stages = len(FEATURES)
    full["architecture"]["arch_kwargs"].update(
        n_stages=stages,
        features_per_stage=list(FEATURES),
        kernel_sizes=[[3, 3, 3]] * stages,
        strides=[[1, 1, 1]] + [[2, 2, 2]] * (stages - 1),
        n_conv_per_stage=[2] * stages,
        n_conv_per_stage_decoder=[2] * (stages - 1),
    )
    plans["configurations"] = {"3d_fullres": full}
    path.write_text(json.dumps(plans, indent=2))
    api.preprocess(
        [DATASET_ID], configurations=["3d_fullres"], num_processes=[2], show_progress_bar=False
    )


def train(epochs: int, iterations: int, device: str, seed: int) -> Path:
    """Run nnU-Net's trainer (fold 0); returns the trained model's folder."""
    import torch
    from nnunetv2.training.nnUNetTrainer.variants.optimizer.nnUNetTrainerAdam import (
        nnUNetTrainerAdam,
    )

    class PhantomTrainer(nnUNetTrainerAdam):
        """A short training: AdamW learns in far fewer steps than the default SGD."""

        def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self):
            *rest, _ = super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
            # People are left-right symmetric, not upside down or back to front.
            self.inference_allowed_mirroring_axes = (2,)
            return *rest, (2,)

    torch.manual_seed(seed)
    folder = Path(os.environ["nnUNet_preprocessed"]) / DATASET
    plans = json.loads((folder / "nnUNetPlans.json").read_text())
    trainer = PhantomTrainer(
        plans=plans | {"continue_training": False},
        configuration="3d_fullres",
        fold=0,
        dataset_json=json.loads((folder / "dataset.json").read_text()),
        device=torch.device(device),
    )
    trainer.initial_lr = 2e-3
    trainer.num_epochs, trainer.num_iterations_per_epoch = epochs, iterations
    trainer.num_val_iterations_per_epoch = max(2, iterations // 10)
    trainer.save_every = 5
    trainer.initialize()
    # Half the time of an iteration on a CPU.
    trainer.network.to(memory_format=torch.channels_last_3d)
    trainer.run_training()
    return Path(trainer.output_folder_base)


def export(model: Path, target: Path, recipe: dict) -> None:
    """Copy what inference needs, without optimiser state, and the records beside it.

    Args:
        model: folder nnU-Net trained into, inside <scratch>/results/<data set>/.
        target: the model folder to write.
        recipe: how it was trained, for recipe.json.
    """
    import torch

    fold = model / "fold_0"
    (target / "fold_0").mkdir(parents=True, exist_ok=True)
    for name in ("plans.json", "dataset.json"):
        shutil.copy(model / name, target / name)
    checkpoint = torch.load(fold / "checkpoint_final.pth", map_location="cpu", weights_only=False)
    for state in ("optimizer_state", "grad_scaler_state", "logging", "_best_ema"):
        checkpoint.pop(state, None)
    # The stock trainer builds the same network; nnU-Net looks trainers up by name.
    checkpoint["trainer_name"] = "nnUNetTrainer"
    torch.save(checkpoint, target / "fold_0" / "checkpoint_final.pth")
    logs = sorted(fold.glob("training_log_*.txt"))
    text = "".join(log.read_text() for log in logs)
    # The log names folders of the machine that trained.
    scratch = str(model.resolve().parents[2])
    (target / "training_log.txt").write_text(text.replace(scratch, "scratch"))
    (target / "recipe.json").write_text(json.dumps(recipe, indent=2) + "\n")


def measure_dice(model: Path, seeds: range, device: str, threads: int) -> dict:
    """Dice of each class on phantoms the network has not seen.

    Returns:
        Per class: mean and lowest Dice over the phantoms that hold it, and their number.
    """
    from bonecast.segment.nnunet import Network

    network = Network(model, device, threads)
    scores: dict[str, list[float]] = {name: [] for name in CLASSES[1:]}
    for seed in seeds:
        ct, truth = draw_training_case(seed)
        found = network.segment(ct).data
        for index, name in enumerate(CLASSES[1:], start=1):
            a, b = truth == index, found == index
            if a.any():
                scores[name].append(float(2 * (a & b).sum() / (a.sum() + b.sum())))
    return {
        name: {
            "mean": round(float(np.mean(values)), 4),
            "lowest": round(min(values), 4),
            "phantoms": len(values),
        }
        for name, values in scores.items()
        if values
    }


def train_embedded_model(
    target: Path,
    scratch: Path,
    *,
    cases: int,
    epochs: int,
    iterations: int,
    test_cases: int,
    seed: int,
    device: str,
    threads: int,
) -> None:
    """From nothing to a model folder: phantoms, plan, training, export, measured Dice.

    Args:
        target: the model folder to write.
        scratch: where raw and preprocessed data and checkpoints go.
        cases: phantoms to draw.
        epochs, iterations: length of the training.
        test_cases: phantoms to measure Dice on, drawn after those of the training.
        seed: of the first phantom and of the network.
        device: auto, cpu, cuda or mps.
        threads: CPU threads.
    """
    for name in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{name}"] = str((scratch / name).resolve())
        (scratch / name).mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("nnUNet_n_proc_DA", "2")
    import torch

    torch.set_num_threads(threads)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    write_dataset(scratch / "raw", cases, seed, workers=threads)
    plan_small_network()
    planned = time.time()
    model = train(epochs, iterations, device, seed)
    recipe = {
        "cases": cases,
        "seeds": [seed, seed + cases - 1],
        "spacing_mm": SPACING_MM,
        "classes": list(CLASSES),
        "patch_voxels_zyx": list(PATCH),
        "features_per_stage": list(FEATURES),
        "epochs": epochs,
        "iterations_per_epoch": iterations,
        "device": device,
        "threads": threads,
        "training_seconds": round(time.time() - planned),
    }
    export(model, target, recipe)
    dice = measure_dice(target, range(seed + cases, seed + cases + test_cases), device, threads)
    (target / "dice.json").write_text(json.dumps(dice, indent=2) + "\n")
