"""The profile for Slurm as Snakemake reads it; no cluster is needed."""

import re
from pathlib import Path

import pytest
from snakemake.profiles import ProfileConfigFileParser

VARIABLES = ("PARTITION", "GPU_PARTITION", "ACCOUNT", "SCRATCH")


@pytest.fixture
def profile(repo, monkeypatch):
    """A function that reads the profile with these variables set, and no others."""

    def read(**named: str) -> dict:
        for name in VARIABLES:
            monkeypatch.delenv(f"BONECAST_SLURM_{name}", raising=False)
        for name, value in named.items():
            monkeypatch.setenv(f"BONECAST_SLURM_{name}", value)
        with Path(repo, "profiles", "slurm", "config.yaml").open(encoding="utf-8") as stream:
            return ProfileConfigFileParser().parse(stream)

    return read


def test_the_environment_names_what_differs_between_clusters(profile):
    given = profile(PARTITION="all", GPU_PARTITION="a100", ACCOUNT="42", SCRATCH="$JOB/x")
    # Quoted: Snakemake would take `all` for Python's function.
    assert {"slurm_partition='all'", "slurm_account='42'", "tmpdir=$JOB/x"} <= set(
        given["default-resources"]
    )
    assert "segment_batch:slurm_partition='a100'" in given["set-resources"]


def test_without_it_slurm_decides(profile):
    told = str(profile()["default-resources"]) + str(profile()["set-resources"])
    assert "slurm" not in told and "tmpdir" not in told


def test_gpus_are_not_limited_and_arrays_are_off(profile):
    assert profile()["resources"] == ["gslot=1"]
    assert "slurm-array-jobs" not in profile()


def test_every_rule_and_group_it_names_is_one(profile, repo, run_snakemake):
    rules = set(run_snakemake("--list-rules", "--quiet").stdout.split())
    read = profile(GPU_PARTITION="gpu")
    groups = dict(entry.split("=") for entry in read["groups"])
    assert groups.keys() <= rules
    assert {entry.partition(":")[0] for entry in read["set-resources"]} <= rules
    text = "".join(path.read_text(encoding="utf-8") for path in repo.glob("rules/*.smk"))
    by_batch = set(re.findall(r'with_batch\("(\w+)"\)', text))
    components = {entry.partition("=")[0] for entry in read["group-components"]}
    assert components <= by_batch | set(groups.values())


def test_participants_share_jobs_within_their_batch(repo, run_snakemake):
    """43 participants in batches of 20, ten to a job; every job of theirs is in a group."""
    done = run_snakemake("--workflow-profile", str(repo / "profiles/slurm"), "--dry-run")
    assert done.returncode == 0, done.stderr[-2000:]
    text = done.stdout + done.stderr
    groups = re.findall(r"Group job (\w+) .*?\n((?:\n|    .*\n)*)", text)
    members = [
        (name, set(re.findall(r"participants/(\w+)/", body)))
        for name, body in groups
        if name.startswith(("ingest", "scan"))
    ]
    ids = sorted(set().union(*(found for _, found in members)))
    assert len(ids) == 43
    for name, found in members:
        batch = int(name.rpartition("_")[2])
        assert found <= set(ids[20 * (batch - 1) : 20 * batch]) and len(found) <= 10
    assert len(members) == 10
