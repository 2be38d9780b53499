"""Several studies in one folder: which one the series is taken from."""

import dataclasses

import pytest

from bonecast.dicom.index import Index
from bonecast.dicom.select import Settings, select_series
from bonecast.dicom.table import read_choice, write_series
from bonecast.reasons import Reason


@pytest.fixture
def studies(ct, tmp_path):
    """A function: an index of series, each given as values that differ from a good one."""
    ct.write(tmp_path / "in")
    (series,) = ct.decide(tmp_path / "in")[0].series
    series = dataclasses.replace(series, body_part="", days=0)
    return lambda *each: Index([dataclasses.replace(series, **e) for e in each], {}, "listing")


FIRST = {"study": 1, "days": 0, "kernel": "Bl57"}
SECOND = {"study": 2, "days": 35}
THIRD = {"study": 3, "days": 70, "thickness_mm": 8.0}


@pytest.mark.parametrize(
    ("rule", "chosen", "reasons"),
    [
        ("best", 1, [Reason.NOT_PREFERRED, None, Reason.TOO_THICK]),
        ("first", 0, [None, Reason.OTHER_STUDY, Reason.TOO_THICK]),
        ("last", 1, [Reason.OTHER_STUDY, None, Reason.TOO_THICK]),
    ],
)
def test_rule(studies, rule, chosen, reasons):
    """The third study has no suited series, so the last is the second."""
    decisions = select_series(studies(FIRST, SECOND, THIRD), Settings(study=rule))
    assert [decision.reason for decision in decisions] == reasons
    assert decisions[chosen].chosen
    assert [decision.score for decision in decisions] == [82.5, 90.5, None]


def test_words_and_days(studies, tmp_path):
    index = studies(FIRST, SECOND)
    decisions = select_series(index, Settings(study="first"))
    assert decisions[0].detail == (
        "scores 82.5, the only suited series of study 1 of 2 (ingest.study: first)"
    )
    assert decisions[1].detail == (
        "of study 2, 35 days after the first; the series measured is of study 1 of 2 "
        "(ingest.study: first)"
    )
    decisions = select_series(index, Settings(study="last"))
    write_series(index, decisions, tmp_path / "series.tsv")
    choice = read_choice(tmp_path / "series.tsv")
    assert (choice.series, choice.days) == ("S02", 35)


def test_missing_dates_are_told(studies, tmp_path):
    index = studies(FIRST | {"days": None}, SECOND | {"days": None})
    decisions = select_series(index, Settings(study="last"))
    assert [decision.chosen for decision in decisions] == [False, True]
    for decision in decisions:
        assert "by order of the index, for dates are missing" in decision.detail
    write_series(index, decisions, tmp_path / "series.tsv")
    assert read_choice(tmp_path / "series.tsv").days is None


def test_series_of_one_study_compete_with_each_other_only(studies):
    """A long scan of another study makes none of this one's short."""
    short = {"study": 2, "days": 35, "kernel": "Bl57", "contrast": True}
    index = studies(FIRST, SECOND, short)
    stack = dataclasses.replace(index.series[0].stack, coverage_mm=500.0)
    index.series[0] = dataclasses.replace(index.series[0], stack=stack)
    decisions = select_series(index, Settings(study="last"))
    assert [decision.reason for decision in decisions] == [
        *(Reason.OTHER_STUDY, None, Reason.NOT_PREFERRED)
    ]
    assert decisions[1].score == 90.5
    assert select_series(index, Settings(study="best"))[1].score < 80


def test_mixed_patients_stay_refused_and_show_scores(studies):
    index = studies(FIRST, SECOND | {"patient_number": 2})
    decisions = select_series(index, Settings(study="first"))
    assert {decision.reason for decision in decisions} == {Reason.MIXED_PATIENTS}
    assert [decision.score for decision in decisions] == [82.5, 90.5]


def test_a_single_study_needs_no_rule(studies):
    (decision,) = select_series(studies({}), Settings(study="last"))
    assert decision.detail == "scores 90.5, the only suited series"
