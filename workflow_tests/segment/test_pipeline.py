"""Reading, network and writing of neighbouring scans at once."""

import errno
import threading

import numpy as np
import pytest
import torch

from bonecast.images import load, save
from bonecast.segment import pipeline
from bonecast.segment.backends import is_machine_fault, is_memory_error
from bonecast.segment.nnunet import Network


def collect(backend, scans, **options):
    """Outcomes, and the classes as written."""
    written = {}

    def write(outcome, volumes):
        written[outcome.name] = volumes["classes"].data if volumes else None

    return list(pipeline.run(backend, scans, write, **options)), written


def test_outcomes_come_in_order_each_after_it_was_written(noise, fakes):
    written, seen = [], []
    slow = {"p1.finish": "slow", "p2.read": "slow", "p4.infer": "slow"}
    backend = fakes.open_fake({"trouble": slow})
    for outcome in pipeline.run(backend, noise, lambda outcome, _: written.append(outcome.name)):
        seen.append(outcome.name)
        assert written[: len(seen)] == seen
    assert seen == list(noise)


def test_stages_of_neighbouring_scans_run_at_once_in_threads_of_their_own(noise, fakes):
    slow = {f"{name}.{stage}": "slow" for name in noise for stage in ("read", "infer", "finish")}
    backend = fakes.open_fake({"trouble": slow})
    threads = {}

    def spy(stage, original):
        def watched(argument):
            threads.setdefault(stage, set()).add(threading.get_ident())
            return original(argument)

        return watched

    for stage in ("read", "infer", "finish"):
        setattr(backend, stage, spy(stage, getattr(backend, stage)))
    outcomes, _ = collect(backend, noise)
    assert [len(ids) for ids in threads.values()] == [1, 1, 1]
    assert len(set.union(*threads.values())) == 3
    assert threads["infer"] == {threading.get_ident()}
    # Where all three take as long, the network runs nearly all of the time from the second on.
    assert all(outcome.network_share > 0.8 for outcome in outcomes[1:])
    assert outcomes[0].network_share < 0.7


def test_one_scan_ahead_and_one_behind_are_held_at_most(noise, fakes):
    slow = {f"{name}.finish": "slow" for name in noise}
    backend = fakes.open_fake({"trouble": slow})
    collect(backend, noise)
    assert backend.most_held == 3
    alone = fakes.open_fake({"trouble": slow})
    collect(alone, noise, overlap=False)
    assert alone.most_held == 1


def test_a_backend_with_helpers_has_more_read_and_written_at_a_time_in_the_same_order(noise, fakes):
    slow = {f"{name}.{stage}": "slow" for name in noise for stage in ("read", "finish")}
    backend = fakes.open_fake({"trouble": slow})
    backend.helpers = 2
    begun, written = [], []
    outcomes = pipeline.run(
        backend, noise, lambda outcome, _: written.append(outcome.name), begin=begun.append
    )
    first = next(outcomes)
    # It is given back once two later ones wait to be written and two more are being read.
    assert (first.name, len(begun)) == (list(noise)[0], 5)
    assert [first.name, *(outcome.name for outcome in outcomes)] == begun == list(noise)
    assert sorted(written) == sorted(noise)
    assert 3 < backend.most_held <= 5


def test_overlapping_gives_what_one_after_the_other_gives(tmp_path, model, lumbar):
    ct, _ = lumbar
    scans = {}
    for name, shift in (("a", 0), ("b", 15), ("c", -15)):
        scans[name] = tmp_path / f"{name}.nii.gz"
        save(ct.like((ct.data + shift).astype(np.int16)), scans[name])
    network = Network(model, "cpu", 2)
    network.load()
    _, overlapping = collect(network, scans)
    _, serial = collect(network, scans, overlap=False)
    assert list(overlapping) == list(serial) == list(scans)
    for name, path in scans.items():
        np.testing.assert_array_equal(overlapping[name], serial[name])
        np.testing.assert_array_equal(overlapping[name], network.segment(load(path)).data)
        assert overlapping[name].any()


def test_a_failing_stage_fails_its_scan_only(noise, fakes):
    trouble = {"p1.read": "ValueError", "p3.infer": "ValueError", "p5.finish": "ValueError"}
    outcomes, written = collect(fakes.open_fake({"trouble": trouble}), noise)
    assert [bool(outcome.error) for outcome in outcomes] == [True, False, True, False, True]
    assert [name for name, data in written.items() if data is None] == ["p1", "p3", "p5"]


@pytest.mark.parametrize("overlap", [True, False])
def test_a_result_that_cannot_be_written_ends_the_batch(noise, fakes, overlap):
    def write(outcome, volumes):
        if outcome.name == "p2":
            raise OSError(errno.ENOSPC, "No space left on device")

    done = []
    with pytest.raises(OSError, match="No space left"):
        for outcome in pipeline.run(fakes.open_fake({}), noise, write, overlap=overlap):
            done.append(outcome.name)
    assert done == ["p1"]


@pytest.mark.parametrize("stage", ["read", "infer", "finish"])
def test_a_full_memory_leaves_nobody_out(noise, fakes, stage):
    backend = fakes.open_fake({"trouble": {f"p2.{stage}": "MemoryError"}})
    with pytest.raises(MemoryError):
        collect(backend, noise)


def test_fallbacks_are_tried_in_order_for_the_scan_that_needs_them(noise, fakes):
    fallbacks = ["results_on_cpu", "smaller_tiles", "cpu_device"]
    trouble = {"p2.infer": "full:2", "p4.infer": "full:3"}
    backend = fakes.open_fake({"trouble": trouble, "fallbacks": fallbacks})
    backend.provenance["device"] = "cuda"
    lines = []
    outcomes, written = collect(backend, noise, tell=lines.append)
    assert backend.inferred == [
        "p1",
        *["p2", "p2 results_on_cpu", "p2 smaller_tiles"],
        "p3",
        *["p4", "p4 results_on_cpu", "p4 smaller_tiles", "p4 cpu_device"],
        "p5",
    ]
    assert [outcome.fallback for outcome in outcomes] == ["", "smaller_tiles", "", "cpu_device", ""]
    assert [outcome.device for outcome in outcomes] == ["cuda", "cuda", "cuda", "cpu", "cuda"]
    assert len(lines) == 5
    assert all(data is not None for data in written.values())


def test_memory_errors_are_told_from_errors_of_a_scan():
    for error in (
        MemoryError(),
        torch.OutOfMemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
    ):
        assert is_memory_error(error) and is_machine_fault(error)
    broken = torch.AcceleratorError("an illegal memory access was encountered")
    assert is_machine_fault(broken) and not is_memory_error(broken)
    for error in (OSError(28, "no space left"), FileNotFoundError(2, "gone")):
        assert is_machine_fault(error) and not is_memory_error(error)
    damaged = OSError("not a gzipped file")
    for error in (ValueError("out of memory"), RuntimeError("shape mismatch"), damaged):
        assert not is_machine_fault(error)
