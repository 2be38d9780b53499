"""Patients to be predicted: the features of a saved model, without any outcome."""

from collections.abc import Mapping, Sequence

import pandas as pd

from bonecast.model.admission import (
    AGE,
    COVARIATE,
    IDENTIFIER,
    SEX,
    SEXES,
    Cells,
    check,
    numbers,
    read_text_table,
    sexes,
)
from bonecast.model.clinical import numbered, renaming
from bonecast.model.endpoints import ColumnNames
from bonecast.model.vertebrae import AT, measured_vertebrae, per_level, vertebrae_of_table
from bonecast.sessions import baseline_rows


def admit_new(inputs: Mapping[str, str], needed: Sequence[str], settings: Mapping) -> pd.DataFrame:
    """New patients with those features of a model that their tables have.

    Args:
        inputs: paths: `table`; or `scans` and `dictionary`, and `clinical` where there is one.
            `vertebrae` for columns by level, `<column>@<level>`; a `table` may have these itself.
        needed: columns as they are called in an analysis set. Age and sex may be called in the
            table as `columns` says or as they are in an analysis set.
        settings: key `columns`, as in the configuration.

    Returns:
        One row per patient: participant_id, site (empty where unknown), and features as numbers,
        NaN where missing. A column that no table has is left out; a level that nobody has is
        empty. Everyone named in any of the tables has a row, with the features of the baseline
        scan; of a scan that was excluded nothing is known.

    Raises:
        CohortError: lists every value that cannot be, by patient and column.
    """
    names = ColumnNames.of(settings["columns"])
    needed = list(dict.fromkeys(needed))
    if "table" in inputs:
        frame = _of_text(inputs["table"], needed, names)
    else:
        frame = _of_scans(inputs, needed, names)
    if elsewhere := [c for c in needed if AT in c and c not in frame and "vertebrae" in inputs]:
        frame = frame.join(_of_vertebrae(inputs, elsewhere, names), on="participant_id")
    front = ["participant_id", "site"]
    frame = frame[[*front, *(c for c in needed if c in frame)]]
    return frame.fillna({"site": ""}).reset_index(drop=True)


def _of_text(path: str, needed: Sequence[str], names: ColumnNames) -> pd.DataFrame:
    """Ids, sites and features of a table of text."""
    text, identifier = numbered(read_text_table(path), names)
    called = {feature: name for name, feature in renaming(names).items()}
    source = {c: called[c] if called.get(c) in text else c for c in needed}
    source = {column: name for column, name in source.items() if name in text}
    cells: dict[str, Cells] = {identifier: IDENTIFIER}
    for column, name in source.items():
        of_sex = column == "sex_male" and name != column
        cells[name] = SEXES if of_sex else AGE if column == "age_years" else COVARIATE
    check(text, cells, identifier, str(path))
    values = {
        column: sexes(text[name]).map(SEX).astype(float)
        if cells[name] is SEXES
        else numbers(text[name])
        for column, name in source.items()
    }
    site = text.get(names.site, "")
    return pd.DataFrame({"participant_id": text[identifier], "site": site} | values, text.index)


def _of_scans(inputs: Mapping[str, str], needed: Sequence[str], names: ColumnNames) -> pd.DataFrame:
    """Ids, sites and features of baseline scans and of the clinical table."""
    scans = baseline_rows(pd.read_parquet(inputs["scans"]))
    scans = scans.set_index(scans["participant_id"].astype(str), drop=True)
    measured = [c for c in needed if c in scans]
    frame = scans[measured].apply(pd.to_numeric, errors="coerce").astype(float)
    frame = frame.where(scans["status"] == "ok")
    frame["site"] = scans["site"].fillna("").astype(str) if "site" in scans else ""
    if "clinical" in inputs:
        rest = [c for c in needed if c not in scans]
        clinical = _of_text(inputs["clinical"], rest, names).set_index("participant_id")
        frame = frame.join(clinical.drop(columns="site"), how="outer", sort=False)
        order = [*scans.index, *clinical.index.difference(scans.index, sort=False)]
        frame = frame.loc[order]
    return frame.rename_axis("participant_id").reset_index()


def _of_vertebrae(
    inputs: Mapping[str, str], needed: Sequence[str], names: ColumnNames
) -> pd.DataFrame:
    """Columns by level, indexed by participant."""
    columns = list(dict.fromkeys(c.rpartition(AT)[0] for c in needed))
    if "table" in inputs:
        identifier = names.participant_id or "participant_id"
        table = vertebrae_of_table(inputs["vertebrae"], columns, identifier)
    else:
        dictionary = pd.read_csv(inputs["dictionary"], keep_default_na=False)
        vertebrae = baseline_rows(pd.read_parquet(inputs["vertebrae"]))
        table = measured_vertebrae(vertebrae, dictionary, columns)
    return per_level(table, columns).reindex(columns=needed)
