"""A small cohort with masks, run once undisturbed, and copies of it to disturb."""

import shutil
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from killing import Workflow

from bonecast.phantom.cohort import draw_cohort
from bonecast.phantom.demo import write_participant

MEMBERS = ("A009", "B022")
"""A scan that is measured, and a folder without one."""


@pytest.fixture(scope="package")
def cohort_folder(tmp_path_factory, repo) -> Path:
    """Input and configuration of the cohort."""
    folder = tmp_path_factory.mktemp("cohort")
    seed = yaml.safe_load((repo / "config.yaml").read_text(encoding="utf-8"))["demo"]["seed"]
    for name in ("masks", "bodies"):
        (folder / name).mkdir()
    for person in draw_cohort(seed):
        if person.participant_id in MEMBERS:
            write_participant(person, folder / "dicom", folder)
    config = {
        "cohort": {"name": "study", "input": "dicom"},
        "segment": {"backend": "masks", "masks": "masks", "bodies": "bodies"},
        "measure": {"radiomics": {"enabled": False}},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


@pytest.fixture
def workflow(cohort_folder, tmp_path, repo) -> Workflow:
    """The cohort in a folder of its own, nothing run yet."""
    shutil.copytree(cohort_folder, tmp_path / "study")
    return Workflow(repo, tmp_path / "study", ("features", "--configfile", "study.yaml"))


@pytest.fixture(scope="package")
def undisturbed(cohort_folder, tmp_path_factory, repo) -> Path:
    """Results of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed") / "study"
    shutil.copytree(cohort_folder, folder)
    workflow = Workflow(repo, folder, ("features", "--configfile", "study.yaml"))
    assert workflow.run(), workflow.output[-6000:]
    return workflow.results
