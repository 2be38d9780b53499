"""A study in one file: workflow, lock, options, tables, models, figures, and how to run it again.

Two bundles are made of every study. That with patients can be run again without any scan. That
without them is what may go to a public repository: no row and no picture of it is of one patient.
Neither holds a scan, a mask, a log, the secret, the clinical table or a path of the input.
"""

import gzip
import io
import json
import re
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from bonecast.provenance.checksums import result_files, sha256
from bonecast.provenance.options import without_paths
from bonecast.refusal import Refusal
from bonecast.versions import ARCHIVAL, HOME, ask_git, source_digest, source_files

PAGES = (
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "LICENSE", "Makefile"),
    *("pyproject.toml", ".gitattributes", "docs", "workflow_tests"),
)
"""What belongs to the workflow besides its sources, where no git tells what is tracked."""

MADE = re.compile(r"(^|/)(__pycache__|\.\w+_cache|\.snakemake)/")
"""Folders that tools leave among the sources."""

RECORDS = ("ct.json", "segmentation.json")
"""What the report needs of each scan besides the tables."""

WITHOUT_PATIENTS = re.compile(
    r"tables/(data_dictionary\.csv|segmentation_reference\.tsv)"
    r"|models/[a-z]+/((metrics|subgroups|calibration_curves|decision_curves|roc_curves|importance"
    r"|coefficients|hazard_ratios|optimism)\.tsv|(settings|features|model)\.json)"
    r"|models/[a-z]+/publication/[\w.]+"
    r"|figures/(block_comparison|block_differences|roc_by_horizon|calibration|decision_curves"
    r"|subgroup_performance|importance)_[a-z]+\.\w+"
    r"|figures/deformities_by_level\.\w+"
    r"|figures/flow_diagram\.(pdf|svg|png)"
)
"""Results that hold no row, no point and no picture of a single patient. Whatever is not named
here, a new table too, stays in the bundle with patients."""

MOST_NAMED = 5
"""Files named in a message."""

TIME = 315532800
"""1980-01-01: all files of a bundle are as old, so that nothing in it looks out of date."""


class NotTheStudys(Refusal):
    """The workflow's folder is not what gave the results, or not what may be given away."""


def write_bundle(
    path: str | Path,
    results: str | Path,
    config: Mapping,
    provenance: Mapping,
    patients: bool,
    models: Mapping[str, Path],
    readme: str,
    home: Path = HOME,
) -> None:
    """Write a bundle as a gzipped tar archive; the same study gives the same bytes.

    Args:
        path: of the archive.
        results: the cohort's folder of results.
        config: the merged configuration.
        provenance: content of provenance.json.
        patients: whether what is of single patients comes along.
        models: external models by endpoint (empty for one of all endpoints).
        readme: text for ARCHIVE.md.
        home: the workflow's folder.

    Raises:
        NotTheStudys: code or results differ from what provenance.json records, or files that git
            does not track lie among the code: they may be private.
    """
    if source_digest(home) != provenance["bonecast"]["sha256"]:
        raise NotTheStudys(
            "code, config.yaml or resources were edited since the results were recorded. Run the "
            "workflow, so that what depends on the edit is made again, then "
            "`snakemake archive --forcerun write_provenance` with the same options."
        )
    recorded = {name: facts["sha256"] for name, facts in provenance["outputs"].items()}
    found = {name: sha256(file) for name, file in result_files(results).items()}
    if found != recorded:
        names = sorted(dict(found.items() ^ recorded.items()))
        raise NotTheStudys(
            f"{len(names)} results are not those that were recorded ({_some(names)}): record them "
            "again with `snakemake archive --forcerun write_provenance` and the same options."
        )
    is_checkout, tracked = workflow_files(home)
    if strange := [file for file in source_files(home) if file not in set(tracked.values())]:
        names = _some([file.relative_to(home).as_posix() for file in strange])
        raise NotTheStudys(
            f"{len(strange)} files lie among the workflow's and are not tracked by git ({names}): "
            "add what belongs to it, move the rest elsewhere, then record the results again with "
            "`snakemake archive --forcerun write_provenance` and the same options."
        )
    name = config["cohort"]["name"]
    # Without git nobody knows which files are the workflow's own: they are not given away.
    files: dict[str, bytes | Path] = dict(tracked) if patients or is_checkout else {}
    if commit := provenance["bonecast"]["commit"]:
        files[ARCHIVAL] = f"node: {commit}\n".encode()
    files |= {f"results/{name}/{key}": file for key, file in chosen(results, patients).items()}
    files[f"results/{name}/provenance.json"] = _as_json(
        provenance if patients else _of_nobody(provenance)
    )
    files["ARCHIVE.md"] = readme.encode()
    if patients:
        files |= {_model_path(endpoint): file for endpoint, file in models.items()}
        files["study.yaml"] = study_options(config, models).encode()
    else:
        options = _without_ids(without_paths(config))
        files["study.yaml"] = yaml.safe_dump(options, sort_keys=False).encode()
    # gzip would write the time and the file's name into its head.
    with (
        Path(path).open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for target, content in sorted(files.items()):
            _add(archive, f"{name}/{target}", content)


def workflow_files(home: Path = HOME) -> tuple[bool, dict[str, Path]]:
    """Whether git tells which files are tracked; the workflow's by their path in its folder."""
    names = (ask_git(home, "ls-files", "-z") or "").split("\0")
    # Where it is a folder of another checkout git may not know it.
    is_checkout = "Snakefile" in names
    if not is_checkout:
        found = source_files(home)
        for page in PAGES:
            part = home / page
            found += [part] if part.is_file() else sorted(part.rglob("*"))
        names = [file.relative_to(home).as_posix() for file in found]
    kept = {name: home / name for name in names if not MADE.search(name)}
    return is_checkout, {name: file for name, file in kept.items() if file.is_file()}


def chosen(results: str | Path, patients: bool) -> dict[str, Path]:
    """Results that a bundle holds, by their path from the cohort's folder."""
    results = Path(results)
    files = result_files(results)
    if not patients:
        return {name: file for name, file in files.items() if WITHOUT_PATIENTS.fullmatch(name)}
    for name in ("report.html", "summary.txt"):
        files[name] = results / name
    for folder in sorted((results / "participants").glob("*")):
        files |= {f"participants/{folder.name}/{name}": folder / name for name in RECORDS}
    return {name: file for name, file in files.items() if file.is_file()}


def study_options(config: Mapping, models: Mapping[str, Path]) -> str:
    """The configuration with which an unpacked bundle is run, as YAML."""
    options = without_paths(config)
    options["cohort"]["frozen"] = True
    if models:
        several = "" not in models
        options["model"]["external_model"] = _model_path("{endpoint}" if several else "")
    return yaml.safe_dump(options, sort_keys=False, allow_unicode=True)


def _model_path(endpoint: str) -> str:
    return "/".join(part for part in ("external", endpoint, "model.json") if part)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")


def _without_ids(config: Mapping) -> dict:
    """Options without the list of scans that were set aside."""
    return dict(config) | {"cohort": dict(config["cohort"]) | {"set_aside": []}}


def _of_nobody(provenance: Mapping) -> dict:
    """Provenance without what is told of single scans, and of results that are left out."""
    inputs = dict(provenance["inputs"]) | {"scans": {}, "corrections": {}}
    kept = provenance["outputs"].items()
    outputs = {name: facts for name, facts in kept if WITHOUT_PATIENTS.fullmatch(name)}
    config = _without_ids(provenance["config"])
    return dict(provenance) | {"config": config, "inputs": inputs, "outputs": outputs}


def _as_json(value: Mapping) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _add(archive: tarfile.TarFile, name: str, content: bytes | Path) -> None:
    """Add a file of nobody's, of no time."""
    about = tarfile.TarInfo(name)
    about.mtime, about.mode = TIME, 0o644
    if isinstance(content, bytes):
        about.size = len(content)
        archive.addfile(about, io.BytesIO(content))
        return
    about.size = content.stat().st_size
    if content.stat().st_mode & 0o100:
        about.mode = 0o755
    with content.open("rb") as stream:
        archive.addfile(about, stream)
