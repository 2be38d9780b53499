"""The two archives of a study: what they hold, and what they never do."""

import json
import shutil
import subprocess
import tarfile

import pytest
import yaml

from bonecast.frozen import SECTIONS, forget_input, frozen_cohort
from bonecast.model.config_checks import model_problems
from bonecast.provenance.bundle import NotTheStudys, chosen, workflow_files, write_bundle
from bonecast.provenance.options import PRIVATE_OPTIONS
from bonecast.provenance.record import record
from bonecast.versions import source_digest, source_facts

PLACES = {
    "with": ("tables/scans.tsv", "participants/p1/ct.json", "report.html", "logs/run.log"),
    "without": ("models/fracture/metrics.tsv", "figures/importance_fracture.pdf"),
}
PATIENTS = (
    "models/fracture/analysis_set.parquet",
    "models/fracture/predictions.parquet",
    "models/fracture/exclusions.tsv",
    "models/fracture/validation/repeated_nested_cv/all.parquet",
    "predicted/fracture.tsv",
    "figures/hu_by_level_and_age.csv",
    "figures/contact_sheet.pdf",
    "figures/flow_diagram.csv",
    "figures/a_new_one_fracture.csv",
    "tables/a_new_one.tsv",
)


def git(folder, *arguments):
    name = ["-c", "user.name=n", "-c", "user.email=n@example.org"]
    subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def home(tmp_path):
    """A checkout of a small workflow."""
    folder = tmp_path / "bonecast"
    (folder / "scripts").mkdir(parents=True)
    (folder / "Snakefile").write_text("# rules\n", encoding="utf-8")
    (folder / "scripts/adapter.py").write_text("x = 1\n", encoding="utf-8")
    (folder / ".git_archival.txt").write_text("node: $Format:%H$\n", encoding="utf-8")
    (folder / "README.md").write_text("# Workflow\n", encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    (folder / "Doe_Jane.csv").write_text("left here\n", encoding="utf-8")
    return folder


@pytest.fixture
def study(results, cohort, home):
    """Results with files of every kind, and their provenance with the code of `home`."""
    for name in (*PATIENTS, *PLACES["without"]):
        path = results / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}\n", encoding="utf-8")
    for name in ("ct.nii.gz", "vertebrae.nii.gz", "qc.png", "series.tsv"):
        (results / "participants/p1" / name).write_bytes(b"pixels")
    return record(cohort) | {"bonecast": source_facts(home)}


def packed(tmp_path, results, config, provenance, home, patients, models=None):
    path = tmp_path / f"{patients}.tar.gz"
    write_bundle(path, results, config, provenance, patients, models or {}, "How.\n", home)
    with tarfile.open(path) as archive:
        content = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}
        assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in archive.getmembers()} == {
            (0, 0, "", "", 315532800)
        }
    assert all(name.startswith("study/") for name in content)
    return {name.removeprefix("study/"): value for name, value in content.items()}


def test_that_with_patients_holds_results_and_workflow(study, results, config, home, tmp_path):
    files = packed(tmp_path, results, config, study, home, True)
    assert {f"results/study/{name}" for name in (*PATIENTS, *PLACES["with"][:3])} <= files.keys()
    assert {"Snakefile", "scripts/adapter.py", "README.md", "ARCHIVE.md"} <= files.keys()
    assert files[".git_archival.txt"].decode() == f"node: {study['bonecast']['commit']}\n"
    assert json.loads(files["results/study/provenance.json"]) == study
    options = yaml.safe_load(files["study.yaml"])
    assert options["cohort"]["frozen"] is True
    assert options["cohort"]["clinical"] == "<cohort.clinical>"


def test_neither_holds_scans_masks_pictures_logs_or_names(study, results, config, home, tmp_path):
    for patients in (True, False):
        files = packed(tmp_path, results, config, study, home, patients)
        assert not [name for name in files if name.endswith((".nii.gz", "qc.png", ".log"))]
        assert not [name for name in files if "series.tsv" in name or "Doe" in name]
        assert not [name for name, content in files.items() if b"Doe" in content]


def test_that_without_patients_holds_no_row_of_one(study, results, config, home, tmp_path):
    files = packed(tmp_path, results, config, study, home, False)
    kept = {name for name in files if name.startswith("results/")}
    assert kept == {
        "results/study/provenance.json",
        "results/study/models/fracture/settings.json",
        *(f"results/study/{name}" for name in PLACES["without"]),
    }
    told = json.loads(files["results/study/provenance.json"])
    assert yaml.safe_load(files["study.yaml"])["cohort"]["set_aside"] == []
    assert told["inputs"]["scans"] == {} and told["inputs"]["corrections"] == {}
    assert {f"results/study/{name}" for name in told["outputs"]} <= kept
    assert "p1" not in json.dumps(told)


def test_the_same_study_gives_the_same_bytes(study, results, config, home, tmp_path):
    packed(tmp_path, results, config, study, home, True)
    first = (tmp_path / "True.tar.gz").read_bytes()
    (results / "tables/scans.tsv").touch()
    packed(tmp_path, results, config, study, home, True)
    assert (tmp_path / "True.tar.gz").read_bytes() == first


def test_code_that_is_not_the_studys_is_refused(study, results, config, home, tmp_path):
    (home / "scripts/private.py").write_text("key = 1\n", encoding="utf-8")
    study["bonecast"]["sha256"] = source_digest(home)
    with pytest.raises(NotTheStudys, match=r"not tracked by git \(scripts/private\.py\)"):
        packed(tmp_path, results, config, study, home, True)
    (home / "scripts/private.py").unlink()
    with pytest.raises(NotTheStudys, match="were edited"):
        packed(tmp_path, results, config, study, home, True)


def test_a_folder_without_git_gives_its_sources_and_pages_to_the_team_alone(
    study, results, config, home, tmp_path
):
    shutil.rmtree(home / ".git")
    (home / ".snakemake").mkdir()
    (home / ".snakemake/log.txt").write_text("x\n", encoding="utf-8")
    (home / "scripts/Roe_Mary.csv").write_text("left here\n", encoding="utf-8")
    is_checkout, files = workflow_files(home)
    assert not is_checkout
    own = {"Snakefile", "scripts/adapter.py", "README.md"}
    assert set(files) == own | {"scripts/Roe_Mary.csv"}
    study["bonecast"]["sha256"] = source_digest(home)
    assert own <= packed(tmp_path, results, config, study, home, True).keys()
    public = packed(tmp_path, results, config, study, home, False)
    assert not own & public.keys() and not any("Roe" in name for name in public)


def test_a_folder_of_another_checkout_is_its_own(home, tmp_path):
    shutil.rmtree(home / ".git")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "bonecast/Snakefile")
    assert workflow_files(home) == (True, {"Snakefile": home / "Snakefile"})


def test_results_that_are_not_those_recorded_are_refused(study, results, config, home, tmp_path):
    (results / "tables/later.tsv").write_text("made afterwards\n", encoding="utf-8")
    with pytest.raises(NotTheStudys, match=r"1 results are not .* \(tables/later\.tsv\)"):
        packed(tmp_path, results, config, study, home, True)


def test_models_of_other_cohorts_come_along(study, results, config, home, tmp_path):
    model = tmp_path / "Doe.json"
    model.write_text("{}", encoding="utf-8")
    config["model"]["external_model"] = "/x/{endpoint}/Doe.json"
    files = packed(tmp_path, results, config, study, home, True, {"fracture": model})
    assert files["external/fracture/model.json"] == b"{}"
    options = yaml.safe_load(files["study.yaml"])
    assert options["model"]["external_model"] == "external/{endpoint}/model.json"


def test_half_written_files_stay_out(study, results):
    (results / "tables/.collect.part").mkdir()
    (results / "tables/.collect.part/scans.tsv").write_text("half", encoding="utf-8")
    assert not [name for name in chosen(results, patients=True) if ".part" in name]


@pytest.mark.parametrize(
    "options",
    [
        {
            "table": "<model.table>",
            "vertebra_table": "<model.vertebra_table>",
            "vertebra_columns": ["mean_hu"],
            "blocks": ["multimodal"],
        },
        {"endpoints": ["osteoporosis"], "osteoporosis_from": "qct"},
    ],
)
def test_options_that_name_what_is_gone_stop_no_frozen_study(config, options):
    config["cohort"]["frozen"] = True
    config["model"] |= options
    forget_input(config)
    assert model_problems(config, ["A", "B"], lambda path: True) == []


def test_a_frozen_study_forgets_its_input_and_knows_its_scans(config, tmp_path):
    names = {f"{section}.{name}" for section, names in SECTIONS.items() for name in names}
    assert names <= set(PRIVATE_OPTIONS)
    forget_input(config)
    assert config["cohort"]["clinical"] is None and config["cohort"]["input"] is not None
    tables = tmp_path / "tables"
    tables.mkdir()
    header = '"participant_id"\t"session_id"\t"site"\t"baseline"\n'
    (tables / "scans.tsv").write_text(
        f'{header}"p1"\t"a"\t"A"\tTrue\n"p1"\t"b"\t"A"\tFalse\n', encoding="utf-8"
    )
    found = frozen_cohort(str(tmp_path), tabular=False)
    assert [(row.scan_id, row.site, row.baseline) for row in found] == [
        ("p1_ses-a", "A", True),
        ("p1_ses-b", "A", False),
    ]
    assert frozen_cohort(str(tmp_path / "none"), tabular=True) == []


def test_a_prediction_alone_is_not_packed(run_snakemake, tmp_path):
    (tmp_path / "table.csv").write_text("participant_id,age_years\np1,70\n", encoding="utf-8")
    (tmp_path / "model.json").write_text("{}", encoding="utf-8")
    config = {"cohort": {"name": "new"}, "predict": {"model": "model.json", "table": "table.csv"}}
    done = run_snakemake("archive", "--dry-run", config=config)
    assert done.returncode == 1
    assert "a prediction alone has no models or figures" in done.stdout + done.stderr
