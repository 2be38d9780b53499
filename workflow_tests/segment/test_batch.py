"""Batches through the embedded network: nothing lost, nothing done twice."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bonecast.images import Volume, load, save
from bonecast.phantom.anatomy import draw_torso
from bonecast.phantom.torso import Scanner, image_torso
from bonecast.phantom.training import CLASSES, network_classes
from bonecast.segment import batch
from bonecast.segment.batch import segment_batch
from bonecast.segment.nnunet import Network, class_names, segment_scans


@pytest.fixture(scope="module")
def model(repo) -> str:
    return str(repo / "resources/embedded_model")


@pytest.fixture(scope="module")
def lumbar() -> tuple[Volume, np.ndarray]:
    """A small phantom scan and its tissue classes."""
    rng = np.random.default_rng(11)
    torso = draw_torso(rng, trabecular_hu=130, scale=1.0)
    centre = torso.vertebra("L3").centre
    scanner = Scanner((80, 80, 60), (2, 2, 3), tuple(centre + [0, 10, -10]), 12, 0.7)
    ct, label = image_torso(torso, scanner, rng)
    return ct, network_classes(label)


def run(scans, raw, model):
    return segment_batch(scans, raw, model=model, device="cpu", threads=2, tell=lambda _: None)


def test_a_bad_scan_does_not_take_the_batch_with_it(tmp_path, model, lumbar):
    ct, _ = lumbar
    scans = {name: tmp_path / f"{name}.nii.gz" for name in ("good", "corrupt", "excluded", "last")}
    save(ct, scans["good"])
    save(ct, scans["last"])
    scans["corrupt"].write_bytes(b"not a scan")
    scans["excluded"].write_bytes(b"")
    rows = {row["participant_id"]: row for row in run(scans, tmp_path / "raw", model)}
    assert {name: row["status"] for name, row in rows.items()} == {
        "good": "segmented",
        "corrupt": "failed",
        "excluded": "no_scan",
        "last": "segmented",
    }
    assert rows["corrupt"]["error"]
    assert load(tmp_path / "raw/good.nii.gz").data.shape == ct.data.shape

    # What is finished is kept; a changed scan is done again.
    save(ct.like(np.maximum(ct.data, -900).astype(np.int16)), scans["last"])
    again = {row["participant_id"]: row["status"] for row in run(scans, tmp_path / "raw", model)}
    assert again == {
        "good": "kept",
        "corrupt": "failed",
        "excluded": "no_scan",
        "last": "segmented",
    }


def test_a_batch_of_which_every_scan_fails_is_no_fault_of_the_scans(tmp_path, model):
    scans = {name: tmp_path / f"{name}.nii.gz" for name in ("p1", "p2")}
    for path in scans.values():
        path.write_bytes(b"not a scan")
    with pytest.raises(RuntimeError, match="all 2 scans"):
        run(scans, tmp_path / "raw", model)


def test_results_of_other_code_are_made_again(tmp_path, model, lumbar, monkeypatch):
    scans = {"p1": tmp_path / "p1.nii.gz"}
    save(lumbar[0], scans["p1"])
    statuses = [run(scans, tmp_path / "raw", model)[0]["status"] for _ in range(2)]
    monkeypatch.setattr(batch, "code_digest", lambda *paths: "edited")
    statuses.append(run(scans, tmp_path / "raw", model)[0]["status"])
    assert statuses == ["segmented", "kept", "segmented"]


def test_a_full_memory_leaves_nobody_out(tmp_path, lumbar):
    def fail(error):
        def segment(ct):
            raise error

        return SimpleNamespace(segment=segment)

    save(lumbar[0], tmp_path / "p1.nii.gz")
    scans = {"p1": tmp_path / "p1.nii.gz"}
    (result,) = segment_scans(fail(ValueError("odd scan")), scans)
    assert result.error == "ValueError: odd scan"
    for error in (MemoryError(), torch.OutOfMemoryError()):
        with pytest.raises(type(error)):
            list(segment_scans(fail(error), scans))


def test_the_embedded_network_finds_the_bodies(model, lumbar):
    ct, truth = lumbar
    found = Network(model, "cpu", 2).segment(ct).data
    body = CLASSES.index("vertebral_body")
    a, b = found == body, truth == body
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.85


def test_a_folder_without_a_model_is_refused_with_what_was_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"plans\.json"):
        Network(tmp_path)


def test_embedded_model_is_small_and_documented(repo):
    folder = repo / "resources/embedded_model"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 15e6
    assert {"recipe.json", "dice.json", "training_log.txt"} <= {path.name for path in files}
    assert class_names(folder) == dict(enumerate(CLASSES))
