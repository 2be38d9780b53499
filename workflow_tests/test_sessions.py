"""Several scans of one participant: names, the baseline, what is planned, and a run for real."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest

from bonecast.cohort import CohortError, read_cohort
from bonecast.excluded_levels import read_excluded_levels
from bonecast.images import save
from bonecast.measure.calibration.tables import read_rods
from bonecast.phantom.anatomy import draw_torso
from bonecast.phantom.demo import true_masks
from bonecast.phantom.torso import Scanner, image_torso
from bonecast.sessions import baselines, same_patients

VISITS = "participant_id\tsession_id\tdays\np1\t1\t0\np1\t2\t365\np2\t\t\n"


@pytest.fixture
def read(tmp_path):
    """A function that reads a participants table given as text."""

    def read(text: str, **more):
        path = tmp_path / "participants.tsv"
        path.write_text(text, encoding="utf-8")
        return read_cohort(str(tmp_path), str(path), ".", **more)

    return read


def test_a_scan_is_called_by_participant_and_session(read):
    cohort = read(VISITS)
    assert [row.scan_id for row in cohort] == ["p1_ses-1", "p1_ses-2", "p2"]
    assert [(row.session_id, row.days) for row in cohort] == [("1", 0), ("2", 365), ("", None)]


def test_a_scan_without_a_path_is_the_folder_or_file_of_its_name(read, tmp_path):
    (tmp_path / "p1_ses-1").mkdir()
    (tmp_path / "p1_ses-2.nii.gz").touch()
    (tmp_path / "p1").mkdir()
    paths = [row.path.removeprefix(f"{tmp_path}/") for row in read(VISITS)]
    assert paths == ["p1_ses-1", "p1_ses-2.nii.gz", "p2"]


@pytest.mark.parametrize(
    ("days", "first", "last"),
    [
        ((None, None, None), 0, 2),
        ((200, 0, 100), 1, 0),
        ((200, None, 0), 0, 2),  # not dated throughout: by row
        ((0, 50, 50), 0, 2),
        ((0, 0, 50), 0, 2),
    ],
)
def test_the_baseline_goes_by_days_where_all_are_dated_else_by_row(days, first, last):
    rows = [("a", day) for day in days]
    for rule, place in (("first", first), ("last", last)):
        assert baselines([*rows, ("b", None)], rule) == [*(i == place for i in range(3)), True]


def test_the_configuration_says_which_scan_is_the_baseline(read):
    assert [row.baseline for row in read(VISITS)] == [True, False, True]
    assert [row.baseline for row in read(VISITS, baseline="last")] == [False, True, True]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (["p1,1,,", "p1,1,,"], "row 3: participant_id p1 with session_id 1 is already in row 2"),
        (["p1,,,", "p1,,,"], "row 3: .* in row 2; several scans .* need a session_id each"),
        (["p1,1,,", "p1,,,"], "row 3: participant_id p1 has a session_id in other rows"),
        (["p1,a,,", "p1,A,,"], "row 3: .* p1_ses-A, which file systems may not .* p1_ses-a of row"),
        (["p1,,,", "P1,,,"], "row 3: participant_id P1 .* may not tell from p1 of row 2"),
        (["p1,a,,", "p1_ses-a,,,"], "row 3: .* is written p1_ses-a"),
        (["p1,a_b,,"], "row 2: session_id must be letters and digits"),
        (["p1,20240131,,"], "row 2: session_id looks like a date"),
        (["p1,1,soon,"], "row 2: days must be a number"),
        (["p1,1,nan,"], "row 2: days must be a number"),
        (["p1,1,20240131,"], "row 2: days must be a number"),
        (["p1,1,,F", "p1,2,,M"], "row 2: participant_id p1 has sex F in row 2 and M in row 3"),
    ],
)
def test_sessions_that_cannot_be_are_listed(read, rows, problem):
    table = "\n".join(["participant_id,session_id,days,sex", *rows, ",,,"])
    with pytest.raises(CohortError, match=problem) as caught:
        read(table.replace(",", "\t"))
    assert "20240131" not in str(caught.value) and "a_b" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


def test_tables_of_scans_name_the_session_or_the_scan(tmp_path):
    scans = ["p1_ses-1", "p1_ses-2", "p2"]
    levels, rods = tmp_path / "levels.tsv", tmp_path / "rods.tsv"
    levels.write_text(
        "participant_id\tsession_id\tlevel\np1\t2\tL1\np1_ses-1\t\tL2\np2\t\tL3\n", encoding="utf-8"
    )
    found = read_excluded_levels(str(levels), scans)
    assert {scan: list(own) for scan, own in found.items()} == {
        "p1_ses-1": ["L2"],
        "p1_ses-2": ["L1"],
        "p2": ["L3"],
    }
    levels.write_text("participant_id\tlevel\np1\tL1\n", encoding="utf-8")
    with pytest.raises(CohortError, match="row 2: no participant p1 .* near it: p1_ses-"):
        read_excluded_levels(str(levels), scans)
    head = "participant_id\tsession_id\trod\tdensity_mgcc\tmean_hu\n"
    rods.write_text(f"{head}p1\t2\tA\t100\t120\n", encoding="utf-8")
    assert list(read_rods(rods, "k2hpo4", scans)) == ["p1_ses-2"]
    rods.write_text(f"{head}p1\t3\tA\t100\t120\n", encoding="utf-8")
    with pytest.raises(CohortError, match="row 2: no participant p1_ses-3"):
        read_rods(rods, "k2hpo4", scans)


def test_ids_that_share_a_scan_are_one_patient_however_they_are_linked():
    rows = [("a", "a1", ""), ("b", "b1", ""), ("b", "b2", "a1"), ("c", "c1", "b1"), ("d", "d", "")]
    assert same_patients(rows) == {"a": "a", "b": "a", "c": "a", "d": "d"}
    # Whatever the order, a group keeps the first of its own.
    for order in itertools.permutations([("a", "a", "c"), ("b", "b", "c"), ("c", "c", "")]):
        assert set(same_patients(order).values()) == {order[0][0]}


def test_every_stage_has_a_job_for_each_scan(plan, scans, cohort, tmp_path):
    table = tmp_path / "participants.tsv"
    table.write_text(VISITS, encoding="utf-8")
    config = cohort(scans)
    config["cohort"]["participants"] = str(table)
    (tmp_path / "corrections/study").mkdir(parents=True)
    (tmp_path / "corrections/study/p1_ses-2_bodies.nii.gz").touch()
    outcome = plan(config, "features", "robustness")
    jobs = outcome.jobs
    for rule in ("ingest_scan", "label_vertebrae", "measure_scan"):
        assert jobs[rule] == 3, rule
    assert jobs["collect_measurements"] == 1
    assert jobs["perturb_radiomics"] == 2, "robustness is drawn from baseline scans"
    assert set(re.findall(r"Naming the vertebrae of (\S+)", outcome.text)) == {
        "p1_ses-1",
        "p1_ses-2",
        "p2",
    }
    assert not plan(config, "results/study/participants/p1/ct.json").ok
    (tmp_path / "corrections/study/p1.nii.gz").touch()
    outcome = plan(config)
    assert not outcome.ok and "near it: p1_ses-" in outcome.text


@pytest.fixture
def study(tmp_path):
    """Two visits of p1, the later one modelled, and p2: phantoms with masks; the configuration."""
    for name in ("scans", "masks"):
        (tmp_path / name).mkdir()
    for seed, name in enumerate(("p1_ses-1", "p1_ses-2", "p2"), start=3):
        rng = np.random.default_rng(seed)
        torso = draw_torso(rng, trabecular_hu=40 * seed, texture_hu=5)
        centre = tuple(torso.vertebra("L2").centre - [0, 15, 0])
        ct, label = image_torso(torso, Scanner((40, 60, 80), (2, 2, 2), centre, 8, 0.8), rng)
        save(ct, tmp_path / "scans" / f"{name}.nii.gz")
        save(ct.like(true_masks(label)[1]), tmp_path / "masks" / f"{name}.nii.gz")
    tables = {
        "participants.tsv": VISITS,
        "levels.tsv": "participant_id\tsession_id\tlevel\np1\t2\tL2\n",
        "clinical.csv": "participant_id,age_years,sex,bmd\np1,60,F,0.8\np2,70,M,0.7\n",
    }
    for name, text in tables.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return {
        "cohort": {
            "name": "visits",
            "input": "scans",
            "participants": "participants.tsv",
            "clinical": "clinical.csv",
            "exclude_levels": "levels.tsv",
            "baseline": "last",
        },
        "segment": {"backend": "masks", "masks": "masks"},
        "measure": {"radiomics": {"enabled": False}},
        "model": {"endpoints": ["bmd"], "blocks": ["clinical", "hu"]},
        "figures": {"dpi": 72},
    }


def test_a_cohort_with_sessions_goes_through_to_the_report(study, run_snakemake, tmp_path):
    done = run_snakemake(config=study)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    folder = tmp_path / "results/visits"
    assert {path.name for path in (folder / "participants").iterdir()} == {
        "p1_ses-1",
        "p1_ses-2",
        "p2",
    }

    scans = pd.read_csv(folder / "tables/scans.tsv", sep="\t", dtype={"session_id": str})
    scans = scans.fillna({"session_id": ""}).set_index(["participant_id", "session_id"])
    assert list(scans.index) == [("p1", "1"), ("p1", "2"), ("p2", "")]
    assert list(scans["baseline"]) == [False, True, True]
    assert list(scans["days"].dropna()) == [0, 365]
    assert (scans["status"] == "ok").all()
    vertebrae = pd.read_parquet(folder / "tables/vertebrae.parquet")
    listed = vertebrae[vertebrae["hu_vol_reason"] == "listed_other"]
    assert listed[["participant_id", "session_id", "level"]].to_numpy().tolist() == [
        ["p1", "2", "L2"]
    ]

    models = folder / "models/bmd"
    modelled = pd.read_parquet(models / "analysis_set.parquet").set_index("participant_id")
    assert list(modelled.index) == ["p1", "p2"]
    hu = "hu_vol_mean_l1l4_hu"
    assert modelled.loc["p1", hu] == pytest.approx(scans.loc[("p1", "2"), hu], abs=0.01)
    left_out = pd.read_csv(models / "exclusions.tsv", sep="\t", dtype=str)
    assert left_out[["participant_id", "session_id", "reason"]].to_numpy().tolist() == [
        ["p1", "1", "not_baseline"]
    ]

    flow = pd.read_csv(folder / "figures/flow_diagram.csv").set_index("step")
    steps = flow[flow["kind"] == "step"]["n"]
    assert (steps["found"], steps["measured"], steps["modelled"]) == (3, 3, 2)
    assert list(flow.loc[flow["kind"] == "excluded", "participant_ids"]) == ["p1_ses-1"]
    assert "2 participants, 3 scans found" in (folder / "summary.txt").read_text()
    assert "of 2 baseline scans" in (folder / "summary.txt").read_text()
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert "2 participants, 3 scans." in report and "scans of 2 participants" in report
    for name in ("p1_ses-1", "p1_ses-2", "p2"):
        assert f'href="participants/{name}/qc.png"' in report
    shown = pd.read_csv(folder / "figures/example_segmentations.csv")["participant_id"]
    assert set(shown) == {"p1_ses-2", "p2"}
