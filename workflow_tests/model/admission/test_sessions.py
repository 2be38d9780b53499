"""One scan of a participant is modelled, and one participant of those who are the same patient."""

import pandas as pd
import pytest

from bonecast.model.cohort import from_scans
from bonecast.model.endpoints import QCT_CLASS
from bonecast.model.new_patients import admit_new

from .conftest import CLINICAL, DICTIONARY, OF_VERTEBRAE, VERTEBRAE, ids, settings_of


@pytest.fixture
def visits(scans):
    """P1 with three visits, the second of them the baseline; the third was excluded."""
    scans = scans.assign(session_id="", baseline=True, days=None, same_scan_as=None)
    first, third = scans.iloc[[0]].copy(), scans.iloc[[6]].copy()
    first["baseline"], first["session_id"], first["hu_vol_min_hu"] = False, "1", 77.0
    third["participant_id"], third["baseline"], third["session_id"] = "P1", False, "03"
    scans.loc[0, "session_id"] = "2"
    return pd.concat([first, scans, third], ignore_index=True)


def reasons(analysis) -> list[tuple[str, str, str]]:
    columns = ["participant_id", "session_id", "reason"]
    return list(analysis.exclusions[columns].itertuples(index=False, name=None))


def test_only_the_baseline_scan_is_modelled(visits, write):
    analysis = from_scans(visits, DICTIONARY, write(CLINICAL), "fracture", settings_of())
    assert ids(analysis) == ["P1", "P2", "P3"]
    assert analysis.frame.loc[0, "hu_vol_min_hu"] == 110.0
    assert reasons(analysis)[:2] == [("P1", "1", "not_baseline"), ("P1", "03", "not_baseline")]
    assert ("P1", "2") not in [row[:2] for row in reasons(analysis)]
    assert ("P9", "", "no_scan") in reasons(analysis)
    names = analysis.exclusions[["participant_id", "session_id"]]
    assert not names.duplicated().any()


def test_an_excluded_baseline_is_not_replaced_by_a_later_scan(visits, write):
    visits.loc[1, ["status", "stage", "reason"]] = ["excluded", "convert", "not_hu"]
    analysis = from_scans(visits, DICTIONARY, write(CLINICAL), "fracture", settings_of())
    assert ids(analysis) == ["P2", "P3"]
    assert ("P1", "2", "scan_excluded") in reasons(analysis)


def test_vertebrae_of_other_sessions_are_no_features(visits, write):
    vertebrae = VERTEBRAE.assign(session_id="", baseline=True)
    vertebrae.loc[vertebrae["participant_id"] == "P1", "session_id"] = "2"
    other = vertebrae[vertebrae["participant_id"] == "P1"].assign(session_id="1", baseline=False)
    other["hu_vol_mean_hu"] = -1.0
    settings = settings_of(blocks=["hu"], vertebra_columns={"hu": ["hu_vol_mean_hu"]})
    analysis = from_scans(
        visits,
        OF_VERTEBRAE,
        write(CLINICAL),
        "fracture",
        settings,
        pd.concat([other, vertebrae], ignore_index=True),
    )
    assert analysis.frame.set_index("participant_id").loc["P1", "hu_vol_mean_hu@L1"] == 110


def test_a_diagnosis_by_qct_is_that_of_the_baseline(visits, write):
    visits[QCT_CLASS] = "normal"
    visits.loc[visits["session_id"] == "2", QCT_CLASS] = "osteoporosis"
    settings = settings_of(osteoporosis_from="qct")
    analysis = from_scans(visits, DICTIONARY, write(CLINICAL), "osteoporosis", settings)
    assert analysis.frame.set_index("participant_id")["outcome"].to_dict()["P1"] == 1.0


def test_one_patient_under_two_ids_is_modelled_once(visits, write):
    # P3's scan is the visit of P1 that is not even modelled: still the same patient.
    visits.loc[visits["participant_id"] == "P3", "same_scan_as"] = "P1_ses-1"
    arguments = (DICTIONARY, write(CLINICAL), "fracture", settings_of())
    analysis = from_scans(visits, *arguments)
    assert ids(analysis) == ["P1", "P2"]
    assert ("P3", "", "same_scan") in reasons(analysis)
    detail = analysis.exclusions.set_index("participant_id").loc["P3", "detail"]
    assert detail == "a scan of P1 is the same"
    # Where the first has no place in the models, the other is nobody's double.
    visits.loc[1, ["status", "stage", "reason"]] = ["excluded", "convert", "not_hu"]
    assert ids(from_scans(visits, *arguments)) == ["P2", "P3"]


def test_the_same_scan_in_two_sessions_of_one_participant_leaves_nobody_out(visits, write):
    visits.loc[1, "same_scan_as"] = "P1_ses-1"
    analysis = from_scans(visits, DICTIONARY, write(CLINICAL), "fracture", settings_of())
    assert ids(analysis) == ["P1", "P2", "P3"]


def test_whoever_chose_features_is_left_out_under_any_id(visits, write):
    arguments = (DICTIONARY, write(CLINICAL), "fracture", settings_of())
    analysis = from_scans(visits, *arguments, set_aside=["P1_ses-2"])
    assert ids(analysis) == ["P2", "P3"]
    assert ("P1", "2", "chose_features") in reasons(analysis)
    visits.loc[visits["participant_id"] == "P3", "same_scan_as"] = "P1_ses-2"
    assert ids(from_scans(visits, *arguments, set_aside=["P3"])) == ["P2"]


def test_new_patients_are_predicted_from_their_baseline(visits, tmp_path):
    visits = visits.assign(rad_a=[float(place) for place in range(len(visits))])
    visits.to_parquet(tmp_path / "scans.parquet")
    inputs = {"scans": str(tmp_path / "scans.parquet"), "dictionary": ""}
    frame = admit_new(inputs, ["rad_a"], settings_of())
    assert frame["participant_id"].tolist() == ["P1", "P2", "P3", "P4", "P5", "P6", "P7"]
    assert frame["rad_a"].tolist()[:3] == [1.0, 2.0, 3.0]
