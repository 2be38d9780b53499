"""Patients to be predicted: the features that a saved model needs, without any outcome."""

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
    refuse,
)
from bonecast.model.clinical import renaming
from bonecast.model.cohort import exclusions_table
from bonecast.model.endpoints import ColumnNames
from bonecast.model.vertebrae import AT, measured_vertebrae, per_level, vertebrae_of_table
from bonecast.reasons import Reason


def admit_new(
    inputs: Mapping[str, str], needed: Sequence[str], settings: Mapping
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Patients with the features of a model.

    Args:
        inputs: paths: `table`; or `scans` and `dictionary`, and `clinical` where the model needs
            columns of it. `vertebrae` where it needs columns by level, `<column>@<level>`; a
            `table` may have these itself.
        needed: columns as they are called in an analysis set.
        settings: key `columns`, as in the configuration.

    Returns:
        One row per patient: participant_id, site (empty where unknown) and `needed` as numbers,
        NaN where missing; and the exclusions, columns as in `cohort.EXCLUSION_COLUMNS`. Whoever
        has none of the features is left out: the prediction would be that of the average patient.

    Raises:
        CohortError: lists every column that is missing and every value that cannot be.
    """
    needed = list(dict.fromkeys(needed))
    excluded: list[tuple[str, Reason, str]] = []
    if "table" in inputs:
        frame = _of_table(inputs["table"], needed, settings, inputs.get("vertebrae"))
    else:
        frame, excluded = _of_scans(inputs, needed, settings)
    nothing = frame[needed].isna().all(axis=1)
    excluded += [(p, Reason.NO_FEATURE, "") for p in frame.loc[nothing, "participant_id"]]
    front = ["participant_id", "site"]
    return frame.loc[~nothing, [*front, *needed]].reset_index(drop=True), exclusions_table(excluded)


def _of_table(
    path: str, needed: Sequence[str], settings: Mapping, vertebrae: str | None
) -> pd.DataFrame:
    names = ColumnNames.of(settings["columns"])
    text = read_text_table(path)
    identifier = names.participant_id or "participant_id"
    if names.participant_id is None:
        width = len(str(len(text)))
        text[identifier] = [f"row{number:0{width}d}" for number in range(1, len(text) + 1)]
    elsewhere = [c for c in needed if AT in c and c not in text] if vertebrae else []
    plain = [c for c in needed if c not in elsewhere]
    values = _columns(text, plain, names, identifier, path)
    frame = pd.DataFrame({"participant_id": text[identifier], "site": ""})
    if names.site and names.site in text:
        frame["site"] = text[names.site]
    frame = frame.join(values)
    if elsewhere:
        columns = list(dict.fromkeys(c.rpartition(AT)[0] for c in elsewhere))
        wide = per_level(vertebrae_of_table(vertebrae, columns, identifier), columns)
        # A level that nobody has is missing, as it is for a patient without it.
        frame = frame.join(wide.reindex(columns=elsewhere), on="participant_id")
    return frame


def _of_scans(
    inputs: Mapping[str, str], needed: Sequence[str], settings: Mapping
) -> tuple[pd.DataFrame, list[tuple[str, Reason, str]]]:
    names = ColumnNames.of(settings["columns"])
    scans = pd.read_parquet(inputs["scans"])
    scans = scans.set_index(scans["participant_id"].astype(str), drop=True)
    by_level = [c for c in needed if AT in c]
    measured = [c for c in needed if c in scans and c not in by_level]
    rest = [c for c in needed if c not in scans and c not in by_level]
    problems = []
    if rest and "clinical" not in inputs:
        problems = [_missing(c, scans.columns) for c in rest]
    if by_level and "vertebrae" not in inputs:
        problems += [_missing(c, scans.columns) for c in by_level]
    refuse(problems, inputs["scans"])

    excluded: list[tuple[str, Reason, str]] = []
    for participant, row in scans[scans["status"] != "ok"].iterrows():
        detail = f"{row.get('stage', '')}: {row.get('reason', '')}"
        excluded.append((participant, Reason.SCAN_EXCLUDED, detail))
    scans = scans[scans["status"] == "ok"]
    site = scans["site"].fillna("").astype(str) if "site" in scans else ""
    frame = pd.DataFrame({"participant_id": scans.index, "site": site}, index=scans.index)
    values = {c: pd.to_numeric(scans[c], errors="coerce").astype(float) for c in measured}
    frame = frame.join(pd.DataFrame(values, index=scans.index))
    if by_level:
        columns = list(dict.fromkeys(c.rpartition(AT)[0] for c in by_level))
        dictionary = pd.read_csv(inputs["dictionary"], keep_default_na=False)
        table = measured_vertebrae(pd.read_parquet(inputs["vertebrae"]), dictionary, columns)
        frame = frame.join(per_level(table, columns).reindex(columns=by_level))
    if rest:
        text = read_text_table(inputs["clinical"])
        identifier = names.participant_id or "participant_id"
        clinical = _columns(text, rest, names, identifier, inputs["clinical"])
        clinical.index = text[identifier]
        without = frame.index[~frame.index.isin(clinical.index)]
        excluded += [(participant, Reason.NO_CLINICAL_ROW, "") for participant in without]
        frame = frame.drop(index=without).join(clinical)
    return frame, excluded


def _columns(
    text: pd.DataFrame,
    needed: Sequence[str],
    names: ColumnNames,
    identifier: str,
    source: str,
) -> pd.DataFrame:
    """Features of a table of text, which may call age and sex as the configuration does."""
    called = {feature: name for name, feature in renaming(names).items()}
    source_of = {c: called[c] if called.get(c) in text else c for c in needed}
    cells: dict[str, Cells] = {identifier: IDENTIFIER}
    for column, name in source_of.items():
        is_sex = column == "sex_male" and name != column
        cells[name] = SEXES if is_sex else AGE if column == "age_years" else COVARIATE
    absent = [column for column, name in source_of.items() if name not in text]
    refuse([_missing(called.get(c, c), text.columns) for c in absent], str(source))
    check(text, cells, identifier, str(source))
    values = {
        column: text[name].map(SEX).astype(float) if cells[name] is SEXES else numbers(text[name])
        for column, name in source_of.items()
    }
    return pd.DataFrame(values, index=text.index)


def _missing(column: str, found: Sequence[str]) -> str:
    listed = ", ".join([*found][:30])
    return f"column {column} is missing, from which the model predicts; found: {listed}"
