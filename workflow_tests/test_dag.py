"""What would be run, for which configuration: dry runs, and one run with empty adapters."""

import os
import re
import resource
import shutil
from math import ceil
from pathlib import Path

import pytest

PER_PARTICIPANT = {
    "index_series",
    "convert_series",
    "label_vertebrae",
    "draw_qc",
    "measure_scan",
    "measure_radiomics",
}


@pytest.fixture
def scans(tmp_path) -> Path:
    """Three participants: two NIfTI files and a folder, all empty."""
    folder = tmp_path / "scans"
    (folder / "p3").mkdir(parents=True)
    for name in ("p1.nii.gz", "p2.nii"):
        (folder / name).touch()
    return folder


def cohort(folder: Path, **more) -> dict:
    """A configuration for scans with masks, as a user would write it."""
    return {
        "cohort": {"name": "study", "input": str(folder)},
        "segment": {"backend": "masks", "masks": str(folder)},
    } | more


def test_demo_runs_every_stage_for_every_participant(plan, repo):
    table = (repo / "resources" / "demo" / "participants.tsv").read_text().splitlines()
    participants = len(table) - 1
    assert participants >= 40
    jobs = plan().jobs
    for rule in PER_PARTICIPANT:
        assert jobs.get(rule) == participants, rule
    assert jobs["segment_batch"] == ceil(participants / 20)
    for rule in ("write_demo_cohort", "collect_measurements", "admit_patients", "write_report"):
        assert jobs[rule] == 1
    assert sum(rule.startswith("draw_") for rule in jobs) == 11


def test_training_is_never_part_of_a_run(plan):
    assert "train_embedded_model" not in plan().jobs


def test_a_folder_of_scans_without_clinical_table_ends_at_the_tables(plan, scans):
    jobs = plan(cohort(scans)).jobs
    assert {jobs[rule] for rule in PER_PARTICIPANT} == {3}
    assert jobs["collect_measurements"] == 1
    assert jobs["write_report"] == 1
    assert "admit_patients" not in jobs
    assert not any(rule.startswith("write_demo") for rule in jobs)


def test_with_a_clinical_table_models_are_fitted(plan, scans, tmp_path):
    clinical = tmp_path / "clinical.csv"
    clinical.write_text("participant_id,age_years,sex,time_years,event\np1,60,F,2,1\n")
    config = cohort(scans)
    config["cohort"]["clinical"] = str(clinical)
    assert plan(config).jobs["admit_patients"] == 1


def test_a_table_alone_is_modelled_and_reported_without_images(plan, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("participant_id,age_years,time_years,event\n")
    model = {"table": str(table), "blocks": ["bones"], "block_columns": {"bones": ["age_years"]}}
    config = {"cohort": {"name": "tabular"}, "model": model}
    rules = ("admit_patients", "validate_models", "judge_models", "fit_final_models", "models")
    assert plan(config, "models").jobs == dict.fromkeys(rules, 1)
    jobs = plan(config).jobs
    assert jobs["admit_patients"] == jobs["write_report"] == 1
    assert not (PER_PARTICIPANT | {"collect_measurements", "write_demo_cohort"}) & jobs.keys()


def test_a_block_that_a_table_does_not_define_is_named(plan, tmp_path):
    model = {"table": str(tmp_path / "table.csv"), "blocks": ["bones"]}
    outcome = plan({"cohort": {"name": "tabular"}, "model": model})
    assert not outcome.ok
    assert "model.blocks: bones: no such block" in outcome.text


def test_backend_masks_runs_no_network(plan, scans):
    assert "segment_batch" not in plan(cohort(scans)).jobs


@pytest.mark.parametrize(
    ("option", "known"), [("mask_labels", "verse"), ("tissue_labels", "bonecast")]
)
def test_labels_that_are_neither_known_nor_a_file_are_named(plan, scans, option, known):
    config = cohort(scans)
    config["segment"][option] = "verze"
    outcome = plan(config)
    assert not outcome.ok
    assert f"segment.{option}: verze is neither one of {known}" in outcome.text


def test_a_table_of_scanners_is_matched_with_every_scan(plan, scans, tmp_path):
    table = tmp_path / "scanners.tsv"
    table.write_text("scanner\tslope\tintercept\tstandard\nS1\t0.8\t0\tk2hpo4\n")
    config = cohort(scans)
    config["cohort"]["calibration"] = str(table)
    assert plan(config).jobs["match_calibration"] == 3
    for method in ("internal", "none"):
        config["measure"] = {"calibration": {"method": method}}
        assert "match_calibration" not in plan(config).jobs


def test_the_demos_calibration_is_not_inherited(plan, scans):
    assert plan().jobs["match_calibration"] >= 40
    assert "match_calibration" not in plan(cohort(scans)).jobs


@pytest.mark.parametrize(
    ("method", "text", "message"),
    [
        ("phantom", None, "method phantom needs cohort.calibration"),
        ("phantom", "participant_id\trod\tdensity_mgcc\np1\tA\tx\n", "row 2: density_mgcc is not"),
        (
            "table",
            "scanner\tslope\tintercept\tstandard\nS1\t0.8\t0\tcaha\n",
            "row 2: standard 'caha'",
        ),
        ("phantom", "participant_id\trod\tdensity_mgcc\np4\tA\t1\n", "no participant p4 in this"),
    ],
)
def test_mistakes_of_a_calibration_table_stop_the_run(plan, scans, tmp_path, method, text, message):
    config = cohort(scans, measure={"calibration": {"method": method}})
    if text:
        (tmp_path / "table.tsv").write_text(text)
        config["cohort"]["calibration"] = str(tmp_path / "table.tsv")
    outcome = plan(config)
    assert not outcome.ok
    assert message in outcome.text


def test_a_row_of_the_calibration_table_that_is_not_there_stops_the_run(plan, scans, tmp_path):
    config = cohort(scans)
    for name, text in (
        ("calibration", "scanner\tslope\tintercept\tstandard\nS1\t0.8\t0\tk2hpo4\n"),
        ("participants", "participant_id\tcalibration\np1\t2\np2\t3\n"),
    ):
        (tmp_path / f"{name}.tsv").write_text(text)
        config["cohort"][name] = str(tmp_path / f"{name}.tsv")
    outcome = plan(config)
    assert not outcome.ok
    assert "p2: no row 3" in outcome.text and "p1: no row" not in outcome.text


def test_radiomics_can_be_left_out(plan, scans):
    config = cohort(scans, measure={"radiomics": {"enabled": False}})
    assert "measure_radiomics" not in plan(config).jobs


def test_robustness_is_measured_only_where_it_is_asked_for(plan, scans):
    assert "perturb_radiomics" not in plan(cohort(scans)).jobs
    jobs = plan(cohort(scans), "robustness").jobs
    assert (jobs["perturb_radiomics"], jobs["summarise_robustness"]) == (3, 1)
    few = {"radiomics": {"robustness": {"participants": 5}}}
    jobs = plan({"measure": few, "model": {"min_robustness": 0.75}}, "models").jobs
    assert (jobs["perturb_radiomics"], jobs["admit_patients"]) == (5, 1)


def test_the_ct_is_read_again_only_for_what_looks_further(run_snakemake, scans):
    for radiomics, reads in (({}, False), ({"wavelet": "coif1"}, True)):
        config = cohort(scans, measure={"radiomics": radiomics})
        graph = run_snakemake("--dag", config=config).stdout
        rules = dict(re.findall(r'(\d+)\[label = "(\w+)', graph))
        edges = {(rules[a], rules[b]) for a, b in re.findall(r"(\d+) -> (\d+)", graph)}
        assert ("measure_scan", "measure_radiomics") in edges
        assert (("convert_series", "measure_radiomics") in edges) == reads


@pytest.mark.parametrize(
    ("target", "last", "absent"),
    [
        ("segmentations", "draw_qc", "measure_scan"),
        ("features", "collect_measurements", "admit_patients"),
        ("models", "judge_models", "write_report"),
        ("figures", "admit_patients", "write_report"),
    ],
)
def test_named_targets_stop_where_they_say(plan, target, last, absent):
    jobs = plan(None, target).jobs
    assert last in jobs
    assert absent not in jobs


def test_a_misspelt_key_is_named(plan, scans):
    outcome = plan(cohort(scans, measure={"min_level": 3}))
    assert not outcome.ok
    assert "min_level" in outcome.text


def test_a_table_with_two_rows_of_one_participant_is_refused_by_row(plan, scans, tmp_path):
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\np1\np1\np/2\n")
    config = cohort(scans)
    config["cohort"]["participants"] = str(table)
    outcome = plan(config)
    assert not outcome.ok
    assert "row 3: participant_id p1 is already in row 2" in outcome.text
    assert "row 4: participant_id 'p/2'" in outcome.text


def test_a_mistyped_participant_is_answered_with_the_cohort(plan, scans):
    outcome = plan(cohort(scans), "results/study/participants/p9/series.tsv")
    assert not outcome.ok
    assert "participant p9 is not in cohort study" in outcome.text


def test_a_cohort_must_not_be_called_demo(plan, scans):
    outcome = plan({"cohort": {"input": str(scans)}})
    assert not outcome.ok
    assert "cohort.name is still 'demo'" in outcome.text


def test_a_missing_scan_is_left_to_the_job_to_record(plan, scans, tmp_path):
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tpath\np1\t\nlost\tnowhere/lost\n")
    config = cohort(scans)
    config["cohort"]["participants"] = str(table)
    assert plan(config).jobs["index_series"] == 2


def test_masks_that_are_named_must_exist(plan, scans, tmp_path):
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tmask\ttissue\np1\tlost.nii.gz\t\np2\t\tgone.nii.gz\np9\t\t\n")
    config = cohort(scans)
    config["cohort"]["participants"] = str(table)
    config["segment"]["bodies"] = "nowhere"
    outcome = plan(config)
    assert not outcome.ok
    for problem in (
        "p1: mask lost.nii.gz not found",
        "p2: tissue gone.nii.gz not found",
        "segment.bodies: nowhere is not a folder",
    ):
        assert problem in outcome.text
    assert "p9:" not in outcome.text and "Traceback" not in outcome.text


def test_a_missing_clinical_table_stops_the_run(plan, scans):
    config = cohort(scans)
    config["cohort"]["clinical"] = "nowhere.csv"
    outcome = plan(config)
    assert not outcome.ok
    assert "cohort.clinical: nowhere.csv not found" in outcome.text


def test_mistakes_in_a_clinical_table_stop_the_run_before_any_scan(plan, scans, tmp_path):
    clinical = tmp_path / "clinical.csv"
    clinical.write_text(
        "participant_id,age_years,sex,time_years,event\n"
        "p1,sixty,F,2,1\np2,60,F,-3.1,0\np3,60,F,2,7\np3,61,F,2,0\n"
    )
    config = cohort(scans)
    config["cohort"]["clinical"] = str(clinical)
    outcome = plan(config)
    assert not outcome.ok
    for problem in (
        "p1, age_years: 'sixty' is not an age of 0 to 120 years",
        "p2, time_years: '-3.1' is not a number of years, 0 or more",
        "p3, event: '7' is not 0 (censored), 1 (fracture)",
        "p3: named more than once (row 5)",
    ):
        assert problem in outcome.text
    assert "Traceback" not in outcome.text


def test_a_thousand_participants_are_planned_in_seconds(plan, tmp_path):
    table = tmp_path / "participants.tsv"
    rows = [f"p{number:04d}\tsite{number % 2}" for number in range(1000)]
    table.write_text("\n".join(["participant_id\tsite", *rows]))
    config = cohort(tmp_path)
    config["cohort"]["participants"] = str(table)
    started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    jobs = plan(config, "--quiet", "rules").jobs
    cpu_seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - started
    assert jobs["measure_scan"] == 1000
    # About ten; one pattern of all ids, tried for every file, would take minutes.
    assert cpu_seconds < 40


EMPTY_ADAPTER = """
from pathlib import Path
from bonecast.runtime import job
with job(snakemake):
    for path in map(Path, snakemake.output):
        path.mkdir(parents=True, exist_ok=True) if not path.suffix else path.touch()
"""


@pytest.fixture
def project(repo, tmp_path) -> Path:
    """A copy of the workflow whose adapters make empty outputs."""
    copy = tmp_path / "project"
    copy.mkdir()
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(repo / name, copy / name)
    for name in ("rules", "scripts", "resources"):
        shutil.copytree(repo / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for adapter in (copy / "scripts").glob("*.py"):
        adapter.write_text(EMPTY_ADAPTER)
    return copy


def test_an_edit_of_a_measurement_reruns_measuring_and_what_follows(
    run_snakemake, plan, project, scans
):
    config = cohort(scans)
    done = run_snakemake(config=config, project=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert plan(config, project=project).jobs == {}

    density = project / "scripts" / "bonecast" / "measure" / "density.py"
    original = density.read_text()
    density.write_text(original + "\nEDITED = True\n")
    jobs = plan(config, project=project).jobs
    assert jobs["measure_scan"] == 3
    assert jobs["collect_measurements"] == 1
    assert jobs["write_report"] == 1
    assert not {"index_series", "convert_series", "label_vertebrae"} & jobs.keys()

    density.write_text(original)
    assert plan(config, project=project).jobs == {}


def test_other_weights_or_class_names_of_a_model_segment_again(
    run_snakemake, plan, project, scans, tmp_path
):
    model = tmp_path / "model"
    (model / "fold_0").mkdir(parents=True)
    files = [model / name for name in ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth")]
    for path in files:
        path.write_text("as trained")
    config = cohort(scans, segment={"model": str(model)})
    done = run_snakemake("segmentations", config=config, project=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert plan(config, "segmentations", project=project).jobs == {}
    for path in files:
        path.write_text("trained again")
        jobs = plan(config, "segmentations", project=project).jobs
        assert (jobs["segment_batch"], jobs["label_vertebrae"]) == (1, 3), path.name
        path.write_text("as trained")


def test_an_edited_list_of_mask_labels_names_the_vertebrae_again(
    run_snakemake, plan, project, scans, tmp_path
):
    labels = tmp_path / "labels.yaml"
    labels.write_text("22: L3\n")
    config = cohort(scans)
    config["segment"]["mask_labels"] = str(labels)
    done = run_snakemake("segmentations", config=config, project=project)
    assert done.returncode == 0, done.stdout + done.stderr
    labels.write_text("22: L4\n")
    assert plan(config, "segmentations", project=project).jobs["label_vertebrae"] == 3


def test_a_shift_of_level_names_redoes_only_what_it_must(
    run_snakemake, plan, project, scans, tmp_path
):
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tlevel_shift\np1\t\np2\t\np3\t\n")
    config = cohort(scans)
    config["cohort"]["participants"] = str(table)
    done = run_snakemake("features", config=config, project=project)
    assert done.returncode == 0, done.stdout + done.stderr
    analysis = config | {"measure": {"level_shift": 1, "level_shift_scans": "all"}}
    assert plan(analysis, "features", project=project).jobs.keys() <= {
        "features",
        "collect_measurements",
        "find_segmentation_outliers",
        "total",
    }
    table.write_text("participant_id\tlevel_shift\np1\t\np2\t1\np3\t\n")
    jobs = plan(config, "features", project=project).jobs
    assert (jobs["label_vertebrae"], jobs["measure_scan"]) == (1, 1)


def test_an_edited_list_of_excluded_levels_measures_again_whom_it_changes(
    run_snakemake, plan, project, scans, tmp_path
):
    table = tmp_path / "excluded.tsv"
    table.write_text("participant_id\tlevel\treason\tcomment\np1\tL2\timplant\t\n")
    config = cohort(scans)
    config["cohort"]["exclude_levels"] = str(table)
    done = run_snakemake("features", config=config, project=project)
    assert done.returncode == 0, done.stdout + done.stderr
    table.write_text("participant_id\tlevel\treason\tcomment\np1\tL2\timplant\tseen again\n")
    assert plan(config, "features", project=project).jobs == {}
    table.write_text("participant_id\tlevel\treason\np1\tL2\timplant\np3\tT12\tother\n")
    outcome = plan(config, "features", project=project)
    assert outcome.jobs["measure_scan"] == outcome.jobs["measure_radiomics"] == 1
    assert _jobs_of_participants(outcome.text) == {"p3"}
    assert "label_vertebrae" not in outcome.jobs
    table.write_text("participant_id\tlevel\np4\tL2\np1\tL9\n")
    text = plan(config, "features", project=project).text
    assert "no participant p4 in this cohort" in text and "level 'L9'" in text


AFTER_A_MASK = {"label_vertebrae", "draw_qc", "measure_scan", "measure_radiomics"}
"""What is made again of a participant whose mask changed; then come the cohort's tables."""


def _jobs_of_participants(text: str) -> set[str]:
    """Participants named in the messages of planned jobs."""
    return set(re.findall(r" of (p\d)$", text, re.MULTILINE))


def test_a_correction_added_edited_and_removed_reruns_one_participant_and_no_network(
    run_snakemake, plan, project, scans, tmp_path
):
    model = {"model": str(tmp_path / "model")}
    (tmp_path / "model" / "fold_0").mkdir(parents=True)
    for name in ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth"):
        (tmp_path / "model" / name).touch()
    config = cohort(scans, segment=model)
    done = run_snakemake(config=config, project=project)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "corrections" / "study"
    folder.mkdir(parents=True)
    correction = folder / "p2.nii.gz"

    def check(what):
        outcome = plan(config, project=project)
        for rule in AFTER_A_MASK | {"collect_measurements", "write_report"}:
            assert outcome.jobs.get(rule) == 1, f"{what}: {rule}"
        assert not {"segment_batch", "convert_series", "index_series"} & outcome.jobs.keys(), what
        assert _jobs_of_participants(outcome.text) == {"p2"}, what
        done = run_snakemake(config=config, project=project)
        assert done.returncode == 0, done.stdout + done.stderr
        assert plan(config, project=project).jobs == {}, what

    correction.write_text("first")
    os.utime(correction, (1, 1))  # older than every result, as a copied file may be
    check("added")
    correction.write_text("second")
    os.utime(correction, (1, 1))
    check("edited")
    (folder / "p2_bodies.nii.gz").write_text("bodies")
    check("bodies added")
    os.utime(correction)
    assert plan(config, project=project).jobs == {}, "the same content under a new date"
    (folder / "p2_bodies.nii.gz").unlink()
    correction.unlink()
    check("removed")


def test_a_correction_for_nobody_is_answered_with_names_that_come_near(plan, scans, tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    (folder / "p11.nii.gz").touch()
    (folder / "p2.mha").touch()
    config = cohort(scans)
    config["cohort"]["corrections"] = str(folder)
    outcome = plan(config)
    assert not outcome.ok
    assert "p11.nii.gz: no participant p11 in this cohort; near it: p1" in outcome.text
    assert "p2.mha: save it as one of .nii.gz" in outcome.text
    assert "Traceback" not in outcome.text


def test_a_folder_of_corrections_that_is_named_must_exist(plan, scans):
    config = cohort(scans)
    config["cohort"]["corrections"] = "nowhere"
    outcome = plan(config)
    assert not outcome.ok
    assert "cohort.corrections: nowhere not found" in outcome.text


def test_masks_are_exported_for_editing_on_demand_only(plan, scans):
    assert "export_for_editing" not in plan(cohort(scans)).jobs
    jobs = plan(cohort(scans), "results/study/editing/p1").jobs
    assert jobs["export_for_editing"] == jobs["label_vertebrae"] == 1
    assert "measure_scan" not in jobs


def test_a_demo_in_the_workflows_folder_is_not_taken_for_the_one_here(plan, project):
    (project / "demo").mkdir()
    (project / "demo" / "clinical.csv").write_text("participant_id\n")
    text = plan(None, "models", project=project).text
    reason = text.partition("Admitting patients to the models")[2].partition("Reason: ")[2]
    made_first = reason.partition("\n")[0].partition("updated by another job: ")[2].split(", ")
    assert "demo/clinical.csv" in made_first
