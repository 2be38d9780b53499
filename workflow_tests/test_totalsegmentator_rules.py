"""The backend totalsegmentator as rules: weights once and first, never by a segmentation job."""

import json
from pathlib import Path

import pytest

from bonecast.segment.totalsegmentator_weights import needed_weights

# The package is not made for every Python that Bonecast runs on.
pytest.importorskip("totalsegmentator")

NUMBER = "aca_0123456789ABCD"


@pytest.fixture
def config(tmp_path) -> dict:
    """Three scans in batches of two, weights in a folder of the test, no network."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("p1", "p2", "p3"):
        (folder / f"{name}.nii.gz").touch()
    return {
        "cohort": {"name": "study", "input": str(folder)},
        "segment": {
            "backend": "totalsegmentator",
            "batch_size": 2,
            "weights_dir": str(tmp_path / "weights"),
            "totalsegmentator": {"fast": True},
        },
    }


@pytest.fixture
def offline(monkeypatch):
    """Any request of a job ends at a port where nobody listens."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)


def put_weights(folder: Path, **options) -> None:
    chosen = {"fast": True, "bodies": "vertebrae_body", "tissue": None} | options
    for weights in needed_weights(**chosen):
        for path in weights.files(folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(path.name)


def test_weights_are_fetched_once_before_any_batch(plan, config):
    outcome = plan(config, "segmentations")
    assert outcome.jobs["fetch_weights"] == 1
    assert outcome.jobs["segment_batch"] == 2
    assert outcome.jobs["label_vertebrae"] == 3
    reason = outcome.text.partition("Segmenting batch")[2].partition("Reason: ")[2]
    assert "segmentation/weights.json" in reason.partition("\n")[0].partition("another job: ")[2]
    for backend in ("masks", "nnunet"):
        config["segment"]["backend"] = backend
        assert "fetch_weights" not in plan(config, "segmentations").jobs


def test_weights_already_there_are_taken_as_they_are(
    run_snakemake, plan, config, offline, tmp_path
):
    put_weights(tmp_path / "weights")
    done = run_snakemake("fetch_weights", config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "results/study/segmentation/weights.json").read_text())
    assert {entry["task"] for entry in record.values()} == {"total", "vertebrae_body"}
    assert all(len(entry["sha256"]) == 64 for entry in record.values())
    assert str(tmp_path) not in json.dumps(record)
    assert plan(config, "fetch_weights").jobs == {}
    config["segment"]["totalsegmentator"]["bodies"] = "vertebrae_pp"
    assert plan(config, "fetch_weights").jobs == {"fetch_weights": 1}


def test_without_network_the_run_says_what_to_do(run_snakemake, config, offline, tmp_path):
    done = run_snakemake("fetch_weights", config=config)
    assert done.returncode != 0
    text = done.stdout + done.stderr
    for weights in needed_weights(fast=True, bodies="vertebrae_body", tissue=None):
        assert f"download {weights.url}" in text
        assert f"{weights.dataset}/{weights.model}/fold_0/checkpoint_final.pth" in text


def test_a_licence_number_is_written_nowhere(run_snakemake, config, offline, tmp_path):
    licence = tmp_path / "licence.txt"
    licence.write_text(NUMBER)
    options = {"tissue": "tissue_types", "license_file": str(licence)}
    config["segment"]["totalsegmentator"] |= options
    put_weights(tmp_path / "weights")
    failed = run_snakemake("fetch_weights", config=config)
    assert failed.returncode != 0 and "licence server" in failed.stdout + failed.stderr
    put_weights(tmp_path / "weights", tissue="tissue_types")
    done = run_snakemake("fetch_weights", config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    for text in (failed.stdout, failed.stderr, done.stdout, done.stderr):
        assert NUMBER not in text
    held = [
        path.name
        for path in tmp_path.rglob("*")
        if path.is_file() and NUMBER.encode() in path.read_bytes()
    ]
    assert held == ["licence.txt"]
