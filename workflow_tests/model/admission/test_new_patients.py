"""Patients to be predicted, who have features and no outcome."""

import pytest

from bonecast.cohort import CohortError
from bonecast.model.new_patients import admit_new

from .conftest import CLINICAL, OF_VERTEBRAE, VERTEBRAE, settings_of


def test_new_patients_of_a_table_need_features_and_no_outcome(write):
    table = write("participant_id,age_years,sex,bmi,hu@L1\nP1,70,F,24,\nP2,71,M,,90\nP3,,,,\n")
    needed = ["bmi", "age_years", "sex_male", "hu@L1"]
    frame = admit_new({"table": table}, needed, settings_of())
    assert list(frame) == ["participant_id", "site", *needed]
    values = frame.fillna(-1).iloc[:, 2:].to_numpy().tolist()
    assert values == [[24, 70, 0, -1], [-1, 71, 1, 90], [-1] * 4]

    spine = write("participant_id,level,hu\nP2,L1,80\n", "v.csv")
    table = write("participant_id,age_years,sex,bmi,ort\nP1,70,F,24,Ulm\nP2,71,M,,\n")
    inputs = {"table": table, "vertebrae": spine}
    frame = admit_new(inputs, [*needed, "hu@L2", "dose"], settings_of({"site": "ort"}))
    assert list(frame)[2:] == [*needed, "hu@L2"]  # nobody knows a dose
    assert frame["hu@L1"].fillna(-1).tolist() == [-1, 80]
    assert frame["hu@L2"].isna().all()
    assert frame["site"].tolist() == ["Ulm", ""]

    table = write("participant_id,age_years,sex,bmi\nP1,700,X,24\nP1,71,M,lots\n")
    with pytest.raises(CohortError, match=r"5 problem\(s\)"):
        admit_new({"table": table}, ["bmi", "age_years", "sex_male"], settings_of())
    # Called as in an analysis set, sex is a number.
    table = write("age_years,sex_male\n70,1\n")
    frame = admit_new(
        {"table": table},
        ["age_years", "sex_male"],
        settings_of({"participant_id": None, "age_years": "alter"}),
    )
    assert frame.iloc[0].tolist() == ["row1", "", 70, 1]


def test_new_patients_of_scans_join_the_clinical_table(scans, write, tmp_path):
    scans = scans.assign(rad_a=[1.0, 2, 3, 4, 5, 6, 7])
    scans.to_parquet(tmp_path / "scans.parquet")
    VERTEBRAE.to_parquet(tmp_path / "vertebrae.parquet")
    OF_VERTEBRAE.to_csv(tmp_path / "dictionary.csv", index=False)
    inputs = {
        "scans": str(tmp_path / "scans.parquet"),
        "dictionary": str(tmp_path / "dictionary.csv"),
        "vertebrae": str(tmp_path / "vertebrae.parquet"),
    }
    needed = ["rad_a", "hu_vol_mean_hu@L1", "bmi"]
    frame = admit_new(inputs, needed, settings_of())
    assert frame["participant_id"].tolist() == scans["participant_id"].tolist()
    assert frame["site"].tolist() == scans["site"].tolist()
    assert list(frame)[2:] == needed[:2]
    # Of a scan that was excluded nothing is believed.
    assert frame["rad_a"].fillna(-1).tolist() == [1, 2, 3, 4, 5, 6, -1]
    assert frame["hu_vol_mean_hu@L1"].fillna(-1).tolist() == [110, 130, *[-1] * 5]

    inputs["clinical"] = write(CLINICAL)
    frame = admit_new(inputs, [*needed, "sex_male"], settings_of())
    assert frame["participant_id"].tolist() == [*scans["participant_id"], "P9"]
    assert frame["bmi"].fillna(-1).tolist() == [24.1, -1, 27, 25, 22, -1, -1, 22]
    assert frame["sex_male"].fillna(-1).tolist() == [0, 1, 0, 1, 0, -1, -1, 0]
    assert frame["site"].tolist()[-1] == ""
