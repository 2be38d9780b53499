"""Who is admitted, who is left out and why, and how a bad table is answered."""

import pandas as pd
import pytest

from bonecast.cohort import CohortError
from bonecast.measure.dictionary import vertebra_columns as dictionary_of_vertebrae
from bonecast.model.clinical import check_clinical
from bonecast.model.cohort import admit, from_scans, from_table, without_fragile
from bonecast.model.new_patients import admit_new
from bonecast.model.vertebrae import measured_vertebrae

CLINICAL = """participant_id,age_years,sex,bmi,smoker,frax_mof_pct,dxa_t_score,time_years,event
P1,71,F,24.1,yes,12.5,-2.6,3.2,1
P2,66,M,,no,,,4.0,0
P3,80,F,27,no,20,-3,1.5,2
P4,59,M,25,yes,5,-1,,0
P5,75,F,22,no,9,-2,2.5,1
P9,70,F,22,no,9,-2,2.5,0
"""

DICTIONARY = pd.DataFrame(
    [
        ("scans", "hu_vol_min_hu", "hu"),
        ("scans", "n_levels_hu", "quality"),
        ("vertebrae", "hu_vol_mean_hu", "hu"),
        ("scans", "rad_a", "radiomics"),
    ],
    columns=["table", "column", "block"],
)


@pytest.fixture
def scans():
    return pd.DataFrame(
        {
            "participant_id": ["P1", "P2", "P3", "P4", "P5", "P6", "P7"],
            "site": ["A", "A", "B", "B", "B", "B", "A"],
            "status": ["ok", "ok", "ok", "ok", "ok", "ok", "excluded"],
            "stage": ["", "", "", "", "", "", "ingest"],
            "reason": ["", "", "", "", "", "", "no_axial_ct"],
            "n_levels_hu": [4, 4, 3, 4, 0, 4, 0],
            "hu_vol_min_hu": [110.0, 95.5, None, 130, None, 99, None],
            "rad_a": [1.0, 2.0, 3.0, 4.0, None, 5.0, None],
        }
    )


@pytest.fixture
def write(tmp_path):
    def write(text, name="clinical.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


COLUMNS = {
    "participant_id": "participant_id",
    "time": "time_years",
    "event": "event",
    "death_time": None,
    "age_years": "age_years",
    "sex": "sex",
    "site": None,
    "entry": None,
    "osteoporosis": "osteoporosis",
    "dxa_t_score": "dxa_t_score",
    "bmd": "bmd",
}


def settings_of(columns=None, **others) -> dict:
    """The section `model` of a configuration, as far as it concerns admission."""
    settings = {
        "endpoints": ["fracture"],
        "columns": COLUMNS | (columns or {}),
        "time_unit": "years",
        "event_codes": {"censored": 0, "fracture": 1, "death": 2},
        "washout_years": 0,
        "osteoporosis_from": "label",
        "blocks": ["clinical", "hu", "radiomics", "multimodal"],
        "block_columns": {},
        "vertebra_columns": {},
        "score_columns": [],
        "hazard_ratio_models": {},
        "subgroups": ["sex", "age_band", "site", "scanner", "contrast_phase"],
        "min_robustness": None,
    }
    return settings | others


def of_table(columns=None, **others) -> dict:
    """The same for a table, with two features in one block."""
    blocks = {"blocks": ["clinical"], "block_columns": {"clinical": ["age_years", "bmi"]}}
    return settings_of(columns, **(blocks | others))


def reasons_of(analysis) -> dict:
    return dict(analysis.exclusions[["participant_id", "reason"]].itertuples(index=False))


def ids(analysis) -> list[str]:
    return analysis.frame["participant_id"].tolist()


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
    with pytest.raises(CohortError, match=r"column ward holds words \('surgery'\)"):
        from_scans(scans, DICTIONARY, table, "fracture", settings)


def test_every_problem_is_listed_by_participant_and_column(scans, write):
    bad = write(
        "participant_id,age_years,sex,bmi,time_years,event\n"
        "P1,171,F,24,3,1\n"
        "P2,70,female,24,-3,1\n"
        "P3,70,M,heavy,3,4\n"
        "P3,70,M,24,inf,0\n"
        "P 4,70,M,24,3,0\n"
    )
    with pytest.raises(CohortError) as failure:
        from_scans(scans, DICTIONARY, bad, "fracture", settings_of(blocks=["clinical"]))
    message = str(failure.value)
    for line in (
        "P1, age_years: '171' is not an age of 0 to 120",
        "P2, sex: 'female' is not F or M",
        "P2, time_years: '-3' is not a number of years, 0 or more",
        "P3, bmi: 'heavy' is not a number",
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


LABELLED = """participant_id,age_years,sex,bmi,osteoporosis,dxa_t_score,bmd
P1,70,F,24,Yes,-2.5,0.7
P2,71,F,25,no,-2.4,
P3,72,M,26,,-3.1,0.8
P4,73,M,27,1,,0.9
"""


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
    for problem in ("time_years is missing", "event is missing", "'maybe' is not 1 or 0, yes or"):
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


VERTEBRAE = pd.DataFrame(
    {
        "participant_id": ["P1", "P1", "P1", "P2", "P2"],
        "level": ["T12", "L1", "L6", "L1", "L2"],
        "hu_vol_mean_hu": [100.0, 110, 120, 130, 140],
        "hu_vol_included": [True, True, True, True, False],
        "height_loss": [0.1, 0.2, 0.3, None, 0.5],
        "morphometry_included": [False, True, True, True, True],
        "genant_type": ["none"] * 5,
    }
)
OF_VERTEBRAE = pd.DataFrame(
    [
        ("vertebrae", "hu_vol_mean_hu", "hu", "float"),
        ("vertebrae", "height_loss", "morphometry", "float"),
        ("vertebrae", "genant_type", "morphometry", "text"),
    ],
    columns=["table", "column", "block", "type"],
)


def test_included_vertebrae_become_a_column_per_level(scans, write):
    settings = settings_of(
        blocks=["spine", "clinical"],
        vertebra_columns={"spine": ["hu_vol_mean_hu", "height_loss"], "unused": ["nothing"]},
    )
    arguments = (scans, OF_VERTEBRAE, write(CLINICAL), "fracture")
    analysis = from_scans(*arguments, settings, VERTEBRAE)
    assert analysis.blocks["spine"] == [
        "hu_vol_mean_hu@T12",
        "hu_vol_mean_hu@L1",
        "height_loss@L1",
        "height_loss@L2",
    ]
    frame = analysis.frame.set_index("participant_id")[analysis.blocks["spine"]].fillna(-1)
    assert frame.loc["P1"].tolist() == [100, 110, 0.2, -1]
    assert frame.loc["P2"].tolist() == [-1, 130, -1, 0.5]
    assert reasons_of(analysis)["P3"] == "too_few_levels"

    settings["vertebra_columns"] = {"spine": ["genant_type", "lost"]}
    with pytest.raises(CohortError, match="genant_type, lost: no column of numbers"):
        from_scans(*arguments, settings, VERTEBRAE)


def test_each_measured_column_is_taken_where_its_own_family_is_included():
    columns = dictionary_of_vertebrae(["hu_vol", "hu_circle200"], [])
    expected = {
        "hu_vol_mean_hu": "hu_vol_included",
        "hu_circle200_mean_vbmd_mgcc": "hu_circle200_included",
        "height_loss": "morphometry_included",
        "ea_min_kn": "strength_included",
        "psoas_slab_density_hu": "psoas_included",
        "aorta_agatston": "aorta_included",
    }
    flags = set(expected.values())
    for column, own in expected.items():
        cells = {c.name: [1.0] for c in columns if c.kind in ("float", "int")}
        cells |= {flag: [flag == own] for flag in flags}
        table = pd.DataFrame(cells).assign(participant_id="P1", level="L1")
        described = pd.DataFrame(
            [("vertebrae", c.name, c.block, c.kind) for c in columns],
            columns=["table", "column", "block", "type"],
        )
        assert measured_vertebrae(table, described, [column])[column].tolist() == [1.0]
        table[own] = False
        assert measured_vertebrae(table, described, [column])[column].isna().all()


def test_vertebrae_of_a_table_of_ones_own(write):
    settings = of_table(blocks=["clinical", "spine"], vertebra_columns={"spine": ["hu"]})
    table = write(LABELLED)
    good = write(
        "participant_id,level,hu,included\nP1,L1,100,1\nP1,L2,90,0\nP2,L1,,1\nX,L1,8,1\n", "v.csv"
    )
    analysis = from_table(table, "bmd", settings, good)
    assert analysis.blocks["spine"] == ["hu@L1"]
    assert analysis.frame["hu@L1"].fillna(-1).tolist() == [100, -1, -1]
    assert analysis.warnings == [
        f"2 of 4 patients have no vertebra in {good.name}",
        f"1 patients of {good.name} are not in {table.name}",
    ]

    bad = write("participant_id,level,hu\nP1,L1,100\nP1,L1,90\nP2,L9,x\n", "v.csv")
    with pytest.raises(CohortError) as failure:
        from_table(table, "bmd", settings, bad)
    for problem in (
        "P1: level L1 more than once (row 3)",
        "P2, level: 'L9' is not a level such as L1",
        "P2, hu: 'x' is not a number",
    ):
        assert problem in str(failure.value)


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
