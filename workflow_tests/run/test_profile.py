"""The profile for this machine: what it evaluates to."""

import os

import yte


def test_jobs_together_may_take_no_more_than_the_machine_has(repo):
    text = (repo / "profiles/default/config.yaml").read_text(encoding="utf-8")
    profile = yte.process_yaml(text)
    limits = dict(entry.split("=") for entry in profile["resources"])
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
    assert limits.keys() == {"mem_mb", "gpu"} and limits["gpu"] == "1"
    # A container may have less than its machine.
    assert 100 < int(limits["mem_mb"]) <= 0.9 * memory
    assert (profile["cores"], profile["keep-going"], profile["retries"]) == ("all", True, 0)
