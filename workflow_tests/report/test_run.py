"""The report's section on the run: what it took and where, and nobody's name."""

import getpass
import platform
import re

import pytest
import yaml

from bonecast.report.facts import Paths, gather
from bonecast.report.page import render
from bonecast.versions import source_facts


@pytest.fixture(scope="module")
def page(results, repo, tmp_path_factory):
    """A report with nothing but models and what jobs took."""
    folder = tmp_path_factory.mktemp("benchmarks")
    for name, seconds in {"A009": 61.5, "B022": 3.5}.items():
        path = folder / "participants" / name / "measure_scan.tsv"
        path.parent.mkdir(parents=True)
        path.write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t1234.0\t30.0\n", encoding="utf-8")
    config = yaml.safe_load((repo / "config.yaml").read_text(encoding="utf-8"))
    paths = Paths(models=[results.path("models/fracture/settings.json")], benchmarks=folder)
    return render(gather(paths, "tiny", True, config), paths, config)


def test_the_section_tells_jobs_time_memory_and_code(page):
    section = page.partition('<section aria-labelledby="run">')[2].partition("</section>")[0]
    text = " ".join(re.sub(r"<[^>]+>", " ", section).split())
    assert "measure_scan 2 32.5 61.5 60.0 1.23" in text
    assert "2 jobs took 0.02 hours" in text and "CPython 3." in text
    assert " cores, " in text and "GB memory" in text
    assert f"Bonecast {source_facts()['version']}" in text
    for name in (platform.node(), getpass.getuser()):
        assert not re.search(rf"\b{re.escape(name)}\b", text)
    assert '<a href="#run">' in page
