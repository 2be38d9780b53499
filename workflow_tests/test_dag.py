"""What would be run, for which configuration: dry runs, and one run with empty adapters."""

import pstats
import resource
import subprocess
import sys
from math import ceil

import pytest
import yaml

PER_PARTICIPANT = {
    "ingest_scan",
    "label_vertebrae",
    "measure_scan",
}

MODEL_RULES = {"admit_patients", "validate_models", "fit_final_models", "judge_models"}


def test_demo_runs_every_stage_for_every_participant(plan, repo):
    table = (repo / "resources" / "demo" / "participants.tsv").read_text().splitlines()
    participants = len(table) - 1
    assert participants >= 40
    jobs = plan().jobs
    for rule in PER_PARTICIPANT:
        assert jobs.get(rule) == participants, rule
    assert jobs["segment_batch"] == ceil(participants / 20)
    for rule in ("write_demo_cohort", "collect_measurements", *MODEL_RULES, "write_report"):
        assert jobs[rule] == 1, rule
    assert sum(rule.startswith("draw_") for rule in jobs) == 16


def test_training_is_never_part_of_a_run(plan):
    assert "train_embedded_model" not in plan().jobs


def test_a_folder_of_scans_without_clinical_table_ends_at_the_tables(plan, scans, cohort):
    jobs = plan(cohort(scans)).jobs
    assert {jobs[rule] for rule in PER_PARTICIPANT} == {3}
    assert jobs["collect_measurements"] == 1
    assert jobs["write_report"] == 1
    assert not MODEL_RULES & jobs.keys()
    assert not any(rule.startswith("write_demo") for rule in jobs)


def test_with_a_clinical_table_models_are_fitted(plan, scans, tmp_path, cohort):
    clinical = tmp_path / "clinical.csv"
    clinical.write_text("participant_id,age_years,sex,time_years,event\np1,60,F,2,1\n")
    config = cohort(scans)
    config["cohort"]["clinical"] = str(clinical)
    assert plan(config).jobs.keys() >= MODEL_RULES


def test_a_table_alone_is_modelled_and_reported_without_images(plan, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("participant_id,age_years,time_years,event\n")
    model = {"table": str(table), "blocks": ["bones"], "block_columns": {"bones": ["age_years"]}}
    config = {"cohort": {"name": "tabular"}, "model": model}
    assert plan(config, "models").jobs.keys() == MODEL_RULES | {"models"}
    jobs = plan(config).jobs
    assert jobs["judge_models"] == jobs["write_report"] == jobs["draw_flow_diagram"] == 1
    assert not (PER_PARTICIPANT | {"collect_measurements", "write_demo_cohort"}) & jobs.keys()


def test_a_block_that_a_table_does_not_define_is_named(plan, tmp_path):
    model = {"table": str(tmp_path / "table.csv"), "blocks": ["bones"]}
    outcome = plan({"cohort": {"name": "tabular"}, "model": model})
    assert not outcome.ok
    assert "model.blocks: bones: no such block" in outcome.text


def test_backend_masks_runs_no_network(plan, scans, cohort):
    assert "segment_batch" not in plan(cohort(scans)).jobs


@pytest.mark.parametrize(
    ("option", "known"), [("mask_labels", "verse"), ("tissue_labels", "bonecast")]
)
def test_labels_that_are_neither_known_nor_a_file_are_named(plan, scans, option, known, cohort):
    config = cohort(scans)
    config["segment"][option] = "verze"
    outcome = plan(config)
    assert not outcome.ok
    assert f"segment.{option}: verze is neither one of {known}" in outcome.text


def test_a_table_of_scanners_is_matched_with_every_scan(plan, scans, tmp_path, cohort):
    table = tmp_path / "scanners.tsv"
    table.write_text("scanner\tslope\tintercept\tstandard\nS1\t0.8\t0\tk2hpo4\n")
    config = cohort(scans)
    config["cohort"]["calibration"] = str(table)
    assert plan(config).jobs["match_calibration"] == 3
    for method in ("internal", "none"):
        config["measure"] = {"calibration": {"method": method}}
        assert "match_calibration" not in plan(config).jobs


def test_the_demos_calibration_is_not_inherited(plan, scans, cohort):
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
def test_mistakes_of_a_calibration_table_stop_the_run(
    plan, scans, tmp_path, method, text, message, cohort
):
    config = cohort(scans, measure={"calibration": {"method": method}})
    if text:
        (tmp_path / "table.tsv").write_text(text)
        config["cohort"]["calibration"] = str(tmp_path / "table.tsv")
    outcome = plan(config)
    assert not outcome.ok
    assert message in outcome.text


def test_a_row_of_the_calibration_table_that_is_not_there_stops_the_run(
    plan, scans, tmp_path, cohort
):
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


def test_radiomics_can_be_left_out(plan, scans, cohort):
    assert plan(cohort(scans)).jobs["compile_radiomics"] == 1
    outcome = plan(cohort(scans, measure={"radiomics": {"enabled": False}}))
    assert outcome.jobs["measure_scan"] == 3
    assert "compile_radiomics" not in outcome.jobs and "radiomics.tsv" not in outcome.text


def test_robustness_is_measured_only_where_it_is_asked_for(plan, scans, cohort):
    assert "perturb_radiomics" not in plan(cohort(scans)).jobs
    jobs = plan(cohort(scans), "robustness").jobs
    assert (jobs["perturb_radiomics"], jobs["summarise_robustness"]) == (3, 1)
    few = {"radiomics": {"robustness": {"participants": 5}}}
    jobs = plan({"measure": few, "model": {"min_robustness": 0.75}}, "models").jobs
    assert (jobs["perturb_radiomics"], jobs["admit_patients"]) == (5, 1)


@pytest.mark.parametrize(
    ("target", "last", "absent"),
    [
        ("segmentations", "measure_scan", "collect_measurements"),
        ("features", "collect_measurements", "admit_patients"),
        ("models", "judge_models", "draw_calibration"),
        ("figures", "write_publication_tables", "write_report"),
    ],
)
def test_named_targets_stop_where_they_say(plan, target, last, absent):
    jobs = plan(None, target).jobs
    assert last in jobs
    assert absent not in jobs


def test_a_misspelt_key_is_named(plan, scans, cohort):
    outcome = plan(cohort(scans, measure={"min_level": 3}))
    assert not outcome.ok
    assert "min_level" in outcome.text


def test_a_table_with_two_rows_of_one_participant_is_refused_by_row(plan, scans, tmp_path, cohort):
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\np1\np1\np/2\n")
    config = cohort(scans)
    config["cohort"]["participants"] = str(table)
    outcome = plan(config)
    assert not outcome.ok
    assert "row 3: participant_id p1 is already in row 2" in outcome.text
    assert "row 4: participant_id must be letters" in outcome.text


def test_a_mistyped_participant_is_answered_with_the_cohort(plan, scans, cohort):
    outcome = plan(cohort(scans), "results/study/participants/p9/series.tsv")
    assert not outcome.ok
    assert "participant p9 is not in cohort study" in outcome.text


def test_a_cohort_must_not_be_called_demo(plan, scans):
    outcome = plan({"cohort": {"input": str(scans)}})
    assert not outcome.ok
    assert "cohort.name is still 'demo'" in outcome.text


def test_a_missing_scan_is_left_to_the_job_to_record(plan, scans, tmp_path, cohort):
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tpath\np1\t\nlost\tnowhere/lost\n")
    config = cohort(scans)
    config["cohort"]["participants"] = str(table)
    assert plan(config).jobs["ingest_scan"] == 2


def test_masks_that_are_named_must_exist(plan, scans, tmp_path, cohort):
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tmask\ttissue\np1\tlost.nii.gz\t\np2\t\tgone.nii.gz\np9\t\t\n")
    config = cohort(scans)
    config["cohort"]["participants"] = str(table)
    config["segment"]["bodies"] = "nowhere"
    outcome = plan(config)
    assert not outcome.ok
    for problem in (
        "p1: the file of column mask is not found",
        "p2: the file of column tissue is not found",
        "segment.bodies: nowhere is not a folder",
    ):
        assert problem in outcome.text
    assert "p9:" not in outcome.text


def test_a_missing_clinical_table_stops_the_run(plan, scans, cohort):
    config = cohort(scans)
    config["cohort"]["clinical"] = "nowhere.csv"
    outcome = plan(config)
    assert not outcome.ok
    assert "cohort.clinical: nowhere.csv not found" in outcome.text


def test_mistakes_in_a_clinical_table_stop_the_run_before_any_scan(plan, scans, tmp_path, cohort):
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
        "p1, age_years: a text of 5 characters is not an age of 0 to 120 years",
        "p2, time_years: '-3.1' is not a number of years, 0 or more",
        "p3, event: '7' is not 0 (censored), 1 (fracture)",
        "p3: named more than once (row 5)",
    ):
        assert problem in outcome.text
    assert "Traceback" not in outcome.text


def test_a_thousand_participants_are_planned_in_seconds(plan, tmp_path, cohort):
    table = tmp_path / "participants.tsv"
    rows = [f"p{number:04d}\tsite{number % 2}" for number in range(1000)]
    table.write_text("\n".join(["participant_id\tsite", *rows]))
    (tmp_path / "p0000").mkdir()  # a cohort of which nothing is there is refused
    config = cohort(tmp_path)
    config["cohort"]["participants"] = str(table)
    started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    jobs = plan(config, "--quiet", "rules").jobs
    cpu_seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - started
    assert jobs["measure_scan"] == 1000
    assert sum(jobs.values()) - 3 * 1000 < 60, "three jobs a scan, and what is made once"
    # About eight; one pattern of all ids, tried for every file, would take minutes.
    assert cpu_seconds < 30


CALLS_PER_SCAN = 45_000
"""Calls of functions that Snakemake makes to plan one scan more; 40,600 when this was written. They
do not depend on the machine and its load. Every input, output and function of a rule adds to them,
and so does a file that a rule of the cohort takes of every scan."""


def test_planning_one_scan_more_costs_no_more_than_it_did(repo, tmp_path):
    def calls(participants: int) -> int:
        folder = tmp_path / str(participants)
        for number in range(participants):
            (folder / "scans" / f"p{number:03d}").mkdir(parents=True)
        config = {"cohort": {"name": "study", "input": str(folder / "scans")}}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "cProfile", "-o", str(folder / "profile"), "-m"]
        command += ["snakemake", "--snakefile", str(repo / "Snakefile"), "--dry-run"]
        command += ["--quiet", "all", "--directory", str(folder), "--cores", "1"]
        command += ["--configfile", str(folder / "config.yaml")]
        subprocess.run(command, check=True, capture_output=True)
        return pstats.Stats(str(folder / "profile")).total_calls

    assert (calls(60) - calls(20)) / 40 < CALLS_PER_SCAN
