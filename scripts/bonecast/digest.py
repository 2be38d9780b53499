"""A short hash of library code, carried by rules so that an edit reruns them.

Snakemake watches a rule's script, not the modules that script imports.
"""

import hashlib
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).resolve().parent
LENGTH = 12
CODE_SUFFIXES = {".py", ".j2", ".css"}


@cache
def code_digest(*paths: str, library: Path = LIBRARY) -> str:
    """Hash of the named modules' content; the same wherever the project lies.

    Args:
        paths: files or folders relative to `library`; a folder stands for every
            module and template below it.
        library: the package's own folder.

    Raises:
        FileNotFoundError: names a path that does not exist, or a folder without code.
    """
    digest = hashlib.sha256()
    for path in paths:
        whole = library / path
        files = [whole]
        if whole.is_dir():
            files = sorted(f for f in whole.rglob("*") if f.suffix in CODE_SUFFIXES)
        if not files or not all(file.is_file() for file in files):
            raise FileNotFoundError(f"code_digest: no library code at {path}")
        for file in files:
            digest.update(file.relative_to(library).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:LENGTH]
