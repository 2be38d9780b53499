"""The whole workflow, run for real: a small demo cohort, and a real scan by the network."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml

from bonecast.images import load
from bonecast.provenance.compare import SAME, compare
from bonecast.reasons import Reason

SMALL = ("A001", "A007", "A009", "A021", "B003", "B021", "B022")
"""Sacrum in view, ribs only, no ribs, and the three broken ones."""

EXPECTED_EXCLUSIONS = {
    "A021": Reason.EMPTY_FOLDER,
    "B021": Reason.CORRUPT_PIXELS,
    "B022": Reason.NO_AXIAL_CT,
}


def run(
    folder: Path,
    *arguments: str,
    config: dict | Path,
    repo: Path,
    targets: tuple[str, ...] = (),
) -> subprocess.CompletedProcess:
    """Run the workflow in a folder; fails with what Snakemake printed."""
    if isinstance(config, dict):
        path = folder / f"{config['cohort']['name']}.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        config = path
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *targets, "--snakefile", str(repo / "Snakefile")]
        + ["--directory", str(folder), "--configfile", str(config), "--cores", "2", *arguments],
        capture_output=True,
        text=True,
        timeout=900,
        env=os.environ | {"XDG_CACHE_HOME": str(folder / ".cache")},
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done


@pytest.fixture(scope="module")
def demo(tmp_path_factory, repo) -> Path:
    """Results of the workflow on a few participants of the demo; the folder it ran in."""
    folder = tmp_path_factory.mktemp("demo")
    table = folder / "participants.tsv"
    table.write_text("participant_id\tsite\n" + "".join(f"{p}\t{p[0]}\n" for p in SMALL))
    config = {"cohort": {"name": "demo", "participants": str(table)}}
    run(folder, config=config, repo=repo)
    return folder


def results(folder: Path) -> Path:
    return folder / "results/demo"


def test_every_participant_has_every_file(demo):
    for participant in SMALL:
        files = {p.name for p in (results(demo) / "participants" / participant).iterdir()}
        assert files >= {
            "series.tsv",
            "ct.nii.gz",
            "ct.json",
            "vertebrae.nii.gz",
            "bodies.nii.gz",
            "segmentation.json",
            "density.tsv",
            "morphometry.tsv",
            "strength.tsv",
            "calibration.json",
            "radiomics.tsv",
            "qc.png",
        }


def test_broken_participants_are_named_with_their_reason(demo):
    table = pd.read_csv(results(demo) / "tables/exclusions.tsv", sep="\t")
    found = dict(zip(table.participant_id, table.reason, strict=True))
    assert {p: found[p] for p in EXPECTED_EXCLUSIONS} == EXPECTED_EXCLUSIONS
    report = (results(demo) / "report.html").read_text()
    for participant, reason in EXPECTED_EXCLUSIONS.items():
        assert participant in report
        assert reason.sentence in report


def test_levels_are_named_right(demo):
    for participant in ("A001", "A007", "A009", "B003"):
        truth = load(demo / "demo/truth/bodies" / f"{participant}.nii.gz").data
        found = load(results(demo) / "participants" / participant / "bodies.nii.gz").data
        for code in np.unique(found)[1:]:
            under = np.bincount(truth[found == code], minlength=2)
            assert int(np.argmax(under[1:])) + 1 == code, participant


def test_trabecular_hu_is_near_the_planted_one(demo):
    vertebrae = pd.read_parquet(results(demo) / "tables/vertebrae.parquet")
    planted = pd.read_csv(demo / "demo/truth/vertebrae.csv")
    both = vertebrae.merge(planted, on=["participant_id", "level"])
    error = (both.hu_vol_mean_hu - both.trabecular_hu).dropna()
    assert len(error) >= 25
    assert error.abs().median() <= 10


def test_density_is_that_of_the_scanners_table(demo, repo):
    scans = pd.read_parquet(results(demo) / "tables/scans.parquet")
    vertebrae = pd.read_parquet(results(demo) / "tables/vertebrae.parquet")
    table = pd.read_csv(repo / "resources/demo/calibration.tsv", sep="\t")
    for participant in ("A001", "A007", "B003"):
        path = results(demo) / "participants" / participant / "calibration_row.json"
        row = table.iloc[json.loads(path.read_text())["row"] - 2]
        own = vertebrae[vertebrae.participant_id == participant].dropna(subset=["hu_vol_mean_hu"])
        expected = row.slope * own.hu_vol_mean_hu + row.intercept
        assert np.allclose(own.hu_vol_mean_vbmd_mgcc, expected, atol=1e-6)
        assert (own.ea_min_kn > 0).any()
    assert set(scans.loc[scans.status == "ok", "calibration_method"]) == {"table"}


def test_second_run_has_nothing_to_do(demo, repo):
    done = run(demo, "--dry-run", config=demo / "demo.yaml", repo=repo)
    assert "Nothing to be done" in done.stdout + done.stderr


def test_report_is_self_contained_and_names_nobody(demo):
    report = (results(demo) / "report.html").read_text()
    assert not re.search(r"""(?:src|href)=["']https?://""", report)
    planted = ("Phantom", "Invented", "MRN", "ACC", "Referrer", "SN900101", "SN900202")
    for path in results(demo).rglob("*"):
        if path.is_file() and path.suffix in (".tsv", ".csv", ".json", ".html", ".log", ".txt"):
            # Embedded pictures are base64, in which any three letters may turn up.
            text = re.sub(r"base64,[^\"')]*", "", path.read_text(encoding="utf-8"))
            assert not [word for word in planted if word in text], path


def test_no_missing_value_is_written_as_zero(demo):
    for path in (results(demo) / "participants").glob("*/density.tsv"):
        with path.open(newline="") as stream:
            for row in csv.DictReader(stream, delimiter="\t"):
                assert row["mean_hu"] != "0"
                assert row["mean_hu"] or row["reason"]


def test_a_real_scan_goes_through_with_the_embedded_model(tmp_path, repo, shared_data):
    """From DICOM to the report; a network that never saw a patient need not name its vertebrae."""
    config = yaml.safe_load((repo / "config/examples/crlm.yaml").read_text())
    table = (repo / "config/examples/crlm.tsv").read_text()
    path = tmp_path / "crlm.tsv"
    path.write_text(table.replace("../shared/data", str(shared_data)))
    config["cohort"] |= {"participants": str(path), "input": str(shared_data)}
    config["measure"] = {"radiomics": {"enabled": False}}
    run(tmp_path, config=config, repo=repo)
    folder = tmp_path / "results/crlm"
    facts = json.loads((folder / "participants/crlm1004/ct.json").read_text())
    assert facts["status"] == "ok" and facts["shape"][2] == 41
    about = json.loads((folder / "participants/crlm1004/segmentation.json").read_text())
    assert about["status"] == "ok" or about["reason"] in list(Reason)
    assert "crlm1004" in (folder / "report.html").read_text()


def test_provenance_is_what_its_schema_says_and_of_these_results(demo, repo):
    path = repo / "rules" / "schemas" / "provenance.schema.yaml"
    told = json.loads((results(demo) / "provenance.json").read_text(encoding="utf-8"))
    jsonschema.validate(told, yaml.safe_load(path.read_text(encoding="utf-8")))
    assert {item.state for item in compare(results(demo) / "provenance.json", results(demo))} == {
        SAME
    }
    assert set(told["inputs"]["scans"]) == set(SMALL) - EXPECTED_EXCLUSIONS.keys()
    assert told["inputs"]["tables"].keys() >= {"cohort.clinical", "cohort.participants"}
    (way,) = told["stages"]["segment"]
    assert (way["backend"], way["scans"]) == ("nnunet", 4)
    assert str(demo) not in json.dumps(told)


def test_an_archive_is_run_again_elsewhere_with_nothing_measured(demo, repo, tmp_path):
    run(demo, config=demo / "demo.yaml", repo=repo, targets=("archive",))
    shutil.unpack_archive(
        results(demo) / "archive/demo_with_patients.tar.gz", tmp_path, filter="data"
    )
    shutil.rmtree(tmp_path / "demo/results/demo/models/fracture/validation")
    drawn = [f"results/demo/figures/{name}.csv" for name in ("roi_agreement", "flow_diagram")]
    done = run(
        tmp_path / "demo",
        "--forceall",
        config=tmp_path / "demo/study.yaml",
        repo=tmp_path / "demo",
        targets=("models", *drawn),
    )
    started = set(re.findall(r"Rule: (\w+)\)", done.stdout + done.stderr))
    assert started == {
        "validate_models",
        "judge_models",
        "fit_final_models",
        "models",
        "draw_roi_agreement",
        "draw_flow_diagram",
    }
    found = compare(tmp_path / "demo/results/demo/provenance.json", tmp_path / "demo/results/demo")
    assert [item for item in found if item.state != SAME] == []
    assert len(found) > 90
