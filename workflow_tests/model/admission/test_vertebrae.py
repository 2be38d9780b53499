"""Columns of vertebrae, one per level, beside the columns of patients."""

import pandas as pd
import pytest

from bonecast.cohort import CohortError
from bonecast.measure.dictionary import vertebra_columns as dictionary_of_vertebrae
from bonecast.model.cohort import from_scans, from_table
from bonecast.model.vertebrae import measured_vertebrae

from .conftest import (
    CLINICAL,
    LABELLED,
    OF_VERTEBRAE,
    VERTEBRAE,
    of_table,
    reasons_of,
    settings_of,
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
