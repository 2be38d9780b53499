"""Where networks run: a GPU that is asked for and not there is told, not passed over."""

import warnings

import pytest
import torch

from bonecast.segment.device import choose_device
from bonecast.segment.nnunet import Network


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_gpu_that_is_asked_for_and_missing_stops_the_batch(repo):
    network = Network(repo / "resources" / "embedded_model", "cuda", 1)
    with pytest.raises(RuntimeError, match=r"segment.device: cuda, but PyTorch .*nvidia-smi"):
        network.load()


def test_a_gpu_that_was_given_and_cannot_be_used_is_told(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.warns(UserWarning, match="GPU 0 was given to this job.*The CPU is used"):
        assert choose_device("auto") == "cpu"


def test_a_machine_without_a_gpu_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choose_device("auto") == choose_device("cpu") == "cpu"


def test_a_gpu_is_taken_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (choose_device("auto"), choose_device("cpu")) == ("cuda", "cpu")
