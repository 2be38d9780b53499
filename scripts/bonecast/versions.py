"""Which Bonecast, which Python and packages, which machine: what a result depends on besides
its input and options. Names of hosts, users and folders are not among it.
"""

import hashlib
import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bonecast import __version__

HOME = Path(__file__).resolve().parents[2]
"""The workflow's own folder."""

LOCK = "envs/requirements.txt"
ARCHIVAL = ".git_archival.txt"
"""Holds the commit where there is no .git: `git archive` fills it in, and so does the bundle."""

SOURCES = ("Snakefile", "config.yaml", "envs", "profiles", "resources", "rules", "scripts")
"""What decides a result, of the workflow's folder; tests and pages do not."""

BUILT = {".pyc", ".sif"}
"""Suffixes of what is made of the sources and may lie among them."""

PACKAGES = (
    "snakemake",
    "pydicom",
    "python-gdcm",
    "dcm2niix",
    "nibabel",
    "SimpleITK",
    "nnunetv2",
    "TotalSegmentator",
    "torch",
    "pictologics",
    "numba",
    "numpy",
    "scipy",
    "scikit-image",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scikit-survival",
    "comprisk",
    "matplotlib",
)
"""Packages whose versions are told, in the order data flows."""

PIN = re.compile(r"^([\w.-]+)==([^\s;\\]+)")


def bonecast_version() -> str:
    """Bonecast's version."""
    return __version__


def python_version() -> str:
    """Python's version and implementation, such as "CPython 3.12.3"."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def package_versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions of packages by name; those not installed are left out."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # a run with the user's own masks needs no network library
    return found


def converter_version() -> str:
    """Version of the dcm2niix program that the package brings, empty where there is none."""
    try:
        import dcm2niix

        run = subprocess.run([dcm2niix.bin, "-v"], capture_output=True, text=True, check=False)
    except (ImportError, OSError):
        return ""
    version = re.search(r"v(\d+\.\d+\.\d+)", run.stdout)
    return version[1] if version else ""


def source_facts(home: Path = HOME) -> dict:
    """Which state of the workflow's code this is.

    Args:
        home: the workflow's folder.

    Returns:
        version; commit, None where unknown; commit_from: git, archive or None; dirty: whether
        tracked files differ from the commit or new ones stand among the code, None where there is
        no git to tell; sha256 over the code, see `source_digest`.
    """
    facts = {"version": __version__, "commit": None, "commit_from": None, "dirty": None}
    # A checkout of the user's own around an unpacked archive would tell the wrong commit.
    if ask_git(home, "rev-parse", "--show-prefix") == "":
        facts["commit"] = ask_git(home, "rev-parse", "HEAD")
        changed = ask_git(home, "status", "--porcelain", "--", *SOURCES)
        facts["dirty"] = None if changed is None else bool(changed)
        facts["commit_from"] = "git"
    else:
        facts["commit"] = _archived_commit(home)
        facts["commit_from"] = "archive" if facts["commit"] else None
    return facts | {"sha256": source_digest(home)}


def source_files(home: Path = HOME) -> list[Path]:
    """Files of `SOURCES`, sorted by their path from the workflow's folder."""
    found: list[Path] = []
    for name in SOURCES:
        path = home / name
        files = [path] if path.is_file() else path.rglob("*")
        found += [file for file in files if file.is_file() and file.suffix not in BUILT]
    # Not by Path: on some systems that does not look at upper and lower case.
    return sorted(found, key=lambda file: file.relative_to(home).as_posix())


def source_digest(home: Path = HOME) -> str:
    """SHA-256 over names and content of what decides a result, wherever it lies."""
    digest = hashlib.sha256()
    for file in source_files(home):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(home).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def lock_facts(home: Path = HOME) -> dict | None:
    """The lock of the environment, and where what is installed is not what it says.

    Returns:
        sha256 of the file; packages: how many it pins; differing: dicts with name, locked and
        installed, of packages that are installed in another version. What the lock has for other
        systems only is not installed, and no difference. None where the lock is not there: the
        workflow may be a part of another one.
    """
    try:
        text = (home / LOCK).read_bytes()
    except FileNotFoundError:
        return None
    pins = dict(match.groups() for match in map(PIN.match, text.decode().splitlines()) if match)
    installed = package_versions(list(pins))
    differing = [
        {"name": name, "locked": locked, "installed": installed[name]}
        for name, locked in pins.items()
        if name in installed and _public(installed[name]) != locked
    ]
    return {
        "sha256": hashlib.sha256(text).hexdigest(),
        "packages": len(pins),
        "differing": differing,
    }


def machine_facts() -> dict:
    """Kind of the machine this process runs on: system, architecture, processor and its cores."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
    }


def _processor() -> str:
    """The processor's trade name on Linux, what the system calls it elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    name = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.MULTILINE)
    return name[1].strip() if name else platform.processor()


def ask_git(home: Path, *arguments: str) -> str | None:
    """What git says of the workflow's folder; None where it is no checkout, or git is not there."""
    # The folder may be another user's, as an administrator's is: its code is run in any case.
    options = ["-c", f"safe.directory={home}", "-c", "core.fsmonitor=false"]
    try:
        run = subprocess.run(
            ["git", *options, *arguments],
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
        )
    except OSError:
        return None
    return run.stdout.strip() if run.returncode == 0 else None


def _archived_commit(home: Path) -> str | None:
    try:
        text = (home / ARCHIVAL).read_text(encoding="utf-8")
    except OSError:
        return None
    commit = re.search(r"^node: ([0-9a-f]{40,64})$", text, flags=re.MULTILINE)
    return commit[1] if commit else None


def _public(version: str) -> str:
    """A version without its local part: torch 2.9.0+cpu is 2.9.0 as the lock has it."""
    return version.partition("+")[0]
