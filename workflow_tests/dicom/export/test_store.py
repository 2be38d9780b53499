"""The cache of headers: killed, damaged, outdated, it never changes what comes out."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import psutil
import pytest

from bonecast.dicom.export import store
from bonecast.dicom.headers import Header
from bonecast.dicom.scan import read_headers


@pytest.fixture
def read(export):
    """A function that reads the export by its cache: the table and how many files were read."""
    cache = export.home / "index"
    cache.mkdir(parents=True)

    def run():
        files = store.find_files(str(export.root), str(export.home))
        return store.read_export(
            str(export.root),
            files,
            cache,
            lambda paths: read_headers(paths, 1),
            lambda done, total: None,
        )

    return run


def test_headers_come_back_as_they_were_read(export, read, ct):
    paths = export.add(slices=2)
    enhanced = export.root / "multi"
    ct.enhanced().save_as(enhanced, enforce_file_format=True)
    (export.root / "notes.txt").write_text("no DICOM, but long enough to look at")
    read()
    table, n_read = read()
    assert n_read == 0 and table["path"].to_pylist() == [
        b"IM001000",
        b"IM001001",
        b"multi",
        b"notes.txt",
    ]
    assert table["kind"].to_pylist() == ["", "", "", "not_dicom"]
    fresh = read_headers([*paths, enhanced], 1)
    for was, now in zip(fresh, store.headers_of(table, np.arange(3)), strict=True):
        assert now.text == was.text
        assert now.numbers == was.numbers
        assert now.pixel_mm == was.pixel_mm and now.complete is was.complete
        np.testing.assert_array_equal(now.orientation, was.orientation)
        np.testing.assert_array_equal(now.positions_mm, was.positions_mm)


def test_only_new_and_changed_files_are_read(export, read, monkeypatch):
    monkeypatch.setattr(store, "CHUNK", 2)
    paths = export.add(slices=5)
    assert read()[1] == 5
    export.add(slices=1)
    os.utime(paths[0], ns=(0, 0))
    table, n_read = read()
    assert n_read == 2 and table.num_rows == 6
    paths[1].unlink()
    table, n_read = read()
    assert n_read == 0 and table.num_rows == 5


def test_damaged_and_outdated_chunks_are_read_again(export, read, monkeypatch):
    monkeypatch.setattr(store, "CHUNK", 2)
    export.add(slices=6)
    whole, _ = read()
    first, second, third = sorted((export.home / "index").glob("*.parquet"))
    first.write_bytes(b"")
    second.write_bytes(second.read_bytes()[:-100])
    (export.home / "index" / "left.part").touch()
    table, n_read = read()
    assert n_read == 4 and table.to_pylist() == whole.to_pylist()
    assert third.exists() and not list((export.home / "index").glob("*.part"))
    monkeypatch.setattr(store, "code_digest", lambda *paths: "other code")
    assert read()[1] == 6


def test_any_number_of_frames_fits(export, read):
    header = Header(
        0,
        dict.fromkeys(store.TEXTS, ""),
        dict.fromkeys(store.NUMBERS, 10**30),
        None,
        None,
        None,
        True,
    )
    row = store._row(header) | {"path": b"x", "size": 1, "mtime_ns": 1}
    assert store.pa.Table.from_pylist([row], schema=store.SCHEMA).num_rows == 1


def test_links_pipes_and_hidden_files(export, read):
    (path,) = export.add("a", slices=1)
    (export.root / "loop").symlink_to(export.root, target_is_directory=True)
    (export.root / "broken").symlink_to(export.root / "nowhere")
    (export.root / ".DS_Store").touch()
    os.mkfifo(export.root / "pipe")
    table, _ = read()
    found = dict(zip(table["path"].to_pylist(), table["kind"].to_pylist(), strict=True))
    assert found == {b"a/IM001000": "", b"broken": "unreadable", b"pipe": "unreadable"}
    assert path.exists()


RUN = """
    import sys, time
    from pathlib import Path
    from bonecast.dicom.export import build, store
    from bonecast.dicom.scan import read_headers

    def slow(paths, processes):
        time.sleep(0.2)
        return read_headers(paths, processes)

    store.CHUNK = 3
    build.build_participants(sys.argv[1], None, True, 1, read=slow)
"""


def test_a_run_killed_anywhere_goes_on_and_ends_the_same(export, repo, tmp_path, monkeypatch):
    for number in range(8):
        export.add("flat", slices=4, number=number)
    environment = os.environ | {"PYTHONPATH": str(repo / "scripts")}
    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(RUN))
    left = []
    for chunks in (2, 7):
        process = subprocess.Popen([sys.executable, str(script), str(export.root)], env=environment)
        deadline = time.monotonic() + 300
        while len(list(export.home.glob("index/*.parquet"))) < chunks:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        left.append(len(list(export.home.glob("index/*.parquet"))))
    assert left[0] < 7 <= left[1] < 11  # of eleven chunks; those of the first run were not lost
    monkeypatch.setattr(store, "CHUNK", 3)
    assert export.build(sessions=True).headers_read == 32 - 3 * left[1]
    resumed = {name: content for name, (content, _) in export.state().items()}
    for name in resumed.keys() - {"secret"}:
        (export.home / name).unlink()
    assert export.build(sessions=True).headers_read == 32
    assert {name: content for name, (content, _) in export.state().items()} == resumed


WORKERS = """
    import sys, time
    from bonecast.dicom import scan

    def slow(path, number):
        time.sleep(0.2)

    scan.PARALLEL_FROM = scan.CHUNK_FILES = 1
    scan.read_header = slow
    scan.read_headers(["one"] * 1000, 2)
"""


def test_workers_end_when_the_process_that_started_them_is_killed(repo, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(WORKERS))
    environment = os.environ | {"PYTHONPATH": str(repo / "scripts")}
    process = subprocess.Popen([sys.executable, str(script)], env=environment)
    workers = []
    deadline = time.monotonic() + 300
    while len(workers) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        workers = psutil.Process(process.pid).children()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=120)
    assert alive == []
