"""The code that tells what a table of results says, on tables small enough to check by hand."""

import importlib
import json
import re
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent


@pytest.fixture(scope="module")
def modules():
    """The modules beside this file, found as they find each other."""
    sys.path.insert(0, str(BENCHMARKS))
    names = ("contest", "summary", "page", "figure", "run_all")
    found = {name: importlib.import_module(name) for name in names}
    yield found
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def summary(modules):
    return modules["summary"]


def row(contender, role, number, cpu_s, wall_s, *, part="ingest", case="short", facts="", peak=50):
    about = {"input": "x", "version": "v 1", "machine": "m", "python": "3", "load": "1.0"}
    return {
        "part": part,
        "case": case,
        "contender": contender,
        "role": role,
        "round": str(number),
        "cpu_s": str(cpu_s),
        "wall_s": str(wall_s),
        "peak_mb": str(peak),
        "facts": facts,
        "date": "2026-01-01",
    } | about


@pytest.fixture
def rounds():
    """Three rounds; the peer takes 2, 3 and 10 times our CPU seconds, and missed no round."""
    return [
        row("peer", "peer", 1, 2, 8),
        row("ours", "ours", 1, 1, 2, facts="jobs=2 start_cpu_s=0.5"),
        row("ours", "ours", 2, 2, 4, facts="jobs=2 start_cpu_s=0.7"),
        row("peer", "peer", 2, 6, 4),
        row("ours", "ours", 3, 4, 4, facts="jobs=2 start_cpu_s=0.9"),
        row("peer", "peer", 3, 40, 8),
    ]


def test_ratios_are_of_the_same_round(summary, rounds):
    ours, peer = summary.lines(rounds)
    assert (ours.contender, ours.cpu_times, ours.cpu_s, ours.wall_s) == ("ours", None, 2, 4)
    assert ours.facts == {"jobs": 2, "start_cpu_s": 0.7}
    assert peer.cpu_times == summary.Spread(3, 2, 10)
    assert peer.wall_times == summary.Spread(2, 1, 4)
    _, peer = summary.lines([one for one in rounds if one["round"] != "2"])
    assert peer.cpu_times == summary.Spread(6, 2, 10)


def test_a_round_that_ours_missed_is_not_compared(summary, rounds):
    ours, peer = summary.lines(rounds[:2] + rounds[3:4])
    assert (ours.rounds, peer.rounds) == (1, 2)
    assert peer.cpu_times == summary.Spread(2, 2, 2)
    (peer,) = summary.lines([one for one in rounds if one["role"] == "peer"])
    assert peer.cpu_times is None


def test_a_case_that_was_measured_again_replaces_the_old_one(summary, rounds):
    other = row("ours", "ours", 1, 9, 9, case="long")
    again = [row("ours", "ours", 1, 7, 7)]
    merged = summary.merge([*rounds, other], again)
    assert merged == [*again, other]
    assert summary.merge([], rounds) == rounds


@pytest.fixture
def run_of_two_scans():
    """100 CPU seconds: 40 and 20 of rules with a job a scan, 30 of the network, 4 of a figure,
    6 of Snakemake itself."""

    def step(name, jobs, cpu_s, start):
        facts = f"scans=2 cores=1 jobs={jobs} start_cpu_s={start}"
        return row(name, "step", 1, cpu_s, cpu_s, part="pipeline", facts=facts)

    return [
        step("ingest_scan", 2, 40, 10),
        step("measure_scan", 2, 20, 8),
        step("segment_batch", 1, 30, 1),
        step("draw_flow", 1, 4, 3),
        row("Snakemake itself", "step", 1, 6, 100, part="pipeline", facts="scans=2 cores=1"),
        step("whole run", 6, 100, 22),
    ]


def test_where_the_time_of_a_run_goes(summary, run_of_two_scans):
    steps = summary.steps(run_of_two_scans)
    assert [step.name for step in steps][:3] == ["ingest_scan", "segment_batch", "measure_scan"]
    assert steps[-1].name == "whole run"
    assert [step.share.middle for step in steps] == [0.4, 0.3, 0.2, 0.06, 0.04, 1]
    assert summary.scans_of(run_of_two_scans) == 2
    assert summary.costs(steps, 2) == {
        "a_scan": 45,
        "segmentation": 15,
        "start": 9.5,
        "the_cohort": 4,
        "snakemake": 6,
    }


def test_numbers_have_three_digits(summary):
    assert [summary.number(value) for value in (0.4, 2.345, 23.45, 234.5, 12345)] == [
        "0.40",
        "2.35",
        "23.4",
        "234",
        "12,345",
    ]


def test_the_page_is_filled_between_its_marks_alone(modules, rounds):
    page = "by hand\n<!-- results of ingest -->\nold\n<!-- end -->\nby hand, too\n"
    filled = modules["page"].filled(page, rounds)
    assert filled.startswith("by hand\n<!-- results of ingest -->\n| case |")
    assert filled.endswith("<!-- end -->\nby hand, too\n") and "old" not in filled
    assert "| 3.00 (2.00 to 10.0) |" in filled and "medians of 3 rounds" in filled
    assert modules["page"].filled(filled, rounds) == filled


def test_the_page_says_what_the_table_says(modules):
    page, rows = modules["page"], modules["contest"].read_rows(modules["page"].TABLE)
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.filled(text, rows) == text
    marked = {match[2] for match in page.MARKED.finditer(text)}
    assert marked == set(page.PARTS) == set(modules["run_all"].PARTS)
    assert {row["part"] for row in rows} <= marked
    for part in marked:
        assert (BENCHMARKS / f"bench_{part}.py").is_file()


def test_a_process_is_measured_and_may_say_what_it_took(modules):
    contest = modules["contest"]
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    taken = contest.run([sys.executable, "-c", burn])
    assert 0.3 <= taken.cpu_s < 3 and taken.wall_s >= 0.3 and taken.peak_mb > 3
    say = 'print(\'MEASURED {"cpu_s": 7, "dice": 0.5}\')'
    taken = contest.run([sys.executable, "-c", say])
    assert (taken.cpu_s, taken.facts) == (7, {"dice": 0.5}) and taken.wall_s < 60
    with pytest.raises(contest.ContestError, match="status 3"):
        contest.run([sys.executable, "-c", "raise SystemExit(3)"])


def test_a_peer_that_fails_is_left_out_and_the_others_go_on(modules, capsys):
    contest = modules["contest"]
    order = []

    def works(name):
        return lambda number: order.append((number, name)) or contest.Taken(1.0, 2.0, 3.0)

    def fails(number):
        raise contest.ContestError("no such program")

    everyone = [
        contest.Contender("ours", "ours", "1", works("ours")),
        contest.Contender("broken", "peer", "1", fails),
        contest.Contender("peer", "peer", "1", works("peer")),
    ]
    rows = contest.compete("ingest", "short", "nothing", everyone, 2)
    assert order == [(1, "ours"), (1, "peer"), (2, "peer"), (2, "ours")]
    assert {row["contender"] for row in rows} == {"ours", "peer"}
    assert capsys.readouterr().err.count("FAILED, left out: broken: no such program") == 1


def test_a_table_comes_back_as_it_was_written(modules, tmp_path, rounds):
    contest = modules["contest"]
    contest.write_rows(rounds, tmp_path / "new" / "part.tsv")
    assert contest.read_rows(tmp_path / "new" / "part.tsv") == rounds
    assert contest.read_rows(tmp_path / "none.tsv") == []


def test_the_figure_is_drawn(modules, summary, rounds, run_of_two_scans, tmp_path):
    draw = modules["figure"].draw
    draw(summary.lines(rounds), summary.steps(run_of_two_scans), 2, tmp_path)
    text = (tmp_path / "benchmarks.svg").read_text(encoding="utf-8")
    for word in ("short: peer", "3.00", "ingest_scan, 2 jobs", "Snakemake itself", "40.0"):
        assert word in text, word
    assert (tmp_path / "benchmarks.png").stat().st_size > 10_000


def test_a_job_tells_what_it_took_and_when_its_work_began(modules, tmp_path):
    script = tmp_path / ".snakemake" / "scripts" / "tmpab_1c2.measure_scan.py"
    script.parent.mkdir(parents=True)
    until = "while time.process_time() < {}: pass"
    child = (
        "subprocess.run([sys.executable, '-c', 'import time\\nwhile time.process_time() < .3: 0'])"
    )
    lines = [
        "import subprocess, sys, time",
        until.format(0.3),
        f"open({str(tmp_path / 'a.log')!r}, 'w').close()",
        child,
    ]
    script.write_text("\n".join([*lines, until.format(0.5)]), encoding="utf-8")
    environment = {"PYTHONPATH": str(BENCHMARKS / "trace"), "BONECAST_TRACE": str(tmp_path)}
    modules["contest"].run([sys.executable, script], environment)
    (told,) = tmp_path.glob("*.json")
    job = json.loads(told.read_text(encoding="utf-8"))
    assert job["rule"] == "measure_scan"
    assert 0.3 <= job["start_cpu_s"] < 0.5 and job["cpu_s"] >= 0.8
    assert 3 < job["peak_mb"] < 200


def test_peers_are_pinned_with_hashes():
    wanted = (BENCHMARKS / "peers.in").read_text(encoding="utf-8").splitlines()
    lock = (BENCHMARKS / "peers.txt").read_text(encoding="utf-8")
    pinned = re.findall(
        r"^([\w.-]+==[^\s\\]+)[^\n]*\\\n\s+--hash=sha256:\w{64}", lock, re.MULTILINE
    )
    assert {line for line in wanted if not line.startswith("#")} <= set(pinned)
    assert len(pinned) == len(re.findall(r"^\w", lock, re.MULTILINE))
