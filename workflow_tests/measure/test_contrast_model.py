"""TotalSegmentator's model of the phase: its inputs, its words, and what is said without it."""

import ast
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from bonecast.images import Volume, load
from bonecast.measure import contrast_model
from bonecast.measure.contrast_model import (
    ORGANS,
    PACKAGE_PHASES,
    ModelPhase,
    UnknownClassifiers,
    names_all_organs,
    predict_phase,
)
from bonecast.segment.labelmaps import recode
from bonecast.segment.tissues import TISSUE_CODES, TISSUE_CONVENTIONS, Tissue


class StandIn:
    """A regression of the right shape that keeps what it is given."""

    def __init__(self, seconds):
        self.seconds, self.rows = seconds, []

    def predict(self, rows):
        self.rows += rows
        return np.array([self.seconds])


@pytest.fixture
def scan():
    """An aorta, a heart and a colon of known medians, 8 ml each."""
    codes = np.zeros((30, 20, 20), np.uint8)
    hu = np.full(codes.shape, 20, np.int16)
    for n, (code, value) in enumerate(
        [(Tissue.AORTA, 140), (Tissue.HEART, 90), (Tissue.COLON, -400)]
    ):
        codes[10 * n : 10 * n + 10, :, :], hu[10 * n : 10 * n + 10, :, :] = code, value
    return Volume(hu, np.eye(4)), Volume(codes, np.eye(4))


def test_medians_are_given_in_the_models_order(scan):
    models = [StandIn(70.0), StandIn(80.0)]
    found = predict_phase(*scan, True, lambda: models)
    assert found == ModelPhase("predicted", 75.0) and found.phase == "portal"
    told = dict(zip(ORGANS, models[0].rows[0], strict=False))
    assert {name: hu for name, hu in told.items() if hu} == {
        "heart": 90,
        "aorta": 140,
        "colon": -400,
    }
    assert models[0].rows[0][16:] == [0, 0, 0, 0] and models[0].rows == models[1].rows


def test_without_its_inputs_the_model_is_not_asked(scan):
    def never():
        raise AssertionError("asked")

    ct, tissue = scan
    bare = tissue.like(np.where(tissue.data == Tissue.AORTA, 0, tissue.data))
    head = tissue.like(np.where(tissue.data == Tissue.COLON, Tissue.BRAIN, tissue.data))
    for found in (
        predict_phase(ct, tissue, False, never),
        predict_phase(ct, None, True, never),
        predict_phase(ct, bare, True, never),  # or no vessels would be called native
        predict_phase(ct, head, True, never),
    ):
        assert found == ModelPhase("no_inputs", None) and found.phase is None


@pytest.mark.parametrize(
    ("error", "status"),
    [(ImportError("xgboost"), "not_installed"), (UnknownClassifiers("new"), "not_readable")],
)
def test_a_model_that_is_not_there_is_said_to_be(scan, error, status):
    def load():
        raise error

    assert predict_phase(*scan, True, load) == ModelPhase(status, None)


def test_without_xgboost_it_is_not_installed(scan, monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    assert predict_phase(*scan, True).status == "not_installed"


@pytest.mark.parametrize(
    ("segmentation", "all_organs"),
    [
        ({"backend": "totalsegmentator"}, True),
        ({"backend": "totalsegmentator", "tissue_labels": "bonecast"}, False),
        ({"backend": "masks", "tissue_labels": "totalsegmentator"}, True),
        ({"backend": "masks"}, False),
        ({"backend": "nnunet", "tissue_labels": "own.yaml"}, False),
    ],
)
def test_only_totalsegmentators_map_names_all_organs(segmentation, all_organs):
    assert names_all_organs(segmentation) is all_organs


@pytest.fixture(scope="module")
def package():
    """Source of the installed program, which cannot be imported without XGBoost and PyTorch."""
    if importlib.util.find_spec("totalsegmentator") is None:
        pytest.skip("TotalSegmentator is not made for every Python that Bonecast runs on")
    folder = Path(importlib.util.find_spec("totalsegmentator").submodule_search_locations[0])
    tree = ast.parse((folder / "bin" / "totalseg_get_phase.py").read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    return folder, functions


def test_phases_are_called_as_the_package_calls_them(package):
    """The trap: its phases are arterial_early and arterial_late, never arterial."""
    code = ast.Module([package[1]["pi_time_to_phase"]], [])
    names = {}
    exec(compile(ast.fix_missing_locations(code), "package", "exec"), names)
    theirs = {t: names["pi_time_to_phase"](t)[0] for t in np.arange(-20, 200, 0.5)}
    assert set(theirs.values()) == set(PACKAGE_PHASES)
    for seconds, name in theirs.items():
        expected = PACKAGE_PHASES[name] if seconds < 100 else "late"
        assert ModelPhase("predicted", seconds).phase == expected, seconds


def test_organs_are_those_of_the_package(package):
    lists = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.walk(package[1]["get_ct_contrast_phase"])
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List) and node.value.elts
    }
    assert tuple(lists["organs"]) == ORGANS
    assert len(lists["organs_hn"]) == contrast_model.N_NECK_VESSELS


def test_the_classifiers_are_those_that_are_known(package):
    import hashlib

    path = package[0] / "resources" / contrast_model.CLASSIFIERS
    assert hashlib.sha256(path.read_bytes()).hexdigest() == contrast_model.CLASSIFIERS_SHA256


def test_other_classifiers_are_not_opened(package, monkeypatch, scan):
    pytest.importorskip("xgboost")
    monkeypatch.setattr(contrast_model, "CLASSIFIERS_SHA256", "0" * 64)
    assert predict_phase(*scan, True).status == "not_readable"


def test_a_real_scan_is_called_as_the_package_called_it(package, shared_data):
    """phase_prediction.json of the package's own test: -0.04 s, native."""
    pytest.importorskip("xgboost")
    folder = shared_data / "ct" / "totalseg_abdomen_30slices"
    labels, names = load(folder / "total_labels.nii.gz"), TISSUE_CONVENTIONS["totalsegmentator"]
    codes = recode(labels.data, {k: TISSUE_CODES[name] for k, name in names.items()})
    found = predict_phase(load(folder / "ct.nii.gz"), labels.like(codes), True)
    assert found.seconds == pytest.approx(-0.04, abs=0.005) and found.phase == "none"
