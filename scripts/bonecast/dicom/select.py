"""Which of a participant's series is measured, and why none of the others is.

A series is first held against what measuring needs (`needs.NEEDS`); the first need it does
not meet is its reason. Those that meet all are scored (`scoring.MERITS`), and the highest
score is measured, unless the participants table names a series.
"""

from collections.abc import Collection
from dataclasses import dataclass

from bonecast.dicom.index import Index, Series
from bonecast.dicom.needs import check_suited, check_volume
from bonecast.dicom.scoring import Score, Settings, compare, points, score_all
from bonecast.dicom.vocabulary import DescriptionClass
from bonecast.reasons import Excluded, Reason

NAMED = "named in the participants table"
"""Begins the detail of a series that the user named."""


@dataclass(frozen=True)
class Decision:
    """What was decided on one series.

    Attributes:
        reason: None for the chosen one.
        score: None where the series is not suited.
    """

    series: Series
    chosen: bool
    reason: Reason | None
    detail: str
    score: float | None = None


def select_series(index: Index, settings: Settings, override: str = "") -> list[Decision]:
    """Decide on every series: one chosen at most, each other with a reason.

    Args:
        override: name of the series (S01..) that the participants table wants measured.

    Returns:
        Decisions in the order of `index.series`.
    """
    refused: dict[int, Excluded] = {}
    suited: dict[int, Series] = {}
    for number, series in enumerate(index.series):
        try:
            check_suited(series, settings)
            suited[number] = series
        except Excluded as error:
            refused[number] = error
    if override:
        return _as_named(index.series, suited, refused, settings, override)
    decided = {
        number: Decision(index.series[number], False, error.reason, error.detail)
        for number, error in refused.items()
    }
    if whole := _refuse_whole_input(list(suited.values()), index.series):
        scores = score_all(suited, settings)
        decided |= {
            n: Decision(series, False, *whole, scores[n].total) for n, series in suited.items()
        }
    elif suited:
        studies = _Studies(index.series, suited, settings.study)
        scores = {}
        for group in studies.groups():
            scores |= score_all(group, settings)
        best = _highest(studies.eligible, scores)
        for number, series in suited.items():
            total = scores[number].total
            if number == best:
                words = f"{_rank_words(total, len(studies.eligible))}{studies.words}"
                words += _irregular_words(series)
                decided[number] = Decision(series, True, None, words, total)
            elif number in studies.eligible:
                detail = compare(series_id(best), scores[best], scores[number])
                decided[number] = Decision(series, False, Reason.NOT_PREFERRED, detail, total)
            else:
                detail = studies.lost(series)
                decided[number] = Decision(series, False, Reason.OTHER_STUDY, detail, total)
    return [decided[number] for number in range(len(index.series))]


def _highest(numbers: Collection[int], scores: dict[int, Score]) -> int:
    """The highest score; the earliest series of the earliest study among equals."""
    return min(numbers, key=lambda number: (-scores[number].total, number))


def _rank_words(total: float, count: int) -> str:
    if count == 1:
        return f"scores {points(total)}, the only suited series"
    return f"scores {points(total)}, best of {count} suited series"


def _irregular_words(series: Series) -> str:
    """What has to be made rectangular before a chosen series can be measured."""
    stack, words = series.stack, ""
    if stack and stack.n_uneven:
        plural = "s" if stack.n_uneven > 1 else ""
        words += f"; {stack.n_uneven} uneven distance{plural} to be resampled"
    if stack and stack.is_tilted:
        words += f"; gantry tilt of {stack.tilt_degrees:.1f} degrees to be resampled"
    return words


class _Studies:
    """Which of several studies the series is taken from.

    Attributes:
        eligible: suited series that are compared with each other, by number.
        words: what the chosen one is told; empty where the study did not matter.
    """

    def __init__(self, series: list[Series], suited: dict[int, Series], rule: str):
        self._suited, self._rule = suited, rule
        self._days = {one.study: one.days for one in series}
        found = {one.study for one in suited.values()}
        self._by_rule = rule != "best" and len(self._days) > 1
        self._taken = (max if rule == "last" else min)(found)
        self.eligible = {
            n: one for n, one in suited.items() if not self._by_rule or one.study == self._taken
        }
        undated = any(self._days[study] is None for study in found)
        order = ", by order of the index, for dates are missing" if undated else ""
        self.words = (
            f" of study {self._taken} of {len(self._days)} (ingest.study: {rule}{order})"
            if self._by_rule
            else ""
        )

    def groups(self) -> list[dict[int, Series]]:
        """Suited series that are scored against each other."""
        if not self._by_rule:
            return [self._suited]
        studies = sorted({series.study for series in self._suited.values()})
        return [
            {n: series for n, series in self._suited.items() if series.study == study}
            for study in studies
        ]

    def lost(self, series: Series) -> str:
        """What a series of another study is told."""
        days = self._days[series.study]
        when = "" if days is None else f", {days} days after the first"
        return f"of study {series.study}{when}; the series measured is{self.words}"


def _as_named(
    every: list[Series],
    suited: dict[int, Series],
    refused: dict[int, Excluded],
    settings: Settings,
    override: str,
) -> list[Decision]:
    """Decisions where the participants table names the series."""
    names = [series_id(number) for number in range(len(every))]
    if override not in names:
        there = f"{names[0]} to {names[-1]}" if len(names) > 1 else "".join(names)
        detail = f"the participants table names {override}; the input has {there}"
        return [Decision(series, False, Reason.USER_SERIES_MISSING, detail) for series in every]
    named = names.index(override)
    scores = {number: score.total for number, score in score_all(suited, settings).items()}

    def alone(number: int) -> str:
        if number in scores:
            return f"scores {points(scores[number])}"
        error = refused[number]
        return f"would not be measured by itself: {error.reason}" + (
            f", {error.detail}" if error.detail else ""
        )

    decisions = [
        Decision(
            series,
            False,
            Reason.USER_CHOSE_ANOTHER,
            f"{override} is {NAMED}; this one {alone(number)}",
            scores.get(number),
        )
        for number, series in enumerate(every)
    ]
    patients = {series.patient_number for series in every}
    mixed = f"; the input holds {len(patients)} patients" if len(patients) > 1 else ""
    try:
        check_volume(every[named], settings)
        detail = f"{NAMED}; {alone(named)}{mixed}{_irregular_words(every[named])}"
        chosen = Decision(every[named], True, None, detail, scores.get(named))
    except Excluded as error:
        detail = f"{NAMED}; {error.detail}"
        chosen = Decision(every[named], False, error.reason, detail)
    decisions[named] = chosen
    return decisions


def _refuse_whole_input(
    candidates: list[Series], series: list[Series]
) -> tuple[Reason, str] | None:
    """Reasons that concern all candidates at once.

    A second patient counts even where none of their axial CT is suited: whose scan the folder
    is meant to hold cannot be known.
    """
    axial = [s for s in series if s.description_class is DescriptionClass.AXIAL_CT]
    patients = {s.patient_number for s in [*candidates, *axial]}
    if len(patients) > 1:
        return (
            Reason.MIXED_PATIENTS,
            f"{len(patients)} patients among axial CT series, by identifier, name or date of birth",
        )
    nifti = [s for s in candidates if s.description_class is DescriptionClass.NIFTI_VOLUME]
    if nifti and len(candidates) > 1:
        return Reason.AMBIGUOUS_INPUT, f"{len(nifti)} NIfTI files among {len(candidates)} images"
    return None


def series_id(number: int) -> str:
    """The pseudonym of the n-th series, counted from 0: S01, S02, ..."""
    return f"S{number + 1:02d}"
