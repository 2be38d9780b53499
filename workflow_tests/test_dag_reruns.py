"""What would run again after an edit or a correction: one run of empty adapters, then plans."""

import os
import re


def test_an_edit_of_a_measurement_reruns_measuring_and_what_follows(
    run_snakemake, plan, project, scans, cohort, tmp_path
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
    assert not {"ingest_scan", "label_vertebrae"} & jobs.keys()

    density.write_text(original)
    assert plan(config, project=project).jobs == {}

    (tmp_path / "results/study/participants/p1/qc.png").write_text("another picture")
    jobs = plan(config, project=project).jobs
    assert jobs["draw_contact_sheet"] == 1 and "measure_scan" not in jobs


def test_other_weights_or_class_names_of_a_model_segment_again(
    run_snakemake, plan, project, scans, tmp_path, cohort
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
    run_snakemake, plan, project, scans, tmp_path, cohort
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
    run_snakemake, plan, project, scans, tmp_path, cohort
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
        "write_ledger",
        "collect_measurements",
        "find_segmentation_outliers",
        "total",
    }
    table.write_text("participant_id\tlevel_shift\np1\t\np2\t1\np3\t\n")
    jobs = plan(config, "features", project=project).jobs
    assert (jobs["label_vertebrae"], jobs["measure_scan"]) == (1, 1)


def test_an_edited_list_of_excluded_levels_measures_again_whom_it_changes(
    run_snakemake, plan, project, scans, tmp_path, cohort
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
    assert outcome.jobs["measure_scan"] == 1
    assert _jobs_of_participants(outcome.text) == {"p3"}
    assert "label_vertebrae" not in outcome.jobs
    table.write_text("participant_id\tlevel\np4\tL2\np1\tL9\n")
    text = plan(config, "features", project=project).text
    assert "no participant p4 in this cohort" in text and "level 'L9'" in text


AFTER_A_MASK = {"label_vertebrae", "measure_scan"}
"""What is made again of a participant whose mask changed; then come the cohort's tables."""


OF_EVERYONE = {
    "collect_measurements",
    "draw_body_composition",
    "draw_contact_sheet",
    "draw_example_segmentations",
    "find_segmentation_outliers",
    "write_ledger",
    "write_report",
}
"""Some of what is made of the files of every scan, named as inputs or not."""


def _jobs_of_participants(text: str) -> set[str]:
    """Participants named in the messages of planned jobs."""
    return set(re.findall(r" of (p\d)$", text, re.MULTILINE))


def test_a_correction_added_edited_and_removed_reruns_one_participant_and_no_network(
    run_snakemake, plan, project, scans, tmp_path, cohort
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
        for rule in AFTER_A_MASK | OF_EVERYONE:
            assert outcome.jobs.get(rule) == 1, f"{what}: {rule}"
        assert not {"segment_batch", "ingest_scan"} & outcome.jobs.keys(), what
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


def test_a_correction_for_nobody_is_answered_with_names_that_come_near(
    plan, scans, tmp_path, cohort
):
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


def test_a_folder_of_corrections_that_is_named_must_exist(plan, scans, cohort):
    config = cohort(scans)
    config["cohort"]["corrections"] = "nowhere"
    outcome = plan(config)
    assert not outcome.ok
    assert "cohort.corrections: nowhere not found" in outcome.text


def test_masks_are_exported_for_editing_on_demand_only(plan, scans, cohort):
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


def test_an_input_a_named_series_or_a_mask_that_changes_reruns_its_participant_only(
    run_snakemake, plan, project, scans, tmp_path, cohort
):
    table, masks = tmp_path / "participants.tsv", tmp_path / "masks"
    rows = "participant_id\tpath\tseries\np1\t\t\np2\t\t\np3\tDoe_Jane\tS01\n"
    table.write_text(rows)
    (scans / "p3").rename(scans / "Doe_Jane")
    masks.mkdir()
    for name in ("p1", "p2"):
        (masks / f"{name}.nii.gz").touch()
    config = cohort(scans)
    config["cohort"]["participants"], config["segment"]["masks"] = str(table), str(masks)
    done = run_snakemake("segmentations", config=config, project=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert plan(config, "segmentations", project=project).jobs == {}

    every = ("ingest_scan", "label_vertebrae", "measure_scan")

    def changed(what: str, who: str, *rules: str) -> None:
        outcome = plan(config, "segmentations", project=project)
        assert "Doe" not in outcome.text
        assert _jobs_of_participants(outcome.text) == {who}, what
        jobs = {rule: outcome.jobs[rule] for rule in every if rule in outcome.jobs}
        assert jobs == dict.fromkeys(rules, 1), what

    table.write_text(rows.replace("p2\t\t", "p2\t\tS02"))
    changed("another series", "p2", *every)
    table.write_text(rows)
    mask = masks / "p2.nii.gz"
    before = mask.stat()
    mask.write_text("drawn again")
    changed("another mask", "p2", *every[1:])
    mask.write_text("")
    os.utime(mask, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert plan(config, "segmentations", project=project).jobs == {}
    (scans / "Doe_Jane" / "one more.dcm").touch()
    changed("a file more", "p3", *every)
    (scans / "Doe_Jane").rename(scans / "Doe_J")
    table.write_text(rows.replace("Doe_Jane", "Doe_J"))
    changed("another path", "p3", *every)


def test_figures_are_made_again_where_scans_and_masks_are_gone(
    run_snakemake, plan, project, scans, tmp_path, cohort
):
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\np1\np2\np3\n")
    config = cohort(scans)
    config["cohort"]["participants"] = str(table)
    done = run_snakemake(config=config, project=project)
    assert done.returncode == 0, done.stdout + done.stderr
    scans.rename(scans.with_name("unmounted"))
    stopped = plan(config, project=project)
    assert not stopped.ok and "cohort.frozen" in stopped.text
    (tmp_path / "results" / "study" / "figures" / "flow_diagram.png").unlink()
    config["cohort"]["frozen"] = True
    assert plan(config, "figures", project=project).jobs == {"draw_flow_diagram": 1, "figures": 1}
