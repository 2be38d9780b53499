"""Batches: nothing lost, nothing done twice, one bad scan costs one scan."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from bonecast.images import load, save
from bonecast.reasons import Excluded, Reason
from bonecast.runtime import read_json
from bonecast.segment.batch import COLUMNS, how_it_died, segment_batch, write_rows
from bonecast.segment.label import label_from_network
from bonecast.segment.raw import check, finished, write_record, write_volumes


@pytest.fixture
def run(fakes, tmp_path):
    """A function that runs a batch through the fake backend; gives status and error by scan."""

    def batch(scans, lines=None, **settings):
        said = [] if lines is None else lines
        rows = segment_batch(
            scans,
            tmp_path / "raw",
            settings=settings,
            tell=said.append,
            opener="fake_backend:open_fake",
        )
        assert [row["participant_id"] for row in rows] == list(scans)
        return {row["participant_id"]: row for row in rows}

    return batch


def statuses(rows: dict[str, dict]) -> dict[str, str]:
    return {name: row["status"] for name, row in rows.items()}


def test_a_bad_scan_does_not_take_the_batch_with_it(tmp_path, noise, run):
    noise["p2"].write_bytes(b"not a scan")
    noise["p3"].write_bytes(b"")
    lines = []
    rows = run(noise, lines, trouble={"p4.finish": "ValueError"})
    expected = ["segmented", "failed", "no_scan", "failed", "segmented"]
    assert list(statuses(rows).values()) == expected
    # The table is published: the kind of error only; its text goes to the log.
    assert rows["p4"]["error"] == "ValueError"
    assert "p4: ValueError: /somewhere/odd scan" in lines
    found = load(tmp_path / "raw/p1.nii.gz").data
    np.testing.assert_array_equal(found, load(noise["p1"]).data > 100)
    assert not (tmp_path / "raw/p4.nii.gz").exists()

    # What is finished is kept, what failed is tried again, a changed scan is done again.
    ct = load(noise["p5"])
    save(ct.like(np.maximum(ct.data, 90).astype(np.int16)), noise["p5"])
    expected = ["kept", "failed", "no_scan", "segmented", "segmented"]
    assert list(statuses(run(noise)).values()) == expected


def test_progress_says_how_many_are_done_and_when_it_ends(noise, run):
    lines = []
    run(noise, lines, trouble={"p2.infer": "slow"})
    assert [line.partition(":")[0] for line in lines[:5]] == [f"{i} of 5" for i in range(1, 6)]
    assert all("s left, until " in line for line in lines[:4])
    assert "left" not in lines[4]
    assert lines[5].startswith("5 scans in ")


def test_the_table_has_a_row_a_scan_with_its_times_and_memory(tmp_path, noise, run):
    rows = run(noise, trouble={"p1.infer": "slow"})
    write_rows(list(rows.values()), tmp_path / "batch.tsv")
    with (tmp_path / "batch.tsv").open(newline="") as stream:
        table = list(csv.DictReader(stream, delimiter="\t"))
    assert tuple(table[0]) == COLUMNS
    first = table[0]
    assert float(first["seconds"]) >= float(first["network_seconds"]) >= 0.2
    assert 0 < float(first["network_share"]) <= 1
    assert float(first["peak_memory_mb"]) > 10
    assert (first["device"], first["fallback"], first["peak_gpu_mb"]) == ("cpu", "", "")


def test_another_model_makes_results_again(noise, run):
    some = dict(list(noise.items())[:2])
    assert set(statuses(run(some, model="a")).values()) == {"segmented"}
    assert set(statuses(run(some, model="a")).values()) == {"kept"}
    assert set(statuses(run(some, model="b")).values()) == {"segmented"}


def test_a_participant_put_in_the_middle_costs_one_segmentation(noise, run):
    a, b, c, d, new = noise.items()
    for batch in ([a, b], [c, d]):
        run(dict(batch))
    shifted = [run(dict(batch)) for batch in ([a, new], [b, c], [d])]
    assert [list(statuses(rows).values()) for rows in shifted] == [
        ["kept", "segmented"],
        ["kept", "kept"],
        ["kept"],
    ]


@pytest.mark.parametrize("stage", ["read", "infer", "finish"])
def test_a_process_that_dies_costs_the_scan_it_died_at(tmp_path, noise, run, stage):
    lines = []
    rows = run(noise, lines, trouble={f"p3.{stage}": "die", "p2.infer": "slow"})
    expected = ["segmented", "segmented", "failed", "segmented", "segmented"]
    assert list(statuses(rows).values()) == expected
    assert rows["p3"]["error"] == "the process died (signal 9, SIGKILL)"
    assert any(line.startswith("3 of 5: p3 failed") or "p3 failed" in line for line in lines)
    # The participant is left out with that reason.
    with pytest.raises(Excluded, match="the process died") as left_out:
        label_from_network(load(noise["p3"]), tmp_path / "raw/p3.nii.gz", {0: "background"})
    assert left_out.value.reason == Reason.SEGMENTATION_FAILED
    # Without the trouble it is segmented after all, and only it.
    assert list(statuses(run(noise)).values()) == ["kept", "kept", "segmented", "kept", "kept"]


def test_a_scan_that_would_be_waited_for_for_ever_fails(noise, run):
    lines = []
    rows = run(dict(list(noise.items())[:3]), lines, trouble={"p2.infer": "thread"})
    assert list(statuses(rows).values()) == ["segmented", "failed", "segmented"]
    assert rows["p2"]["error"] == "the process died (exit code 2)"
    assert "ZeroDivisionError: division by zero" in lines


def test_two_fatal_scans_apart_cost_two(noise, run):
    rows = run(noise, trouble={"p1.infer": "die", "p4.finish": "die"})
    expected = ["failed", "segmented", "segmented", "failed", "segmented"]
    assert list(statuses(rows).values()) == expected


def test_a_process_that_dies_twice_in_a_row_stops_the_batch(noise, run):
    with pytest.raises(RuntimeError, match=r"two scans in a row, p3 the last.*machine"):
        run(noise, trouble={"p2.infer": "die", "p3.infer": "die"})
    assert list(statuses(run(noise)).values())[0] == "kept"


def test_a_process_that_dies_at_its_start_stops_the_batch(noise, run):
    with pytest.raises(RuntimeError, match=r"signal 9, SIGKILL\) before its next scan"):
        run(noise, trouble={"load": "die"})


def test_scans_too_large_together_are_done_one_at_a_time(noise, run):
    lines = []
    trouble = {f"{name}.infer": "crowd" for name in noise}
    rows = run(noise, lines, trouble=trouble)
    assert set(statuses(rows).values()) == {"segmented"}
    # Once is enough to learn it.
    assert sum("one at a time" in line for line in lines) == 1


def test_a_model_that_is_not_there_stops_the_batch(tmp_path, noise):
    settings = {"backend": "nnunet", "model": str(tmp_path), "device": "cpu", "threads": 2}
    settings |= {"folds": "all", "checkpoint": "final", "tile_step": 0.5, "mirroring": False}
    with pytest.raises(RuntimeError, match=r"FileNotFoundError: segment\.model.*plans\.json"):
        segment_batch(noise, tmp_path / "raw", settings=settings, tell=lambda line: None)


def test_a_batch_of_which_every_scan_fails_is_no_fault_of_the_scans(noise, run):
    for path in noise.values():
        path.write_bytes(b"not a scan")
    with pytest.raises(RuntimeError, match="all 5 scans"):
        run(noise)


def test_memory_that_never_suffices_leaves_nobody_out(tmp_path, noise, run):
    with pytest.raises(RuntimeError, match="MemoryError: CUDA out of memory"):
        run(noise, trouble={"p2.infer": "full:9"}, fallbacks=["less"])
    assert not (tmp_path / "raw/p2.json").exists()
    assert list(statuses(run(noise)).values())[:2] == ["kept", "segmented"]


def test_what_was_done_when_memory_ran_out_is_recorded(tmp_path, noise, run):
    lines = []
    fallbacks = ["results_on_cpu", "smaller_tiles", "cpu_device"]
    rows = run(noise, lines, trouble={"p2.infer": "full:3"}, fallbacks=fallbacks)
    assert [row["fallback"] for row in rows.values()] == ["", "cpu_device", "", "", ""]
    assert read_json(tmp_path / "raw/p2.json")["fallback"] == "cpu_device"
    assert any("p2: out of memory, trying smaller_tiles (CUDA out of" in line for line in lines)
    assert any("memory ran out: cpu_device" in line for line in lines)


def test_a_full_disk_stops_the_batch_and_leaves_nothing_half_written(tmp_path, noise, fakes):
    ct = load(noise["p3"])
    big = np.random.default_rng(0).integers(90, 110, (64, 64, 40)).astype(np.int16)
    save(type(ct)(big, ct.affine), noise["p3"])
    with pytest.raises(RuntimeError, match="OSError"):
        segment_batch(
            noise,
            tmp_path / "raw",
            settings={"limit_bytes": 4096},
            tell=lambda line: None,
            opener="fake_backend:open_on_a_small_disk",
        )
    left = {path.name for path in (tmp_path / "raw").iterdir()}
    assert {"p1.nii.gz", "p1.json"} <= left
    assert not {name for name in left if name.startswith(("p3", "."))}


def test_a_result_without_its_record_or_not_as_recorded_does_not_count(tmp_path, noise):
    classes = load(noise["p1"])
    about = {"key": "k", "error": "", "volumes": ["classes", "bodies"]}
    about["digests"] = write_volumes(tmp_path, "a", {"classes": classes, "bodies": classes})
    assert not finished(tmp_path, "a", "k")
    write_record(tmp_path, "a", about)
    assert finished(tmp_path, "a", "k")
    assert not finished(tmp_path, "a", "other")
    # What a power cut left: a name without content, or part of a record.
    bodies, whole = tmp_path / "a.bodies.nii.gz", (tmp_path / "a.bodies.nii.gz").read_bytes()
    bodies.write_bytes(b"")
    assert not finished(tmp_path, "a", "k")
    with pytest.raises(RuntimeError, match="not those of their record: delete the batch tables"):
        check(tmp_path, "a", about)
    bodies.write_bytes(whole)
    assert finished(tmp_path, "a", "k")
    (tmp_path / "a.json").write_text('{"key": "k"')
    assert not finished(tmp_path, "a", "k")
    # What a run under another key had begun to replace is nobody's result.
    write_record(tmp_path, "a", about)
    write_volumes(tmp_path, "a", {"classes": classes})
    assert not finished(tmp_path, "a", "k")
    assert not (tmp_path / "a.bodies.nii.gz").exists()


@pytest.mark.parametrize("name", ["p3", "p5"])
def test_a_process_killed_once_costs_nobody(tmp_path, noise, run, name):
    lines = []
    once = {"trouble": {f"{name}.infer": "die_once"}, "marker": str(tmp_path / "died")}
    rows = run(noise, lines, **once)
    assert set(statuses(rows).values()) == {"segmented"}
    assert sum(line.startswith("the process died (signal 9, SIGKILL) with") for line in lines) == 1


def test_a_process_ended_from_outside_stops_the_batch_and_blames_nobody(tmp_path, noise, run):
    with pytest.raises(RuntimeError, match=r"stopped from outside: .*SIGTERM"):
        run(noise, trouble={"p5.infer": "terminate"})
    assert not (tmp_path / "raw/p5.json").exists()
    kept = list(statuses(run(noise)).values())
    assert kept[:3] == ["kept"] * 3 and kept[4] == "segmented"


def test_the_process_ends_with_the_one_that_watches_it(tmp_path, noise, fakes):
    request = tmp_path / "request.json"
    trouble = {f"{name}.infer": "slow" for name in noise}
    wanted = {"scans": {name: str(path) for name, path in noise.items()}, "raw": str(tmp_path)}
    wanted |= {"opener": "fake_backend:open_fake", "settings": {"trouble": trouble}, "alone": True}
    request.write_text(json.dumps(wanted))
    command = [sys.executable, "-m", "bonecast.segment.worker", str(request)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True) as process:
        while json.loads(process.stdout.readline())["event"] != "row":
            pass
        process.stdin.close()
        assert process.wait(timeout=120) == 1
    assert not (tmp_path / "p5.json").exists()


def test_ends_of_a_process_in_words():
    assert how_it_died(0) == ""
    assert how_it_died(3) == "the process died (exit code 3)"
    assert how_it_died(-11) == "the process died (signal 11, SIGSEGV)"
