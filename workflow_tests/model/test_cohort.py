"""Who is admitted, who is left out and why, and how a bad table is answered."""

import pandas as pd
import pytest

from bonecast.cohort import CohortError
from bonecast.model.cohort import (
    ColumnNames,
    admit,
    from_scans,
    from_table,
    read_text_table,
    without_fragile,
)

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
    blocks = ["clinical", "hu", "radiomics", "multimodal"]
    clinical = write(CLINICAL)
    for set_aside in ([], ["P1"]):
        analysis = from_scans(
            scans, DICTIONARY, clinical, ColumnNames(), blocks, set_aside=set_aside
        )
        reasons = dict(analysis.exclusions[["participant_id", "reason"]].itertuples(index=False))
        assert (reasons.get("P1") == "chose_features") == bool(set_aside)
        assert ("P1" in set(analysis.frame["participant_id"])) != bool(set_aside)


def test_everyone_is_modelled_or_left_out_with_a_reason(scans, write):
    analysis = from_scans(
        scans,
        DICTIONARY,
        write(CLINICAL),
        ColumnNames(),
        ["clinical", "hu", "radiomics", "multimodal"],
        scores=["frax_mof_pct", "frax_hip_pct"],
    )
    assert analysis.frame["participant_id"].tolist() == ["P1", "P2", "P3"]
    reasons = dict(analysis.exclusions[["participant_id", "reason"]].itertuples(index=False))
    assert reasons == {
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
    arguments = (DICTIONARY, write(CLINICAL), ColumnNames(), ["clinical", "hu"])
    straight = from_scans(scans, *arguments).frame
    reverse = from_scans(scans.iloc[::-1], *arguments).frame
    pd.testing.assert_frame_equal(straight, reverse)


def test_columns_named_in_the_configuration_make_a_block(scans, write):
    analysis = from_scans(
        scans,
        DICTIONARY,
        write(CLINICAL),
        ColumnNames(),
        ["clinical", "dxa", "hu"],
        {"dxa": ["dxa_t_score"]},
    )
    assert analysis.blocks["dxa"] == ["dxa_t_score"]
    assert "frax_mof_pct" in analysis.blocks["clinical"]
    assert "dxa_t_score" not in analysis.blocks["clinical"]


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
        from_scans(scans, DICTIONARY, bad, ColumnNames(), ["clinical"])
    message = str(failure.value)
    for line in (
        "P1, age_years: '171' is not an age of 0 to 120",
        "P2, sex: 'female' is not F or M",
        "P2, time_years: '-3' is not a number of years above 0",
        "P3, bmi: 'heavy' is not a number",
        "P3, event: '4' is not 0 (censored), 1 (fracture)",
        "P3: named more than once (row 4)",
        "P3: named more than once (row 5)",
        "P3, time_years: 'inf' is not",
        "P 4, participant_id: 'P 4' is not letters",
    ):
        assert line in message
    assert "9 problem(s)" in message


def test_missing_columns_are_named(scans, write):
    table = write("participant_id,age,time_years,event\nP1,70,3,1\n")
    with pytest.raises(CohortError) as failure:
        from_scans(scans, DICTIONARY, table, ColumnNames(), ["clinical"])
    assert "column age_years is missing; found: participant_id, age," in str(failure.value)
    assert "column sex is missing" in str(failure.value)


def test_scans_cannot_be_joined_without_ids(scans, write):
    with pytest.raises(CohortError, match=r"model\.columns\.participant_id"):
        from_scans(scans, DICTIONARY, write(CLINICAL), ColumnNames(participant_id=None), ["hu"])


def test_a_table_of_ones_own_needs_no_ids(write):
    table = write(
        "alter\tt\te\tneck\n" + "70\t3.5\t1\t-2.5\n" * 2 + "70\t\t0\t-2\n", name="own.tsv"
    )
    names = ColumnNames(participant_id=None, time_years="t", event="e", age_years="alter", sex=None)
    analysis = from_table(table, names, {"clinical": ["alter"], "dxa": ["neck"]})
    assert analysis.frame["participant_id"].tolist() == ["row1", "row2"]
    assert analysis.blocks == {"clinical": ["age_years"], "dxa": ["neck"]}
    assert analysis.exclusions["participant_id"].tolist() == ["row3"]


def test_configuration_decides_which_way_in(scans, write, tmp_path):
    settings = {
        "columns": {
            "participant_id": "participant_id",
            "time_years": "time_years",
            "event": "event",
            "age_years": "age_years",
            "sex": "sex",
        },
        "blocks": ["clinical", "hu", "multimodal"],
        "block_columns": {"clinical": ["age_years", "sex"]},
        "score_columns": [],
        "hazard_ratio_models": {"weight": ["bmi"]},
    }
    scans.to_parquet(tmp_path / "scans.parquet")
    DICTIONARY.to_csv(tmp_path / "dictionary.csv", index=False)
    inputs = {
        "scans": str(tmp_path / "scans.parquet"),
        "dictionary": str(tmp_path / "dictionary.csv"),
        "clinical": str(write(CLINICAL)),
    }
    measured = admit(inputs, settings)
    assert measured.blocks == {"clinical": ["age_years", "sex_male"], "hu": ["hu_vol_min_hu"]}
    assert "bmi" in measured.frame
    settings["blocks"] = ["clinical"]
    alone = admit({"table": inputs["clinical"]}, settings)
    assert alone.frame["participant_id"].tolist() == ["P1", "P2", "P3", "P5", "P9"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not a table separated by commas and saved as UTF-8"),
        (b"participant_id,event\nP1,1,2\nP2,1,2,3\n", "not a table separated by commas"),
        ("participant_id,event\nM\u00fcnchen,1\n".encode("latin-1"), "saved as UTF-8"),
        (b"participant_id;event\nP1;1\n", "its columns are not separated by commas"),
    ],
)
def test_a_file_that_is_no_such_table_is_named(tmp_path, content, problem):
    path = tmp_path / "clinical.csv"
    path.write_bytes(content)
    with pytest.raises(CohortError, match=f"clinical.csv: .*{problem}"):
        read_text_table(path)
