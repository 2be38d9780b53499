"""Follow-up, diagnosis and density as tables have them, and what would give them away."""

import pandas as pd
import pytest

from bonecast.cohort import CohortError
from bonecast.model.clinical import check_clinical
from bonecast.model.cohort import from_scans, from_table

from .conftest import (
    CLINICAL,
    DICTIONARY,
    LABELLED,
    of_table,
    reasons_of,
    settings_of,
)

FOLLOWED = """participant_id,age_years,sex,bmi,time_years,event,died
P1,70,F,24,36,fx,
P2,71,F,24,24,Fx,30
P3,72,F,24,24,alive,24
P4,73,F,24,36,alive,30
P5,74,F,24,24,alive,40
P6,75,F,24,12,dead,12
P7,76,F,24,0,alive,
P8,77,F,24,1,fx,
P9,78,F,24,1,alive,
"""


def test_units_words_times_of_death_and_washout(write):
    settings = of_table(
        {"death_time": "died"},
        time_unit="months",
        event_codes={"censored": "alive", "fracture": "FX", "death": "dead"},
        washout_years=1 / 12,
    )
    analysis = from_table(write(FOLLOWED), "fracture", settings)
    frame = analysis.frame.set_index("participant_id")
    assert frame["time_years"].round(6).to_dict() == {
        "P1": 3.0,
        "P2": 2.0,
        "P3": 2.0,
        "P4": 2.5,  # seen alive after the death: the death counts
        "P5": 2.0,  # died after the follow-up: unknown to it
        "P6": 1.0,
        "P9": round(1 / 12, 6),
    }
    assert frame["event"].tolist() == [1, 1, 2, 2, 0, 2, 0]
    assert reasons_of(analysis) == {"P7": "no_follow_up", "P8": "washout"}
    detail = analysis.exclusions.set_index("participant_id")["detail"]
    assert detail["P8"] == "fracture at 1 months"
    # Without a washout nobody is left out for it, and days are days.
    settings |= {"washout_years": 0, "time_unit": "days"}
    analysis = from_table(write(FOLLOWED), "fracture", settings)
    assert reasons_of(analysis) == {"P7": "no_follow_up"}
    assert analysis.frame.set_index("participant_id").loc["P8", "time_years"] == 1 / 365.25


def test_fractures_after_death_are_listed(write):
    table = write(
        "participant_id,age_years,sex,bmi,time_years,event,died\n"
        "P1,70,F,24,4,1,3\nP2,70,F,24,4,1,4\nP3,70,F,24,4,2,2.5\nP4,70,F,24,4,1,3.999\n"
        "P5,70,F,24,x,1,3\n"
    )
    with pytest.raises(CohortError) as failure:
        from_table(table, "fracture", of_table({"death_time": "died"}))
    message = str(failure.value)
    assert "3 problem(s)" in message
    assert "P1, time_years: a fracture at 4 years, after death at 3 (died)" in message
    assert "P3, time_years: a death at 4 years, but died says 2.5" in message
    assert "P5, time_years: 'x' is not a number of years" in message


def test_codes_are_compared_as_numbers_or_words(write):
    table = write(
        "participant_id,age_years,sex,bmi,time_years,event\n"
        "P1,70,F,24,4,1.0\nP2,70,F,24,4,01\nP3,70,F,24,4,0\nP4,70,F,24,4,2e0\n"
    )
    analysis = from_table(table, "fracture", of_table())
    assert analysis.frame["event"].tolist() == [1, 1, 0, 2]


@pytest.mark.parametrize(
    ("endpoint", "source", "outcome", "without"),
    [
        ("osteoporosis", "label", {"P1": 1, "P2": 0, "P4": 1}, {"P3": "osteoporosis empty"}),
        ("osteoporosis", "dxa", {"P1": 1, "P2": 0, "P3": 1}, {"P4": "dxa_t_score empty"}),
        ("bmd", "label", {"P1": 0.7, "P3": 0.8, "P4": 0.9}, {"P2": "bmd empty"}),
    ],
)
def test_diagnosis_and_density_need_no_follow_up(write, endpoint, source, outcome, without):
    settings = of_table(osteoporosis_from=source, score_columns=["dxa_t_score"])
    analysis = from_table(write(LABELLED), endpoint, settings)
    assert dict(analysis.frame[["participant_id", "outcome"]].itertuples(index=False)) == outcome
    assert analysis.blocks == {"clinical": ["age_years", "bmi"]}
    assert set(analysis.exclusions["reason"]) == {"no_outcome"}
    details = analysis.exclusions[["participant_id", "detail"]].itertuples(index=False)
    assert dict(details) == without
    # A score that the diagnosis is read from would be judged on itself.
    assert analysis.scores == ([] if source == "dxa" else ["dxa_t_score"])
    assert len(analysis.warnings) == (source == "dxa")


@pytest.mark.parametrize(
    ("endpoint", "source", "columns", "says"),
    [
        ("osteoporosis", "dxa", ["bmi", "dxa_t_score"], "dxa_t_score is a feature of the"),
        ("osteoporosis", "dxa", ["osteoporosis"], "what its outcome is read from"),
        ("bmd", "label", ["bmd"], "column bmd is a feature of the endpoint bmd"),
        ("bmd", "label", ["time_years"], "known only after the scan"),
    ],
)
def test_what_holds_the_outcome_is_refused_as_a_feature(write, endpoint, source, columns, says):
    table = write(LABELLED.replace("age_years", "age_years,time_years").replace(",7", ",7,7"))
    settings = of_table(osteoporosis_from=source, block_columns={"clinical": columns})
    with pytest.raises(CohortError, match=says):
        from_table(table, endpoint, settings)


def test_labels_of_other_endpoints_are_features_only_where_named(scans, write):
    clinical = write(LABELLED)
    settings = settings_of(blocks=["clinical"])
    analysis = from_scans(scans, DICTIONARY, clinical, "bmd", settings)
    assert analysis.blocks == {"clinical": ["age_years", "sex_male", "bmi"]}
    settings = settings_of(blocks=["clinical"], block_columns={"clinical": ["dxa_t_score"]})
    analysis = from_scans(scans, DICTIONARY, clinical, "bmd", settings)
    assert analysis.blocks == {"clinical": ["dxa_t_score"]}


def test_a_clinical_table_is_checked_for_all_endpoints_at_once(write):
    table = write(LABELLED.replace("P1,70,F,24,Yes", "P1,70,F,24,maybe"))
    with pytest.raises(CohortError) as failure:
        check_clinical(table, settings_of(endpoints=["fracture", "osteoporosis", "bmd"]))
    message = str(failure.value)
    assert "3 problem(s)" in message
    for problem in (
        "time_years is missing",
        "event is missing",
        "a text of 5 characters is not 1 or 0, yes or",
    ):
        assert problem in message


def test_a_diagnosis_by_qct_is_that_of_the_scan_without_its_density_as_feature(scans, write):
    scans = scans.assign(
        vbmd_class_qct=["osteoporosis", "low", None, "normal", *[None] * 3],
        vbmd_class_reason=[None, None, "contrast", *[None] * 4],
        vbmd_l1l2_mgcc=[70.0, 100, 90, 130, None, None, None],
    )
    dictionary = pd.concat(
        [DICTIONARY, pd.DataFrame([("scans", "vbmd_l1l2_mgcc", "vbmd")], columns=[*DICTIONARY])]
    )
    settings = settings_of(blocks=["hu", "vbmd", "radiomics"], osteoporosis_from="qct")
    analysis = from_scans(scans, dictionary, write(CLINICAL), "osteoporosis", settings)
    assert dict(analysis.frame[["participant_id", "outcome"]].itertuples(index=False)) == {
        "P1": 1,
        "P2": 0,
        "P4": 0,
    }
    assert analysis.blocks == {"hu": ["hu_vol_min_hu"], "radiomics": ["rad_a"]}
    detail = analysis.exclusions.set_index("participant_id")["detail"]
    assert detail["P3"] == "vbmd_class_qct empty: contrast"
    assert "blocks vbmd and strength" in analysis.warnings[0]
