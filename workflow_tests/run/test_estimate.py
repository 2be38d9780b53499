"""The expected end of a run: from what is done, with jobs that take turns, or too early to say."""

from datetime import datetime, timedelta

import pytest

from bonecast.run.estimate import expected_end
from bonecast.run.log import DONE, RUNNING, Job, Run

START = datetime(2026, 1, 1)


def run_of(lanes: dict[str, tuple[int, float, int, int]]) -> tuple[Run, datetime]:
    """A run of rules, each with jobs planned, seconds of each, lanes and jobs done."""
    run, now = Run(), START
    for rule, (total, seconds, wide, done) in lanes.items():
        run.totals[rule] = total
        for number in range(done):
            begun = START + timedelta(seconds=seconds * (number // wide))
            ended = begun + timedelta(seconds=seconds)
            run.jobs[len(run.jobs)] = Job(rule, started=begun, ended=ended, state=DONE)
            now = max(now, ended)
    return run, now


def test_what_remains_goes_at_the_pace_so_far():
    run, now = run_of({"measure_scan": (100, 10.0, 4, 40)})
    assert expected_end(run, now).seconds == pytest.approx(150)


def test_jobs_that_take_turns_are_not_hurried_by_those_that_do_not():
    run, now = run_of({"ingest_scan": (160, 10.0, 16, 160), "segment_batch": (50, 100.0, 1, 10)})
    assert expected_end(run, now).seconds == pytest.approx(4000)


def test_running_jobs_have_a_part_behind_them():
    run, now = run_of({"measure_scan": (11, 10.0, 1, 10)})
    begun = now - timedelta(seconds=0)
    run.jobs[99] = Job("measure_scan", started=begun, state=RUNNING)
    later = now + timedelta(seconds=6)
    assert expected_end(run, later).seconds == pytest.approx(4)


def test_too_early_where_most_has_never_run():
    lanes = {"ingest_scan": (1000, 5.0, 4, 200), "measure_scan": (1000, 1.0, 1, 0)}
    run, now = run_of(lanes)
    early = expected_end(run, now)
    assert early.seconds is None and early.without == ["measure_scan"]
    known = expected_end(run, now, {"measure_scan": 8.0})
    assert known.seconds == pytest.approx((800 * 5 + 1000 * 8) / 4)
    assert expected_end(Run(totals={"ingest_scan": 3}), START).seconds is None


def test_no_end_is_told_where_only_jobs_that_never_ran_are_left():
    run, now = run_of({"measure_scan": (20, 10.0, 4, 20), "judge_models": (3, 1.0, 1, 0)})
    assert expected_end(run, now).seconds is None
    assert expected_end(run, now, {"judge_models": 60.0}).seconds == pytest.approx(60)


def test_single_jobs_to_come_are_named_not_guessed():
    run, now = run_of({"measure_scan": (40, 10.0, 4, 20), "write_report": (1, 1.0, 1, 0)})
    found = expected_end(run, now)
    assert found.seconds == pytest.approx(50) and found.without == ["write_report"]
