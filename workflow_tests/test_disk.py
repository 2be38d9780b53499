"""What stays on the disk with disk.keep: measurements, and what later runs then make again."""

import runpy

import numpy as np
import pytest

from bonecast.images import save
from bonecast.phantom.anatomy import draw_torso
from bonecast.phantom.demo import true_masks
from bonecast.phantom.torso import Scanner, image_torso

NETWORK = {"ingest_scan", "segment_batch"}
AFTER_A_MASK = {"label_vertebrae", "measure_scan"}
FIGURE = "results/study/figures/vbmd_by_age.png"


@pytest.fixture
def study(scans, tmp_path):
    """The configuration of three empty scans in two batches of a network, CTs not kept."""
    model = tmp_path / "model"
    (model / "fold_0").mkdir(parents=True)
    for name in ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth"):
        (model / name).touch()
    return {
        "cohort": {"name": "study", "input": str(scans)},
        "segment": {"model": str(model), "batch_size": 2},
        "disk": {"keep": "measurements"},
    }


def cts(tmp_path) -> list:
    """Every CT below results/."""
    return list(tmp_path.glob("results/**/ct.nii.gz"))


def test_cts_go_and_later_runs_make_those_that_they_need(
    study, project, run_snakemake, plan, tmp_path, scans
):
    def run(*targets):
        done = run_snakemake(*targets, config=study, project=project)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def jobs(*targets, **changes):
        outcome = plan(study | changes, *targets, project=project)
        assert outcome.ok, outcome.text
        return outcome.jobs

    told = run("features", FIGURE)
    # The first batch is whole before the second is begun: few CTs wait.
    places = [told.index(f"Listing the series of {name} ") for name in ("p1", "p2", "p3")]
    assert max(places) == places[2]
    assert cts(tmp_path) == []
    left = {path.name for path in (tmp_path / "results/study/participants/p1").iterdir()}
    kept = {"series.tsv", "ct.json", "segmentation.json", "density.tsv", "radiomics.tsv"}
    assert left >= kept | {"vertebrae.nii.gz", "bodies.nii.gz", "tissue.nii.gz"}
    assert jobs("features", FIGURE) == {}
    assert jobs("features", disk={"keep": "all"}) == {}

    figures = jobs(FIGURE, figures={"dpi": 100})
    assert figures == {"draw_vbmd_by_age": 1}
    again = jobs("features", measure={"strength": {"law": "kopperdahl2002"}})
    assert again["ingest_scan"] == again["measure_scan"] == 3
    editing = "results/study/editing/p1"
    assert jobs(editing) == {"ingest_again": 1, "export_for_editing": 1}
    run(editing)
    assert jobs("features", editing) == {}
    assert cts(tmp_path) == []

    folder = tmp_path / "corrections" / "study"
    folder.mkdir(parents=True)
    (folder / "p2.nii.gz").write_text("corrected")
    corrected = jobs("features")
    for rule in AFTER_A_MASK | {"ingest_again", "collect_measurements"}:
        assert corrected.get(rule) == 1, rule
    assert not NETWORK & corrected.keys()
    run("features")
    assert jobs("features") == {}
    assert not (tmp_path / "results/study/again").exists()

    (folder / "p2.nii.gz").unlink()
    batch = {"ingest_scan": 2, "segment_batch": 1, "label_vertebrae": 2, "measure_scan": 2}
    assert jobs("features").items() >= batch.items()
    (folder / "p2.nii.gz").write_text("corrected")

    (scans / "p4.nii.gz").touch()
    added = jobs("features")
    assert added["segment_batch"] == 1
    assert {added[rule] for rule in AFTER_A_MASK | {"ingest_scan"}} == {2}


def test_the_same_is_measured_and_the_same_scan_is_made_again(run_snakemake, tmp_path):
    rng = np.random.default_rng(3)
    torso = draw_torso(rng, trabecular_hu=140, texture_hu=5)
    centre = tuple(torso.vertebra("L2").centre - [0, 15, 0])
    ct, label = image_torso(torso, Scanner((40, 60, 80), (2, 2, 2), centre, 8, 0.8), rng)
    for folder, volume in (("scans", ct), ("masks", ct.like(true_masks(label)[1]))):
        (tmp_path / folder).mkdir()
        save(volume, tmp_path / folder / "p1.nii.gz")
    read = {}
    for keep in ("all", "measurements"):
        config = {
            "cohort": {"name": keep, "input": "scans"},
            "segment": {"backend": "masks", "masks": "masks"},
            "measure": {"radiomics": {"enabled": False}},
            "disk": {"keep": keep},
        }
        targets = (f"results/{keep}/tables/vertebrae.tsv", f"results/{keep}/editing/p1")
        done = run_snakemake(*targets, config=config)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        results = tmp_path / "results" / keep
        assert (results / "participants/p1/ct.nii.gz").exists() == (keep == "all")
        paths = (results / "tables/vertebrae.tsv", results / "editing/p1/ct.nii.gz")
        read[keep] = [path.read_bytes() for path in paths]
    assert read["all"] == read["measurements"]
    assert b"L2" in read["all"][0]


def test_the_tables_of_the_page_are_made_from_the_measured_figures(repo):
    made = runpy.run_path(str(repo / "docs" / "scaling.py"))
    text = (repo / "docs" / "scaling.md").read_text(encoding="utf-8")
    figures = made["read"](repo / "docs" / "scaling.tsv")
    assert text == made["page"](text, figures), "run: .venv/bin/python docs/scaling.py"
    with pytest.raises(ValueError, match="no place for the table"):
        made["page"]("", figures)
