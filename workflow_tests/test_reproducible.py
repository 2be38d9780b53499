"""The same code, options and input give the same bytes: on one core or two, anywhere."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from bonecast.images import save
from bonecast.phantom.anatomy import draw_torso
from bonecast.phantom.demo import true_masks
from bonecast.phantom.patients import TEXTURES, draw_patients
from bonecast.phantom.torso import Scanner, image_torso
from bonecast.provenance.compare import SAME, compare

QUICK = {"repeats": 1, "folds": 2, "inner_folds": 2, "bootstrap": 20, "curve_bootstrap": 3}
QUICK |= {"stability_bootstrap": 3, "optimism_bootstrap": 3, "hazard_ratio_models": {}}


def run(repo: Path, folder: Path, config: dict, cores: int, *targets: str) -> Path:
    """Run the workflow in a folder with all that must not matter chosen by the number of cores."""
    folder.mkdir(parents=True)
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    elsewhere = {
        "XDG_CACHE_HOME": str(folder / ".cache"),
        "PYTHONHASHSEED": str(cores),
        "OMP_NUM_THREADS": str(3 * cores),
        "OPENBLAS_NUM_THREADS": str(3 * cores),
        "TZ": ("UTC", "Pacific/Auckland")[cores - 1],
        "LC_ALL": ("C", "C.UTF-8")[cores - 1],
    }
    command = [sys.executable, "-m", "snakemake", *targets]
    command += ["--snakefile", str(repo / "Snakefile"), "--directory", str(folder)]
    command += ["--cores", str(cores), "--configfile", str(path)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=900, env=os.environ | elsewhere
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder / "results" / "study"


def assert_same(first: Path, second: Path, *expected: str) -> None:
    """All results of two runs are the same bytes, and those expected are among them."""
    found = {item.name: item for item in compare(first, second)}
    assert found.keys() >= set(expected)
    assert [item for item in found.values() if item.state != SAME] == []


@pytest.mark.slow
def test_scans_give_the_same_tables_on_one_core_and_on_two(repo, tmp_path):
    for folder in ("scans", "masks"):
        (tmp_path / folder).mkdir()
    # Written in another order than they are called.
    for seed, name in ((3, "p2"), (4, "p1")):
        rng = np.random.default_rng(seed)
        torso = draw_torso(rng, trabecular_hu=140, texture_hu=5)
        centre = tuple(torso.vertebra("L2").centre - [0, 15, 0])
        ct, label = image_torso(torso, Scanner((40, 60, 80), (2, 2, 2), centre, 8, 0.8), rng)
        save(ct, tmp_path / "scans" / f"{name}.nii.gz")
        save(ct.like(true_masks(label)[1]), tmp_path / "masks" / f"{name}.nii.gz")
    config = {
        "cohort": {"name": "study", "input": str(tmp_path / "scans")},
        "segment": {"backend": "masks", "masks": str(tmp_path / "masks")},
        "measure": {"radiomics": {"families": ["intensity", "glcm"]}},
    }
    targets = ("features", "results/study/figures/roi_agreement.csv")
    once = run(repo, tmp_path / "one", config, 1, *targets)
    again = run(repo, tmp_path / "elsewhere" / "two", config, 2, *targets)
    assert_same(
        once, again, "tables/scans.parquet", "tables/ledger.tsv", "figures/roi_agreement.pdf"
    )


@pytest.mark.slow
def test_a_table_gives_the_same_models_on_one_core_and_on_two(repo, tmp_path):
    table = tmp_path / "patients.csv"
    draw_patients(100, 1).frame.to_csv(table, index=False)
    config = {
        "cohort": {"name": "study"},
        "model": QUICK
        | {
            "table": str(table),
            "blocks": ["clinical", "textures", "multimodal"],
            "block_columns": {"clinical": ["age_years", "falls"], "textures": list(TEXTURES)},
            "learners": ["penalised", "forest"],
            "designs": ["repeated_nested_cv", "optimism_bootstrap"],
            "horizons_years": [2],
        },
    }
    targets = ("models", "results/study/figures/calibration_fracture.csv")
    once = run(repo, tmp_path / "one", config, 1, *targets)
    again = run(repo, tmp_path / "elsewhere" / "two", config, 2, *targets)
    expected = ("predictions.parquet", "model.json", "metrics.tsv", "optimism.tsv")
    expected = [f"models/fracture/{name}" for name in expected]
    assert_same(once, again, *expected, "figures/calibration_fracture.svg")
