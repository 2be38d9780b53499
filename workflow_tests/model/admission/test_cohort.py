"""Who is admitted, who is left out and why, and how a bad table is answered."""

import pandas as pd
import pytest

from bonecast.cohort import CohortError
from bonecast.model.cohort import admit, from_scans, from_table, without_fragile

from .conftest import (
    CLINICAL,
    DICTIONARY,
    ids,
    of_table,
    reasons_of,
    settings_of,
)


def test_radiomics_not_shown_to_be_robust_are_left_out():
    dictionary = pd.DataFrame(
        {
            "table": "scans",
            "column": ["rad_a", "rad_b", "rad_c", "rad_d", "hu_x"],
            "block": ["radiomics"] * 4 + ["hu"],
        }
    )
    robustness = pd.DataFrame(
        [
            ("rad_a", "scan", 0.75),
            ("rad_b", "scan", 0.749),
            ("rad_b", "vertebra", 0.99),
            ("rad_c", "scan", None),
        ],
        columns=["feature", "unit_of_analysis", "icc_lower"],
    )
    kept = without_fragile(dictionary, robustness, 0.75)
    assert list(kept["column"]) == ["rad_a", "hu_x"]


def test_who_chose_features_is_not_modelled(scans, write):
    clinical = write(CLINICAL)
    for set_aside in ([], ["P1"]):
        analysis = from_scans(
            scans, DICTIONARY, clinical, "fracture", settings_of(), set_aside=set_aside
        )
        assert (reasons_of(analysis).get("P1") == "chose_features") == bool(set_aside)
        assert ("P1" in ids(analysis)) != bool(set_aside)


def test_everyone_is_modelled_or_left_out_with_a_reason(scans, write):
    settings = settings_of(score_columns=["frax_mof_pct", "frax_hip_pct"])
    analysis = from_scans(scans, DICTIONARY, write(CLINICAL), "fracture", settings)
    assert ids(analysis) == ["P1", "P2", "P3"]
    assert reasons_of(analysis) == {
        "P4": "no_outcome",
        "P5": "too_few_levels",
        "P6": "no_clinical_row",
        "P7": "scan_excluded",
        "P9": "no_scan",
    }
    detail = analysis.exclusions.set_index("participant_id")["detail"]
    assert detail["P7"] == "ingest: no_axial_ct"
    assert detail["P4"] == "time_years empty"
    assert set(analysis.exclusions["stage"]) == {"model"}
    assert analysis.blocks == {
        "clinical": ["age_years", "sex_male", "bmi", "smoker"],
        "hu": ["hu_vol_min_hu"],
        "radiomics": ["rad_a"],
    }
    assert analysis.scores == ["frax_mof_pct"]
    first = analysis.frame.set_index("participant_id").loc["P1"]
    assert (first["smoker"], first["sex_male"], first["site"]) == (1.0, 0.0, "A")
    assert first["hu_vol_min_hu"] == 110.0
    assert analysis.frame["bmi"].isna().tolist() == [False, True, False]


def test_order_of_the_scans_table_does_not_matter(scans, write):
    arguments = (DICTIONARY, write(CLINICAL), "fracture", settings_of(blocks=["clinical", "hu"]))
    straight = from_scans(scans, *arguments).frame
    reverse = from_scans(scans.iloc[::-1], *arguments).frame
    pd.testing.assert_frame_equal(straight, reverse)


def test_columns_named_in_the_configuration_make_a_block(scans, write):
    settings = settings_of(
        blocks=["dxa", "clinical", "hu"],
        block_columns={"dxa": ["dxa_t_score"], "unused": ["no_such_column"]},
    )
    analysis = from_scans(scans, DICTIONARY, write(CLINICAL), "fracture", settings)
    assert list(analysis.blocks) == ["dxa", "clinical", "hu"]
    assert analysis.blocks["dxa"] == ["dxa_t_score"]
    assert "frax_mof_pct" in analysis.blocks["clinical"]
    assert "dxa_t_score" not in analysis.blocks["clinical"]


def test_site_entry_and_subgroups_are_no_features_unless_asked_for(scans, write):
    table = write(
        "participant_id,age_years,sex,ward,year,bmi,site,time_years,event\n"
        "P1,71,F,surgery,2011,24,X,3,1\nP2,66,M,,2012,25,Y,4,0\n"
    )
    scans = scans.assign(manufacturer="Acme", model=["One", None, *["Two"] * 5], kvp=120.0)
    settings = settings_of({"entry": "year"}, subgroups=["sex", "ward", "scanner", "kvp"])
    analysis = from_scans(scans, DICTIONARY, table, "fracture", settings)
    assert analysis.blocks["clinical"] == ["age_years", "sex_male", "bmi"]
    frame = analysis.frame.set_index("participant_id")
    assert frame["entry"].tolist() == [2011, 2012]
    assert frame["ward"].tolist() == ["surgery", ""]
    assert frame["scanner"].tolist() == ["Acme One", "Acme"]
    assert frame["kvp"].tolist() == ["120.0", "120.0"]
    assert frame["site"].tolist() == ["A", "A"]  # the scans', not the table's

    settings = settings_of({"entry": "year"}, subgroups=["sex"])
    with pytest.raises(CohortError, match=r"column ward holds words \(1 different ones\)"):
        from_scans(scans, DICTIONARY, table, "fracture", settings)


def test_every_problem_is_listed_by_participant_and_column(scans, write):
    bad = write(
        "participant_id,age_years,sex,bmi,time_years,event\n"
        "P1,171,F,24,3,1\n"
        "P2,70,woman,24,-3,1\n"
        "P3,70,M,heavy,3,4\n"
        "P3,70,M,24,inf,0\n"
        "P 4,70,M,24,3,0\n"
    )
    with pytest.raises(CohortError) as failure:
        from_scans(scans, DICTIONARY, bad, "fracture", settings_of(blocks=["clinical"]))
    message = str(failure.value)
    for line in (
        "P1, age_years: '171' is not an age of 0 to 120",
        "P2, sex: a text of 5 characters is not F or M",
        "P2, time_years: '-3' is not a number of years, 0 or more",
        "P3, bmi: a text of 5 characters is not a number",
        "P3, event: '4' is not 0 (censored), 1 (fracture), 2 (death), or empty",
        "P3: named more than once (row 4)",
        "P3: named more than once (row 5)",
        "P3, time_years: 'inf' is not",
        "row 6, participant_id: is not letters",
    ):
        assert line in message
    assert "9 problem(s)" in message


def test_missing_columns_are_named(scans, write):
    table = write("participant_id,age,time_years,event\nP1,70,3,1\n")
    with pytest.raises(CohortError) as failure:
        from_scans(scans, DICTIONARY, table, "fracture", settings_of(blocks=["clinical"]))
    assert "column age_years is missing; found: participant_id, age," in str(failure.value)
    assert "column sex is missing" in str(failure.value)


def test_scans_cannot_be_joined_without_ids_nor_with_a_column_of_theirs(scans, write):
    settings = settings_of({"participant_id": None}, blocks=["hu"])
    with pytest.raises(CohortError, match=r"model\.columns\.participant_id"):
        from_scans(scans, DICTIONARY, write(CLINICAL), "fracture", settings)
    twice = write(CLINICAL.replace("bmi", "hu_vol_min_hu"))
    with pytest.raises(CohortError, match="column hu_vol_min_hu is one of the measured tables"):
        from_scans(scans, DICTIONARY, twice, "fracture", settings_of())


def test_a_table_of_ones_own_needs_no_ids(write):
    table = write(
        "alter\tt\te\tneck\tort\n" + "70\t3.5\t1\t-2.5\tUlm\n" * 2 + "70\t\t0\t-2\t\n",
        name="own.tsv",
    )
    columns = {"participant_id": None, "time": "t", "event": "e", "age_years": "alter"}
    settings = settings_of(
        columns | {"sex": None, "site": "ort"},
        blocks=["clinical", "dxa"],
        block_columns={"clinical": ["alter"], "dxa": ["neck"]},
    )
    analysis = from_table(table, "fracture", settings)
    assert ids(analysis) == ["row1", "row2"]
    assert analysis.blocks == {"clinical": ["age_years"], "dxa": ["neck"]}
    assert analysis.frame["site"].tolist() == ["Ulm", "Ulm"]
    assert analysis.exclusions["participant_id"].tolist() == ["row3"]


def test_names_with_a_meaning_of_their_own_are_no_features(write):
    table = write("participant_id,alter,age_years,sex,outcome,bmd\nP1,70,60,F,1,0.9\n")
    settings = of_table(
        {"age_years": "alter"}, block_columns={"clinical": ["age_years", "outcome"]}
    )
    with pytest.raises(CohortError) as failure:
        from_table(table, "bmd", settings)
    assert "column age_years: Bonecast gives this name a meaning" in str(failure.value)
    assert "column outcome: Bonecast gives this name a meaning" in str(failure.value)


def test_configuration_decides_which_way_in(scans, write, tmp_path):
    settings = settings_of(
        blocks=["clinical", "hu", "multimodal"],
        block_columns={"clinical": ["age_years", "sex"]},
        hazard_ratio_models={"weight": ["bmi"]},
    )
    scans.to_parquet(tmp_path / "scans.parquet")
    DICTIONARY.to_csv(tmp_path / "dictionary.csv", index=False)
    inputs = {
        "scans": str(tmp_path / "scans.parquet"),
        "dictionary": str(tmp_path / "dictionary.csv"),
        "clinical": str(write(CLINICAL)),
    }
    measured = admit(inputs, "fracture", settings)
    assert measured.blocks == {"clinical": ["age_years", "sex_male"], "hu": ["hu_vol_min_hu"]}
    assert "bmi" in measured.frame
    settings["blocks"] = ["clinical"]
    alone = admit({"table": inputs["clinical"]}, "fracture", settings)
    assert ids(alone) == ["P1", "P2", "P3", "P5", "P9"]
