"""Nothing that identifies a patient leaves the input folder: planted everywhere, found nowhere.

A cohort is made whose headers, file and folder names and unused columns hold what identifies
people. The whole workflow runs, with a job that crashes, and everything it left is searched, the
scripts of its jobs included: raw, unpacked and in every encoding.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hospital import write_cohort
from isal import igzip
from planted import CRASHES, ELSEWHERE, PATIENTS, TEXTS, plain_name
from searching import search

CRASH = '''

_index_source = index_source


def index_source(source, *more, **options):
    """As before; of one input it fails as no code foresees."""
    import os, warnings
    from pathlib import Path
    if MARK.is_file() and MARK.read_text() in str(source):
        print(PRINTED)
        warnings.warn(WARNED)
        os.write(2, PUT.encode())
        return {}[f"{RAISED} in {next(Path(source).rglob('*.dcm'))}"]
    return _index_source(source, *more, **options)
'''


def copy_that_crashes(repo: Path, copy: Path, mark: Path) -> None:
    """A copy of the project in which indexing fails for the input that a file names."""
    copy.mkdir()
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(repo / name, copy / name)
    for name in ("rules", "scripts", "resources", "profiles"):
        shutil.copytree(repo / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    names = {
        "PRINTED": ELSEWHERE["printed by a library"],
        "WARNED": ELSEWHERE["warned by a library"],
        "PUT": ELSEWHERE["printed by C code"],
        "RAISED": ELSEWHERE["message of an exception"],
    }
    lines = [f"{name} = {text!r}" for name, text in names.items()]
    lines.append(f"from pathlib import Path as _Path; MARK = _Path({str(mark)!r})")
    index = copy / "scripts" / "bonecast" / "dicom" / "index.py"
    index.write_text(index.read_text() + "\n" + "\n".join(lines) + CRASH)


@dataclass(frozen=True)
class Haul:
    """What the workflow left behind.

    Attributes:
        given: the hospital's folder.
        left: the folder it ran in.
        printed: what each command wrote to the terminal.
        codes: what each command returned.
    """

    given: Path
    left: Path
    printed: dict[str, str]
    codes: dict[str, int]


COMMANDS = {
    "the run that crashes": ["--skip-script-cleanup"],
    "the run": ["--skip-script-cleanup"],
    "DICOM for others": ["deidentified"],
    "a dry run": ["--dry-run", "--forceall"],
    "--summary": ["--detailed-summary"],
    "--report": ["--report", "snakemake_report.html"],
    "a run without table": ["--dry-run"],
}


@pytest.fixture(scope="module")
def haul(tmp_path_factory, repo) -> Haul:
    """The whole workflow run on the planted cohort, once with a crash, then to the end."""
    folder = tmp_path_factory.mktemp("privacy")
    given, left, project = folder / "given", folder / "left", folder / "project"
    config = write_cohort(given)
    mark = folder / "crash"
    mark.write_text(plain_name(next(p for p in PATIENTS if p.scan_id == CRASHES)))
    copy_that_crashes(repo, project, mark)
    (left / "tmp").mkdir(parents=True)
    without = {"cohort": {"name": "other", "input": config["cohort"]["input"]}}
    (folder / "study.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "other.yaml").write_text(yaml.safe_dump(without), encoding="utf-8")
    environment = os.environ | {"XDG_CACHE_HOME": str(left / ".cache"), "TMPDIR": str(left / "tmp")}
    printed, codes = {}, {}
    for name, arguments in COMMANDS.items():
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(project / "Snakefile")]
        study = folder / ("other.yaml" if "without" in name else "study.yaml")
        command += ["--directory", str(left), "--configfile", str(study)]
        done = subprocess.run(
            [*command, "--cores", "2", *arguments],
            capture_output=True,
            text=True,
            errors="surrogateescape",
            env=environment,
            timeout=1800,
        )
        printed[name], codes[name] = done.stdout + done.stderr, done.returncode
        mark.unlink(missing_ok=True)
    return Haul(given, left, printed, codes)


def test_the_cohort_holds_what_identifies_and_the_search_sees_it(haul):
    found = search(haul.given, {})
    planted = TEXTS.keys() - {"PatientAge"} | ELSEWHERE.keys()
    planted |= {f"name of {p.scan_id}: {part}" for p in PATIENTS for part in p.traces}
    spoken = {place for place in planted if "printed" in place or "warned" in place}
    planted -= spoken | {"message of an exception"}
    assert len(planted) >= 40
    assert sorted(planted - found.keys()) == []


def test_the_workflow_came_to_its_end(haul):
    codes = dict(haul.codes)
    assert codes.pop("the run that crashes") == 1
    assert codes.pop("a run without table") == 1
    assert set(codes.values()) == {0}, haul.printed
    results = haul.left / "results/study"
    scans = pd.read_parquet(results / "tables/scans.parquet").set_index("participant_id")
    assert set(scans.index[scans.status == "ok"]) == {"p01", "p02", "p06", "p07"}
    assert (scans[scans.status == "ok"].n_levels_hu >= 2).all()
    assert (results / "report.html").is_file() and (haul.left / "snakemake_report.html").is_file()


def test_dicom_for_others_was_written_of_whoever_was_converted(haul):
    folder = haul.left / "results/study/deidentified"
    about = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/about.json")}
    assert about.keys() == {patient.scan_id for patient in PATIENTS}
    written = {name for name in about if list((folder / name).glob("*.dcm"))}
    assert written == {name for name, one in about.items() if one["status"] == "ok"}
    assert written >= {"p01", "p02"}


def test_folders_that_are_no_pseudonyms_are_refused_without_naming_them(haul):
    printed = haul.printed["a run without table"]
    assert "entry 1 by name: participant_id must be letters" in printed


def test_a_crash_is_told_without_a_quotation(haul):
    printed = haul.printed["the run that crashes"]
    assert "ingest_scan participant=p07: KeyError; its message is not shown" in printed
    assert "in index_source" in printed


def test_nothing_planted_is_found(haul):
    found = search(haul.left, haul.printed)
    assert found == {}, json.dumps(found, indent=1, ensure_ascii=False)


@pytest.mark.parametrize("kind", ["gzip", "zip", "png", "pdf", "parquet", "name", "base64"])
def test_the_search_finds_what_is_hidden(tmp_path, kind):
    text = PATIENTS[1].traces[0]
    if kind == "gzip":
        (tmp_path / "a.nii.gz").write_bytes(igzip.compress(text.encode("iso8859_5")))
    elif kind == "zip":
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.json", json.dumps(text))
    elif kind == "png":
        chunk = b"iTXtAuthor\0\1\0\0\0" + zlib.compress(text.encode())
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    elif kind == "pdf":
        content = b"%PDF-1.4\nstream\n" + zlib.compress(text.encode("utf-16-be")) + b"\nendstream"
        (tmp_path / "a.pdf").write_bytes(content)
    elif kind == "parquet":
        pd.DataFrame({"name": [text]}).to_parquet(tmp_path / "a.parquet", compression="zstd")
    elif kind == "name":
        (tmp_path / base64.urlsafe_b64encode(f"scans/{text}".encode()).decode()).touch()
    else:
        data = base64.b64encode(igzip.compress(f"padding and more of it {text}".encode()))
        (tmp_path / "a.html").write_bytes(b'<img src="data:application/gzip;base64,' + data + b'">')
    assert f"name of p02: {text}" in search(tmp_path, {})
