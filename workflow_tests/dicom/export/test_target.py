"""The target itself, and the workflow on the table it made."""

import base64
import re

import pytest

PLANTED = ("Zweigelstein", "Quirina", "HX7734119", "19310417", "47110815993", "Zw-IM", "20230615")


@pytest.fixture
def planted(export):
    """An export whose names, ids, dates and files can be searched for."""
    for number, study in enumerate(("47110815993", "47110815994")):
        export.add(
            "Zweigelstein Quirina",
            slices=12,
            PatientID="HX7734119",
            PatientName="Zweigelstein^Quirina",
            PatientBirthDate="19310417",
            StudyDate=f"2023061{5 + number}",
            StudyInstanceUID=f"1.2.276.0.7230010.3.1.2.{study}",
        )
    export.add("b", slices=12, number=2)
    return export


def test_the_target_makes_the_cohort_that_the_workflow_then_runs(
    planted, run_snakemake, plan, tmp_path
):
    config = {"cohort": {"name": "pacs"}, "export": {"input": str(planted.root), "sessions": False}}
    missing = plan(config)
    assert not missing.ok
    assert "`snakemake participants --configfile ...` makes it" in " ".join(missing.text.split())
    made = run_snakemake("participants", config=config)
    assert made.returncode == 0, made.stderr
    log = (tmp_path / "results/pacs/logs/participants.log").read_text()
    for text in (made.stderr, log):
        assert "36 files, 2 patients, 3 studies; 3 series in 2 rows of participants.tsv" in text
    again = run_snakemake("participants", config=config)
    assert again.returncode == 0 and "0 headers read" in again.stderr

    scan = f"results/pacs/participants/{planted.id_of('ID2')}/series.tsv"
    done = run_snakemake(scan, config=config)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^S01\t.*\ttrue\t", (tmp_path / scan).read_text(), re.MULTILINE)

    found = [made.stdout + made.stderr + again.stdout + again.stderr]
    for path in tmp_path.rglob("*"):
        if path.is_file() and planted.root not in path.parents and ".cache" not in path.parts:
            found += [path.name, path.read_bytes().decode("latin-1")]
            if "metadata" in path.parts:
                found.append(base64.b64decode(path.name + "==").decode("latin-1"))
    for trace in PLANTED:
        assert not any(trace in text for text in found), trace


def test_a_broken_clinical_table_does_not_keep_the_target_from_running(export, plan, tmp_path):
    export.add("a")
    config = {
        "cohort": {"name": "pacs", "clinical": str(tmp_path / "not_there.csv")},
        "export": {"input": str(export.root)},
    }
    assert plan(config, "participants").jobs == {"participants": 1}


def test_a_cohort_of_its_own_beside_an_export_stays(export, plan, scans, cohort):
    config = cohort(scans) | {"export": {"input": str(export.root)}}
    assert plan(config).jobs["ingest_scan"] == 3


def test_a_target_without_an_export_says_what_to_set(run_snakemake):
    done = run_snakemake("participants", config={"cohort": {"name": "pacs"}})
    assert done.returncode != 0
    assert "name the folder of the export" in done.stderr + done.stdout
