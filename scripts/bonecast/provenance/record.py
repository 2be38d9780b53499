"""Everything that decided a cohort's results, with their checksums, as plain values for JSON."""

import datetime
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bonecast.provenance.checksums import keyed_digest, result_checksums
from bonecast.provenance.options import SEEDS, option, without_paths
from bonecast.versions import (
    converter_version,
    lock_facts,
    machine_facts,
    package_versions,
    python_version,
    source_facts,
)

FORMAT = "bonecast-provenance-1"
"""What rules/schemas/provenance.schema.yaml describes."""

SEGMENTED_BY = ("backend", "model", "versions", "device", "gpu", "fallback")
"""What segmentation.json tells of how a scan was segmented."""


@dataclass(frozen=True)
class Cohort:
    """A run as the record is made of it.

    Attributes:
        name: of the cohort.
        results: its folder of results.
        config: the merged configuration.
        secret: of the cohort, see `inputs.cohort_secret`.
        scans: names of the scans; empty for a table of one's own.
        inputs: keyed digests of tables of the input by option, see `checksums.input_digests`.
        corrections: SHA-256 of the corrected masks by scan.
    """

    name: str
    results: Path
    config: Mapping
    secret: bytes = b""
    scans: Sequence[str] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    corrections: Mapping[str, Sequence[str]] = field(default_factory=dict)


def record(cohort: Cohort) -> dict:
    """The provenance of a cohort's results.

    Raises:
        OSError: a result cannot be read.
    """
    converters: Counter[str] = Counter()
    ways: Counter[str] = Counter()
    digests = {}
    for name in cohort.scans:
        ct, about = _scan_facts(cohort, name)
        if _ok(ct):
            converters[_converter(ct)] += 1
        if _ok(about):
            ways[_way(about)] += 1
        if "volume_digest" in ct:
            digests[name] = keyed_digest(ct["volume_digest"].encode(), cohort.secret)
    return {
        "format": FORMAT,
        "cohort": cohort.name,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "bonecast": source_facts(),
        "environment": {
            "python": python_version(),
            "packages": package_versions(),
            "dcm2niix": converter_version(),
            "lock": lock_facts(),
        },
        "machine": machine_facts(),
        "stages": {
            "convert": [{"program": word, "scans": n} for word, n in sorted(converters.items())],
            "segment": _counted(ways),
            "models": _model_versions(cohort.results),
        },
        "config": without_paths(cohort.config),
        "seeds": seeds(cohort.config),
        "inputs": {
            "keyed_with": "cohort.secret" if cohort.config["cohort"]["secret"] else "cohort.name",
            "tables": dict(cohort.inputs),
            "scans": digests,
            "corrections": {
                name: [keyed_digest(digest.encode(), cohort.secret) for digest in found]
                for name, found in cohort.corrections.items()
            },
        },
        "outputs": result_checksums(cohort.results),
    }


def seeds(config: Mapping) -> list[dict]:
    """Where random numbers start from: option, value and what it decides."""
    return [
        {"option": name, "value": option(config, name), "decides": decides}
        for name, decides in SEEDS.items()
    ]


def _scan_facts(cohort: Cohort, scan: str) -> tuple[dict, dict]:
    """The records of a scan's conversion and segmentation."""
    folder = cohort.results / "participants" / scan
    return tuple(
        json.loads((folder / name).read_text(encoding="utf-8"))
        for name in ("ct.json", "segmentation.json")
    )


def _ok(record: Mapping) -> bool:
    return record["status"] == "ok"


def _converter(record: Mapping) -> str:
    """The program a scan was converted by; a NIfTI file is by none of ours."""
    return record["checks"].get("converter", "none")


def _way(about: Mapping) -> str:
    """How a scan was segmented, as JSON."""
    way = {key: about.get(key) for key in SEGMENTED_BY}
    return json.dumps(way | {"corrected": bool(about.get("correction"))}, sort_keys=True)


def _counted(ways: Counter[str]) -> list[dict]:
    """Each distinct way of segmenting, with the number of scans, the commonest first."""
    ordered = sorted(ways.items(), key=lambda item: (-item[1], item[0]))
    return [json.loads(way) | {"scans": n} for way, n in ordered]


def _model_versions(results: Path) -> dict[str, dict]:
    """Versions of what fitted the models, by endpoint: a rerun of the report does not fit anew."""
    found = {}
    for path in sorted((results / "models").glob("*/settings.json")):
        settings = json.loads(path.read_text(encoding="utf-8"))
        found[path.parent.name] = settings.get("versions") or {}
    return found
