"""Train the embedded nnU-Net on synthetic scans, with nnU-Net's own planner and trainer.

No scan of a patient is used. The synthetic ones vary far more than people do (size, posture,
deformities, attenuation of every tissue, clutter, noise, kernel, voxel size, field of view,
missing ends), because the network has to hold on scans unlike its training data; most
take the shapes of their vertebrae from masks of real spines.
"""

import hashlib
import json
import os
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from bonecast.images import Volume, save
from bonecast.levels import VERSE_CODES
from bonecast.phantom.anatomy import GENANT_LOSS, SPINE, Deformity, Torso, draw_torso
from bonecast.phantom.donors import donor_files, read_donors
from bonecast.phantom.randomised import draw_randomised, image_randomised, pad_outside
from bonecast.phantom.torso import DISC, POSTERIOR_OFFSET, RIB, SACRUM, Scanner, image_torso
from bonecast.segment.grid import coarse_shape, grid_weights, resample

CLASSES = ("background", "vertebral_body", "posterior_elements", "disc", "sacrum", "rib")
"""What the network tells apart; levels are counted afterwards from sacrum and ribs."""

SPACING_MM = 2.5
PLAIN_SHARE, PADDED_SHARE, NARROW_SHARE = 0.2, 0.15, 0.25
"""Shares of scans: as the demo's, with corners cut off, with little beside the spine."""
DONOR_SHARE = 0.75
"""Of the randomised scans, those whose vertebrae have the shapes of real ones."""
VALIDATION_CASES = 12
"""Watched while training; nnU-Net's own split would keep a fifth of the scans from it."""
WINDOW_HU = (-300.0, 1000.0)
"""Values beyond are pulled in: air and metal say nothing about where a spine is."""
MEAN_HU, SD_HU = 180.0, 220.0
"""What the network takes for 0 and for 1: about those of bone."""
DATASET_ID, DATASET = 1, "Dataset001_BonecastPhantom"
PATCH = (80, 64, 64)
"""Voxels along z, y, x: 200 x 160 x 160 mm."""
FEATURES = (8, 32, 64, 96, 128)


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


def draw_training_case(seed: int, masks: str | None = None) -> tuple[Volume, np.ndarray]:
    """One training scan at the network's spacing: CT and class indices, [x, y, z].

    Args:
        seed: of everything in it.
        masks: folder of vertebra masks that lend their shapes; None for phantoms only.
    """
    rng = np.random.default_rng(seed)
    person = {
        "trabecular_hu": float(rng.uniform(-20, 300)),
        "deformities": draw_deformities(rng, 0.15 if rng.random() < 0.6 else 0.0),
        "scale": float(rng.uniform(0.8, 1.2)),
        "texture_hu": float(rng.uniform(0, 60)),
        "muscle_scale": float(rng.uniform(0.7, 1.2)),
        "contrast": bool(rng.random() < 0.5),
    }
    if rng.random() < PLAIN_SHARE:
        torso = draw_torso(rng, **person)
        ct, label = image_torso(torso, draw_scanner(rng, torso), rng)
    else:
        spines = read_donors(masks) if masks else {}
        torso, look = draw_randomised(rng, spines=spines, share_of_donors=DONOR_SHARE, **person)
        ct, label = image_randomised(torso, look, draw_scanner(rng, torso), rng)
        if rng.random() < PADDED_SHARE:
            pad_outside(ct, label, rng)
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
    xy, z = float(rng.uniform(1.2, 2.2)), float(rng.uniform(1.0, 5.0))
    top, bottom = torso.vertebra("T2").centre[2], -120.0
    length = float(np.clip(rng.uniform(80, 420), 0, top - bottom))
    low = float(rng.uniform(bottom - 20, top - length))
    width, depth = rng.uniform(150, 380), rng.uniform(150, 280)
    if rng.random() < NARROW_SHARE:
        width = rng.uniform(75, 140)
    centre_y = np.mean(
        [v.centre[1] for v in torso.vertebrae if low < v.centre[2] < low + length] or [0]
    )
    return Scanner(
        shape=(int(width / xy), int(depth / xy), int(length / z)),
        spacing_mm=(xy, xy, z),
        centre_mm=(
            float(rng.normal(0, 10 if width < 140 else 20)),
            float(centre_y + rng.uniform(-15, 45)),
            low + length / 2,
        ),
        noise_hu=float(rng.uniform(3, 25) if rng.random() < 0.6 else rng.uniform(25, 130)),
        blur_mm=float(rng.uniform(0.3, 1.4)),
    )


def write_case(folder: Path, masks: str | None, seed: int) -> None:
    """Write one training case in nnU-Net's raw layout."""
    ct, classes = draw_training_case(seed, masks)
    save(ct, folder / "imagesTr" / f"phantom_{seed:04d}_0000.nii.gz")
    save(ct.like(classes), folder / "labelsTr" / f"phantom_{seed:04d}.nii.gz")


def write_dataset(raw: Path, cases: int, seed: int, masks: str | None, workers: int) -> None:
    """Write a raw nnU-Net data set of `cases` scans; existing cases are kept."""
    folder = raw / DATASET
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    seeds = range(seed, seed + cases)
    missing = [s for s in seeds if not (folder / "labelsTr" / f"phantom_{s:04d}.nii.gz").exists()]
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(partial(write_case, folder, masks), missing, chunksize=4))
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
    labels = Path(os.environ["nnUNet_raw"]) / DATASET / "labelsTr"
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
    # What the planner read off the scans would be the spread of random attenuations.
    plans["foreground_intensity_properties_per_channel"]["0"] |= {
        "percentile_00_5": WINDOW_HU[0],
        "percentile_99_5": WINDOW_HU[1],
        "mean": MEAN_HU,
        "std": SD_HU,
    }
    path.write_text(json.dumps(plans, indent=2))
    names = sorted(p.name.removesuffix(".nii.gz") for p in labels.glob("*.nii.gz"))
    split = {"train": names[:-VALIDATION_CASES], "val": names[-VALIDATION_CASES:]}
    path.with_name("splits_final.json").write_text(json.dumps([split]))
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
    if device == "cpu" and torch.cpu.get_capabilities().get("avx512_bf16"):
        halve_precision(trainer.network)
    trainer.run_training()
    return Path(trainer.output_folder_base)


def halve_precision(network) -> None:
    """Let a network compute in bfloat16 where the CPU does so natively: half the time again.

    Scores leave it as 32-bit floats, so losses are computed as ever.
    """
    import torch

    forward = network.forward

    def in_bfloat16(data):
        with torch.autocast("cpu", torch.bfloat16):
            scores = forward(data)
        return [s.float() for s in scores] if isinstance(scores, list) else scores.float()

    network.forward = in_bfloat16


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


def measure_dice(model: Path, seeds: range, masks: str | None, device: str, threads: int) -> dict:
    """Dice of each class on training-like scans the network has not seen.

    Returns:
        Per class: mean and lowest Dice over the scans that hold it, and their number.
    """
    from bonecast.segment.nnunet import Network

    network = Network(model, device, threads)
    scores: dict[str, list[float]] = {name: [] for name in CLASSES[1:]}
    for seed in seeds:
        ct, truth = draw_training_case(seed, masks)
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
    masks: str | None,
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
        masks: folder of vertebra masks that lend their shapes; None for phantoms only.
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
    write_dataset(scratch / "raw", cases, seed, masks, workers=threads)
    plan_small_network()
    planned = time.time()
    model = train(epochs, iterations, device, seed)
    recipe = {
        "cases": cases,
        "seeds": [seed, seed + cases - 1],
        "masks": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (donor_files(masks) if masks else [])
        },
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
    unseen = range(seed + cases, seed + cases + test_cases)
    dice = measure_dice(target, unseen, masks, device, threads)
    (target / "dice.json").write_text(json.dumps(dice, indent=2) + "\n")
