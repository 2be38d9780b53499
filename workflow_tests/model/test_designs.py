"""Who is learned from and who is predicted, in each design."""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bonecast.model.designs import leave_one_site_out, part_of, repeated_cv, splits_of, temporal
from bonecast.model.jobs import jobs_of
from bonecast.model.recipe import deal_folds
from bonecast.model.validate import Problem

LOG = logging.getLogger("bonecast.test")


def test_folds_hold_each_event_type_evenly():
    strata = np.repeat([0, 1, 2], [31, 13, 7])
    folds = deal_folds(strata, 5, seed=9)
    assert np.ptp(np.bincount(folds)) <= 1
    for group in (0, 1, 2):
        assert np.ptp(np.bincount(folds[strata == group], minlength=5)) <= 1
    assert not np.array_equal(folds, deal_folds(strata, 5, seed=10))
    assert np.array_equal(folds, deal_folds(strata, 5, seed=9))


def test_copies_of_a_patient_are_never_parted():
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, 40, 40)
    folds = deal_folds((drawn % 3 == 0).astype(int), 4, seed=2, copies_of=drawn)
    by_patient = pd.Series(folds).groupby(drawn).nunique()
    assert (by_patient == 1).all()
    assert set(folds) == {0, 1, 2, 3}


def test_every_patient_is_held_out_once_per_repeat():
    splits = repeated_cv(np.repeat([0, 1], 20), folds=4, repeats=3, seed=1)
    assert len(splits) == 12
    assert len({split.seed for split in splits}) == 12
    for repeat in (1, 2, 3):
        held_out = sum(s.test.astype(int) for s in splits if s.repeat == repeat)
        assert (held_out == 1).all()
    assert all((s.train ^ s.test).all() for s in splits)


@pytest.mark.parametrize("how", ["repeats", "folds"])
def test_jobs_divide_the_splits(how):
    splits = repeated_cv(np.repeat([0, 1], 20), folds=4, repeats=3, seed=1)
    settings = {"split_jobs": how, "folds": 4, "repeats": 3}
    parts = [part_of(splits, part) for part in jobs_of("repeated_nested_cv", settings)]
    assert [s for part in parts for s in part] == splits
    assert jobs_of("leave_one_site_out", settings) == ["all"]


def test_a_site_is_predicted_from_all_others():
    site = np.array(["b", "a", "", "b", "c"])
    splits = leave_one_site_out(site, seed=1)
    assert [split.fold for split in splits] == [1, 2, 3]
    for split, name in zip(splits, "abc", strict=True):
        assert set(site[split.test]) == {name}
        # A patient of unknown site is learned from, and is never held out.
        assert np.array_equal(split.train, site != name)
    assert leave_one_site_out(np.array(["a", "a", ""]), seed=1) == []


def test_later_patients_are_predicted_from_earlier_ones():
    entry = np.array([2010, 2015, np.nan, 2016, 2020])
    (split,) = temporal(entry, 2015, seed=1)
    assert split.train.tolist() == [True, True, False, False, False]
    assert split.test.tolist() == [False, False, False, True, True]
    assert temporal(entry, 2020, seed=1) == []
    assert temporal(entry, 2009, seed=1) == []


def problem_of(made):
    frame, features, settings = made
    return Problem.of(frame, features, settings["blocks"]), settings


def test_a_site_that_holds_nearly_all_fractures_is_not_held_out(study, caplog):
    def two_sites(frame):
        rare = np.where(frame["event"] == 1, "rich", "poor")
        rare[np.flatnonzero(frame["event"] == 1)[:2]] = "poor"
        rare[np.flatnonzero(frame["event"] != 1)[:5]] = "rich"
        return frame.assign(site=rare)

    problem, settings = problem_of(study(80, 1, two_sites))
    splits = splits_of("leave_one_site_out", problem, settings, LOG)
    # Without site "rich" two fractures are left, without "poor" all but two.
    assert [set(problem.site[split.test]) for split in splits] == [{"poor"}]
    assert "2 events among the" in caplog.text
    assert "without site rich" in caplog.text


def test_a_site_without_fractures_is_predicted(study):
    def three_sites(frame):
        site = np.where(np.arange(len(frame)) % 2, "a", "b")
        return frame.assign(
            site=np.where(frame["event"] == 1, site, np.where(site == "a", site, "c"))
        )

    problem, settings = problem_of(study(80, 1, three_sites))
    splits = splits_of("leave_one_site_out", problem, settings, LOG)
    assert [problem.site[split.test][0] for split in splits] == ["a", "b", "c"]
    assert problem.outcome.take(splits[2].test).n_events == 0


def test_designs_that_are_not_possible_say_so(study, caplog):
    problem, settings = problem_of(study(40, 1, lambda f: f.assign(site="a", entry=2015.0)))
    assert splits_of("leave_one_site_out", problem, settings, LOG) == []
    assert "at least two sites" in caplog.text
    settings["train_until"] = 2016
    assert splits_of("temporal", problem, settings, LOG) == []
    assert "nobody after it" in caplog.text


def test_a_horizon_beyond_those_learned_from_is_named(study, caplog):
    def one_site_followed_longest(frame):
        site = np.where(np.arange(len(frame)) % 2, "long", "short")
        time = frame["time_years"].where(site == "long", frame["time_years"].clip(upper=1.0))
        return frame.assign(site=site, time_years=time)

    problem, settings = problem_of(study(80, 1, one_site_followed_longest))
    problem = replace(problem, horizons=(0.5, 1.5))
    assert len(splits_of("leave_one_site_out", problem, settings, LOG)) == 2
    (record,) = [r for r in caplog.records if "too low" in r.getMessage()]
    said = record.getMessage()
    assert "without site long were followed for 1.00 years at most" in said
    assert "the risk at 1.5 years" in said
