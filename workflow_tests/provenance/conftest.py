"""Results of a small cohort, as files without any run."""

import json

import pandas as pd
import pytest
import yaml

from bonecast.provenance.record import Cohort

WAY = {"backend": "nnunet", "model": {"name": "embedded_model", "sha256": "ab" * 32}}
WAY |= {"versions": {"torch": "2.9"}, "device": "cuda", "gpu": "NVIDIA H100", "fallback": ""}
RECORDS = {
    "p1": ({"volume_digest": "aa"}, WAY),
    "p2": ({"volume_digest": "bb"}, WAY | {"correction": {"mask": {"sha256": "cd" * 32}}}),
    "p3": ({"status": "excluded"}, {"status": "excluded"}),
}


@pytest.fixture
def results(tmp_path):
    """Folder of results of the cohort `study` with two measured scans and one left out."""
    folder = tmp_path / "results" / "study"
    for name, (ct, about) in RECORDS.items():
        scan = folder / "participants" / name
        scan.mkdir(parents=True)
        ct = {"participant_id": name, "status": "ok", "checks": {"converter": "dcm2niix 1.0"}} | ct
        about = {"participant_id": name, "status": "ok", "correction": None} | about
        (scan / "ct.json").write_text(json.dumps(ct), encoding="utf-8")
        (scan / "segmentation.json").write_text(json.dumps(about), encoding="utf-8")
    for part in ("tables", "figures", "models/fracture/publication", "logs"):
        (folder / part).mkdir(parents=True)
    table = pd.DataFrame({"participant_id": ["p1", "p2"], "hu": [101.5, None], "site": ["A", "B"]})
    table.to_parquet(folder / "tables/scans.parquet")
    table.to_csv(folder / "tables/scans.tsv", sep="\t", index=False)
    (folder / "figures/roi_agreement.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    settings = {"versions": {"numpy": "2.4.6"}}
    (folder / "models/fracture/settings.json").write_text(json.dumps(settings), encoding="utf-8")
    (folder / "logs/run.log").write_text("took 3 s\n", encoding="utf-8")
    (folder / "report.html").write_text("<p>took 3 s</p>", encoding="utf-8")
    return folder


@pytest.fixture
def config(repo):
    """Merged configuration of that cohort, with private paths in it."""
    merged = yaml.safe_load((repo / "config.yaml").read_text(encoding="utf-8"))
    merged["cohort"] |= {"name": "study", "input": "/data/Doe_Jane", "clinical": "../Doe.csv"}
    merged["cohort"] |= {"participants": None, "calibration": None, "set_aside": ["p1"]}
    return merged


@pytest.fixture
def cohort(results, config):
    return Cohort(
        name="study",
        results=results,
        config=config,
        secret=b"random",
        scans=list(RECORDS),
        inputs={"cohort.clinical": "0" * 32},
        corrections={"p2": ["cd" * 32]},
    )
