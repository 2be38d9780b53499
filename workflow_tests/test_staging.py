"""Outputs appear whole, at the end, and only by the process that owns them."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import OutputFiles

from bonecast.runtime import job
from bonecast.staging import Abandoned, Staging


def parts(folder: Path) -> list[Path]:
    """Folders of unfinished jobs anywhere below a folder."""
    return list(folder.rglob("*.part"))


@pytest.fixture
def injected(tmp_path):
    """A job with a file, a list of files and a folder as outputs."""
    output = OutputFiles(
        [str(tmp_path / name) for name in ("a/one.nii.gz", "b/x.tsv", "b/y.tsv", "a/folder")]
    )
    for name, (start, end) in {"one": (0, None), "many": (1, 3), "folder": (3, None)}.items():
        output._set_name(name, start, end)
    log = [str(tmp_path / "logs" / "p1.log")]
    return SimpleNamespace(rule="make", wildcards={"participant": "p1"}, output=output, log=log)


def write(output, content: str) -> None:
    """What an adapter does."""
    Path(output.one).write_text(content)
    for path in output.many:
        Path(path).write_text(content)
    Path(output["folder"]).mkdir()
    (Path(output[3]) / "inside.txt").write_text(content)


def read(output) -> set[str]:
    return {Path(path).read_text() for path in (*output[:3], f"{output.folder}/inside.txt")}


def test_outputs_appear_at_the_end_under_their_names(injected, tmp_path):
    final = injected.output
    with job(injected):
        write(injected.output, "new")
        assert [Path(path).name for path in injected.output] == [Path(path).name for path in final]
        assert not any(Path(path).exists() for path in final)
    assert injected.output is final
    assert read(final) == {"new"}
    assert parts(tmp_path) == []


def test_outputs_there_already_are_replaced_or_left_as_they_were(injected, tmp_path):
    with job(injected):
        write(injected.output, "old")
    with pytest.raises(ZeroDivisionError), job(injected):
        write(injected.output, "half")
        1 / 0  # noqa: B018
    assert read(injected.output) == {"old"}
    with job(injected):
        write(injected.output, "new")
    assert read(injected.output) == {"new"}
    assert parts(tmp_path) == []


def test_an_output_that_was_not_written_leaves_all_others_unnamed(injected, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"y\.tsv was not written"), job(injected):
        write(injected.output, "new")
        Path(injected.output.many[1]).unlink()
    assert not any(Path(path).exists() for path in injected.output)
    assert parts(tmp_path) == []


def test_what_a_dead_process_left_goes_at_the_next_start_of_the_same_job_only(tmp_path):
    outputs, others = [tmp_path / "batch_000.tsv"], [tmp_path / "batch_001.tsv"]
    for paths in (outputs, others):
        Path(Staging("segment", paths).path(paths[0])).write_text("half")
    assert len(parts(tmp_path)) == 2
    new = Staging("segment", outputs)
    left = parts(tmp_path)
    assert len(left) == 2 and not Path(new.path(outputs[0])).exists()
    new.discard()
    assert [Path(path).read_text() for path in parts(tmp_path)[0].iterdir()] == ["half"]


def test_a_process_whose_job_was_started_again_cannot_write(injected, tmp_path):
    orphan = Staging("make", injected.output)
    successor = Staging("make", injected.output)
    with pytest.raises(FileNotFoundError):
        Path(orphan.path(injected.output[0])).write_text("with old settings")
    with pytest.raises(Abandoned, match="another process"):
        orphan.commit()
    for path in injected.output:
        Path(successor.path(path)).write_text("with new settings")
    successor.commit()
    orphan.discard()
    assert Path(injected.output[0]).read_text() == "with new settings"


ADAPTER = """
import sys, time
from types import SimpleNamespace
from pathlib import Path
from snakemake.iocontainers import OutputFiles
from bonecast.runtime import job
folder = Path(sys.argv[1])
snakemake = SimpleNamespace(
    rule="make", wildcards={}, log=[str(folder / "job.log")],
    output=OutputFiles(fromdict={"one": str(folder / "one.txt")}),
)
with job(snakemake):
    Path(snakemake.output.one).write_text("half")
    (folder / "begun").touch()
    time.sleep(600)
"""


@pytest.fixture
def started(tmp_path):
    """A process that runs a job, below another one; gives both ids."""
    middle = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
    command = [sys.executable, "-c", middle, ADAPTER, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, env=environment) as parent:
        wait_for((tmp_path / "begun").exists)
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        yield parent.pid, int(children[0])
        parent.kill()


def wait_for(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


@linux
def test_a_job_ends_with_the_process_that_started_it_and_leaves_nothing(started, tmp_path):
    parent, process = started
    assert alive(process) and len(parts(tmp_path)) == 1
    os.kill(parent, signal.SIGKILL)
    wait_for(lambda: not alive(process))
    assert "the process that started this job is gone" in (tmp_path / "job.log").read_text()
    assert parts(tmp_path) == [] and not (tmp_path / "one.txt").exists()


@linux
def test_a_killed_job_leaves_no_file_under_a_final_name(started, tmp_path):
    os.kill(started[1], signal.SIGKILL)
    wait_for(lambda: not alive(started[1]))
    assert len(parts(tmp_path)) == 1 and not (tmp_path / "one.txt").exists()


@linux
def test_a_script_whose_parent_died_before_it_began_writes_nothing(tmp_path):
    script = tmp_path / ".snakemake" / "scripts" / "make.py"
    script.parent.mkdir(parents=True)
    imports = "import os, time\nwhile os.getsid(os.getppid()) == os.getsid(0): time.sleep(0.02)\n"
    script.write_text(imports + ADAPTER)
    # Starts the script and ends; in a session of its own, as a terminal's is.
    middle = "import subprocess, sys; subprocess.Popen([sys.executable, *sys.argv[1:]])"
    command = [sys.executable, "-c", middle, str(script), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run(command, env=environment, start_new_session=True, check=True)
    log = tmp_path / "job.log"
    wait_for(lambda: log.exists() and "gone: nothing is written" in log.read_text())
    assert not (tmp_path / "begun").exists() and parts(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "free space for results and temporary files, then run again"),
        (errno.ENOENT, "the cohort's folders are mounted"),
        (errno.EACCES, "see its permissions"),
        (errno.EIO, "does not answer"),
    ],
)
def test_a_fault_of_the_storage_says_what_to_do_and_names_no_input(injected, number, told):
    path = "scans/Doe^Jane/IM0001"
    with pytest.raises(SystemExit, match=told) as ended, job(injected):
        raise OSError(number, os.strerror(number), path)
    assert "participant=p1" in str(ended.value) and "Doe" not in str(ended.value)
    log = Path(injected.log[0]).read_text()
    assert told in log and "Doe" not in log
