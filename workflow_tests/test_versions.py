"""What a result says of the code and the environment it was made with."""

import shutil
import subprocess

import pytest

from bonecast import versions
from bonecast.versions import LOCK, lock_facts, machine_facts, package_versions, source_facts

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def home(tmp_path, repo):
    """A workflow's folder that is no checkout."""
    folder = tmp_path / "bonecast"
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts/adapter.py").write_text("x = 1\n", encoding="utf-8")
    (folder / "config.yaml").write_text("cohort: {}\n", encoding="utf-8")
    shutil.copy(repo / ".git_archival.txt", folder)
    shutil.copy(repo / ".gitattributes", folder)
    return folder


def git(folder, *arguments):
    name = ["-c", "user.name=n", "-c", "user.email=n@example.org"]
    subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True)


def committed(folder):
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")


def test_a_checkout_tells_its_commit_and_whether_code_was_edited(home):
    committed(home)
    (home / "notes.txt").write_text("no code\n", encoding="utf-8")
    clean = source_facts(home)
    assert len(clean["commit"]) == 40 and clean["commit_from"] == "git"
    assert clean["dirty"] is False
    (home / "scripts/adapter.py").write_text("x = 2\n", encoding="utf-8")
    edited = source_facts(home)
    assert (edited["commit"], edited["dirty"]) == (clean["commit"], True)
    assert edited["sha256"] != clean["sha256"]


def test_an_archive_tells_the_commit_that_git_filled_in(home, tmp_path):
    committed(home)
    commit = source_facts(home)["commit"]
    git(home, "archive", "--prefix=unpacked/", "-o", str(tmp_path / "a.tar"), "HEAD")
    shutil.unpack_archive(tmp_path / "a.tar", tmp_path, filter="data")
    found = source_facts(tmp_path / "unpacked")
    assert (found["commit"], found["commit_from"], found["dirty"]) == (commit, "archive", None)
    assert found["sha256"] == source_facts(home)["sha256"]


def test_a_copy_inside_another_checkout_does_not_tell_that_ones_commit(home):
    (home.parent / "paper.md").write_text("# Paper\n", encoding="utf-8")
    committed(home.parent)
    assert source_facts(home)["commit"] is None
    (home / ".git_archival.txt").write_text(f"node: {COMMIT}\n", encoding="utf-8")
    found = source_facts(home)
    assert (found["commit"], found["commit_from"], found["dirty"]) == (COMMIT, "archive", None)


def test_without_git_installed_nothing_fails(home, monkeypatch):
    committed(home)
    monkeypatch.setenv("PATH", "")
    found = source_facts(home)
    assert (found["commit"], found["commit_from"], found["dirty"]) == (None, None, None)
    assert len(found["sha256"]) == 64


def test_digest_of_the_code_ignores_what_is_made_of_it(home):
    before = source_facts(home)["sha256"]
    cache = home / "scripts/__pycache__"
    cache.mkdir()
    (cache / "adapter.cpython-312.pyc").write_bytes(b"compiled")
    (home / "envs").mkdir()
    (home / "envs/bonecast.sif").write_bytes(b"image")
    assert source_facts(home)["sha256"] == before
    (home / "envs/more.txt").write_text("", encoding="utf-8")
    assert source_facts(home)["sha256"] != before


def test_what_differs_from_the_lock_is_named(home, monkeypatch):
    (home / LOCK).parent.mkdir()
    (home / LOCK).write_text(
        "numpy==2.0.0 ; python_version < '3.13' \\\n    --hash=sha256:00\n"
        "torch==2.9.0 \\\n    --hash=sha256:01\n"
        "colorama==0.4 ; sys_platform == 'win32' \\\n    --hash=sha256:02\n",
        encoding="utf-8",
    )
    installed = {"numpy": "2.0.1", "torch": "2.9.0+cpu"}
    monkeypatch.setattr(versions, "package_versions", lambda names: installed)
    found = lock_facts(home)
    assert found["packages"] == 3
    assert found["differing"] == [{"name": "numpy", "locked": "2.0.0", "installed": "2.0.1"}]


def test_a_workflow_without_its_lock_says_none(home):
    assert lock_facts(home) is None


def test_packages_that_are_not_there_are_left_out():
    assert package_versions(["numpy", "no-such-package"]).keys() == {"numpy"}


def test_machine_is_named_by_kind_alone():
    found = machine_facts()
    assert found.keys() == {"system", "architecture", "processor", "cores"}
    assert found["cores"] >= 1
