"""Checksums of results, which anybody may repeat, and of the input, which only its owner can."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

RESULT_FOLDERS = ("tables", "models", "predicted", "figures")
"""What a run gives, of the folder of results: the rest are intermediates, logs and times. So are
report.html and summary.txt, which tell the results again and how long the run took."""

INPUT_DIGEST_BYTES = 16


def sha256(path: str | Path) -> str:
    """SHA-256 of a file's content, as `sha256sum` prints it."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def result_files(results: str | Path) -> dict[str, Path]:
    """Files of a cohort's results by their path from its folder, in the order of these paths.

    Files and folders whose name starts with a dot are of jobs at work.
    """
    results = Path(results)
    found: list[Path] = []
    for folder in RESULT_FOLDERS:
        found += [path for path in (results / folder).rglob("*") if path.is_file()]
    named = {path.relative_to(results).as_posix(): path for path in found}
    shown = {
        name: path
        for name, path in named.items()
        if not any(part.startswith(".") for part in name.split("/"))
    }
    return dict(sorted(shown.items()))


def result_checksums(results: str | Path) -> dict[str, dict]:
    """SHA-256 and size of every result, by its path from the cohort's folder."""
    return {
        name: {"sha256": sha256(path), "bytes": path.stat().st_size}
        for name, path in result_files(results).items()
    }


def keyed_digest(content: bytes, secret: bytes) -> str:
    """A digest of something of the input that tells nothing to who has not the cohort's secret.

    BLAKE2b (RFC 7693) of 128 bits, keyed with the SHA-256 of the secret. Without a key, somebody
    could try names or other people's scans against it.
    """
    key = hashlib.sha256(secret).digest()
    return hashlib.blake2b(content, digest_size=INPUT_DIGEST_BYTES, key=key).hexdigest()


def input_digests(paths: Mapping[str, str], secret: bytes) -> dict[str, str]:
    """Keyed digests of files of the input by name; an empty path is left out.

    Raises:
        FileNotFoundError: a file is not there.
    """
    return {
        name: keyed_digest(Path(path).read_bytes(), secret) for name, path in paths.items() if path
    }
