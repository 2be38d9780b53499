"""The environment of peers that are no dependencies of Bonecast, made on first use."""

import subprocess
import sys
from pathlib import Path

from contest import RESULTS, say

WANTED = Path(__file__).with_name("peers.txt")
FOLDER = RESULTS / "peers"


def python_of_peers() -> str | None:
    """The Python that has the peers of peers.txt; None, and a word why, where it cannot be made."""
    python, stamp = FOLDER / "bin" / "python", FOLDER / "installed.txt"
    wanted = WANTED.read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return str(python)
    say("installing the peers of peers.txt into an environment of their own")
    install = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r"]
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
        subprocess.run([*install, str(WANTED)], check=True)
    except (OSError, subprocess.CalledProcessError):
        say("LEFT OUT, for they cannot be installed: dicom2nifti, pyradiomics")
        return None
    stamp.write_text(wanted, encoding="utf-8")
    return str(python)


def version_of_peer(package: str) -> str:
    """As pinned in peers.txt."""
    lines = WANTED.read_text(encoding="utf-8").splitlines()
    pinned = next(line for line in lines if line.startswith(f"{package}=="))
    return f"{package} {pinned.partition('==')[2].split()[0]}"
