"""Small tables of patients, scans and vertebrae, and the options to admit them by."""

import pandas as pd
import pytest

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


LABELLED = """participant_id,age_years,sex,bmi,osteoporosis,dxa_t_score,bmd
P1,70,F,24,Yes,-2.5,0.7
P2,71,F,25,no,-2.4,
P3,72,M,26,,-3.1,0.8
P4,73,M,27,1,,0.9
"""
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
