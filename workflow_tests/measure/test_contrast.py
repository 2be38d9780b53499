"""A phase decided from sources that agree, contradict each other, or say nothing."""

import pytest

from bonecast.cohort import CONTRAST_PHASES
from bonecast.measure.contrast import (
    CONFLICTS,
    CONTRAST_COLUMNS,
    PHASES,
    SOURCES,
    Decision,
    decide,
    some_of,
)


def test_phases_are_those_of_the_participants_table():
    assert PHASES == CONTRAST_PHASES


def said(table="", measured="", model="", header=""):
    words = zip(SOURCES, (table, measured, model, header), strict=True)
    return {source: tuple(word.split()) for source, word in words}


@pytest.mark.parametrize(
    ("sources", "phase", "source", "confidence", "conflicts"),
    [
        (said(), "unknown", "", None, ""),
        # One source
        (said("portal"), "portal", "participants_table", "high", ""),
        (said(measured="none"), "none", "measured", "moderate", ""),
        (said(measured="contrast"), "other", "measured", "moderate", ""),
        (said(model="late"), "other", "model", "moderate", ""),
        (said(header="arterial"), "arterial", "header", "moderate", ""),
        # Agreement
        (said(measured="none", header="none"), "none", "measured header", "high", ""),
        (said("", "portal", "portal", "portal"), "portal", "measured model header", "high", ""),
        (said("other", "arterial"), "other", "participants_table", "high", ""),
        (said(measured="portal", header="contrast"), "portal", "measured", "moderate", ""),
        (said(measured="contrast", header="arterial"), "arterial", "header", "moderate", ""),
        (said(measured="contrast", header="contrast"), "other", "measured header", "high", ""),
        (said(measured="portal", model="arterial portal"), "portal", "measured", "moderate", ""),
        # Contradiction
        (said("none", "portal"), "none", "participants_table", "low", "contrast"),
        (
            said("none", "portal", "", "none"),
            "none",
            "participants_table header",
            "low",
            "contrast",
        ),
        (said("arterial", "portal"), "arterial", "participants_table", "low", "phase"),
        (said(measured="none", header="portal"), "none", "measured", "low", "contrast"),
        (said(measured="portal", header="none"), "portal", "measured", "low", "contrast"),
        (said("", "portal", "portal", "none"), "portal", "measured model", "moderate", "contrast"),
        (said("", "arterial", "portal", "portal"), "portal", "model header", "moderate", "phase"),
        (said("", "arterial", "", "portal"), "arterial", "measured", "low", "phase"),
        (said("", "portal", "late", "none"), "portal", "measured", "low", "contrast phase"),
        (said("", "none", "portal", "portal"), "none", "measured", "low", "contrast"),
    ],
)
def test_the_phase_its_sources_and_confidence(sources, phase, source, confidence, conflicts):
    found = decide(sources)
    assert found == Decision(phase, tuple(source.split()), confidence, tuple(conflicts.split()))


def test_a_header_that_contradicts_itself_is_told_whatever_is_decided():
    assert decide(said(), header_conflict=True) == Decision(conflicts=("header",))
    found = decide(said(measured="portal", header="contrast"), header_conflict=True)
    assert (found.phase, found.confidence, found.conflicts) == ("portal", "moderate", ("header",))


def test_every_decision_can_be_written_to_the_scans_table():
    words = {column.name: column.words for column in CONTRAST_COLUMNS}
    told = ("", "none", "arterial", "portal", "late", "contrast")
    for measured in told:
        for model in told[:-1]:
            for header in told:
                found = decide(said("", measured, model, header))
                assert found.phase in words["contrast_phase"]
                assert (
                    not found.sources or " ".join(found.sources) in words["contrast_phase_source"]
                )
                assert (found.confidence is None) == (found.phase == "unknown")
                assert (found.confidence == "low") <= bool(found.conflicts)
    assert "contrast header kvp" in some_of(CONFLICTS) and len(some_of(CONFLICTS)) == 15
