"""Who is modelled: admits the tables, joins them, and accounts for everyone left out.

Two ways in: measured scans with a clinical table, or one table that holds features and outcome
already (tabular mode). Either ends in an `AnalysisSet`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from bonecast.cohort import PARTICIPANT_PATTERN, CohortError
from bonecast.model.features import MULTIMODAL
from bonecast.reasons import Reason

IMAGE_BLOCKS = ("hu", "vbmd", "strength", "morphometry", "composition", "radiomics")

LABEL_COLUMNS = ("site", "session_id", "dxa_t_score", "osteoporosis", "bmd")
"""Columns of a clinical table that are no covariates: diagnoses and administration."""

EXCLUSION_COLUMNS = ("participant_id", "stage", "reason", "detail")

WORDS = {"yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0}
"""Words accepted in a covariate in place of 1 and 0."""

SEX = {"F": 0.0, "M": 1.0}


@dataclass(frozen=True)
class ColumnNames:
    """What the columns with a meaning of their own are called in the user's table.

    None for a column that the table does not have; one that is named must be there.
    """

    participant_id: str | None = "participant_id"
    time: str = "time_years"
    event: str = "event"
    age_years: str | None = "age_years"
    sex: str | None = "sex"


@dataclass(frozen=True)
class AnalysisSet:
    """The patients who are modelled.

    Attributes:
        frame: one row per patient: participant_id, site (where known), time_years, event
            (0 censored, 1 fracture, 2 death), sex as text, and every feature as a number, NaN
            where missing. Sex as a feature is `sex_male`.
        blocks: columns of each feature block, in the order configured; without `multimodal`.
        scores: columns of scores computed elsewhere.
        exclusions: participant_id, stage, reason, detail of everyone left out.
        renamed: features that are not called as in the user's table: its name to the feature's.
    """

    frame: pd.DataFrame
    blocks: dict[str, list[str]]
    scores: list[str]
    exclusions: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=list(EXCLUSION_COLUMNS))
    )
    renamed: dict[str, str] = field(default_factory=dict)


def admit(
    inputs: Mapping[str, str], settings: Mapping, set_aside: Collection[str] = ()
) -> AnalysisSet:
    """The analysis set of a rule's inputs and the section `model` of the configuration.

    Args:
        inputs: `table`, or `scans`, `dictionary` and `clinical`, and `robustness` where radiomics
            that are not robust are left out: paths.
        settings: keys `columns`, `blocks`, `block_columns`, `score_columns`,
            `hazard_ratio_models`, `min_robustness`, as in the configuration.
        set_aside: participants whose scans told which radiomics are robust. What chooses features
            outside the folds must not be validated on: they are left out of the models.

    Raises:
        CohortError: lists every problem of the tables, by participant and column.
    """
    names = ColumnNames(**{f.name: settings["columns"][f.name] for f in fields(ColumnNames)})
    blocks = [block for block in settings["blocks"] if block != MULTIMODAL]
    own, scores, terms = settings["block_columns"], settings["score_columns"], _terms(settings)
    if "table" in inputs:
        members = {block: own[block] for block in blocks}
        return from_table(inputs["table"], names, members, scores, terms)
    scans = pd.read_parquet(inputs["scans"])
    dictionary = pd.read_csv(inputs["dictionary"], keep_default_na=False)
    if "robustness" in inputs:
        table = pd.read_csv(inputs["robustness"], sep="\t")
        dictionary = without_fragile(dictionary, table, settings["min_robustness"])
    return from_scans(
        scans, dictionary, inputs["clinical"], names, blocks, own, scores, terms, set_aside
    )


def without_fragile(
    dictionary: pd.DataFrame, robustness: pd.DataFrame, limit: float
) -> pd.DataFrame:
    """The data dictionary without the radiomics that are not shown to be robust.

    Args:
        robustness: the table `radiomics_robustness.tsv`.
        limit: kept are features whose ICC(2,1) of scans has at least this as the lower end of its
            interval, which .75 calls good (Koo & Li, J Chiropr Med 2016;15:155); a feature
            without an ICC is not kept.
    """
    of_scans = robustness[robustness["unit_of_analysis"] == "scan"]
    robust = set(of_scans.loc[of_scans["icc_lower"] >= limit, "feature"])
    fragile = (dictionary["block"] == "radiomics") & ~dictionary["column"].isin(robust)
    return dictionary[~fragile]


def check_clinical(path: str | Path, settings: Mapping) -> None:
    """Check a clinical table before there are scans to join it with.

    Args:
        settings: the section `model` of the configuration.

    Raises:
        CohortError: lists every problem of the table, by participant and column.
    """
    names = ColumnNames(**{f.name: settings["columns"][f.name] for f in fields(ColumnNames)})
    own, scores = settings["block_columns"], settings["score_columns"]
    _read_clinical(path, names, own, scores, _terms(settings))


def from_table(
    path: str | Path,
    names: ColumnNames,
    blocks: Mapping[str, Sequence[str]],
    scores: Sequence[str] = (),
    others: Sequence[str] = (),
) -> AnalysisSet:
    """Admit one table of features and outcome.

    Args:
        path: comma separated, or tab separated if it ends in .tsv.
        blocks: columns of each block, as they are called in the table.
        scores: columns of supplied scores; those that the table lacks are left out.
        others: further columns to keep as numbers (terms of plain hazard ratios).

    Raises:
        CohortError: lists every problem of the table, by participant and column.
    """
    text = read_text_table(path)
    wanted = list(dict.fromkeys([*(c for block in blocks.values() for c in block), *others]))
    scores = [score for score in scores if score in text]
    frame = _admit(text, names, [*wanted, *scores], str(path))
    rename = _renaming(names)
    columns = {block: [rename.get(c, c) for c in members] for block, members in blocks.items()}
    kept, excluded = _with_outcome(frame)
    return AnalysisSet(kept, columns, scores, _exclusions(excluded), rename)


def from_scans(
    scans: pd.DataFrame,
    dictionary: pd.DataFrame,
    clinical: str | Path,
    names: ColumnNames,
    blocks: Sequence[str],
    block_columns: Mapping[str, Sequence[str]] | None = None,
    scores: Sequence[str] = (),
    others: Sequence[str] = (),
    set_aside: Collection[str] = (),
) -> AnalysisSet:
    """Join measured scans with the clinical table.

    Args:
        scans: the table `scans.parquet`.
        dictionary: the table `data_dictionary.csv`: names the columns of each image block.
        clinical: path of the clinical table.
        blocks: blocks configured; those without any column are left out.
        block_columns: columns of the clinical table that make up a block; without an entry the
            block `clinical` takes every column that is not an id, outcome, score or label and
            in no other block.
        scores: columns of supplied scores; those that the table lacks are left out.
        others: further columns of the clinical table to keep as numbers.
        set_aside: participants who chose features, see `admit`.

    Raises:
        CohortError: lists every problem of the clinical table, by participant and column.
    """
    frame, own, scores = _read_clinical(clinical, names, block_columns or {}, scores, others)
    rename = _renaming(names)

    described = dictionary[dictionary["table"] == "scans"]
    columns: dict[str, list[str]] = {}
    for block in blocks:
        if block in own:
            columns[block] = [rename.get(c, c) for c in own[block]]
        elif block != MULTIMODAL:
            members = described.loc[described["block"] == block, "column"]
            columns[block] = [column for column in members if column in scans]
    columns = {block: members for block, members in columns.items() if members}
    image = [c for block in IMAGE_BLOCKS for c in columns.get(block, [])]

    scans = scans.set_index(scans["participant_id"].astype(str), drop=True)
    measured = pd.DataFrame(
        {column: pd.to_numeric(scans[column], errors="coerce").astype(float) for column in image},
        index=scans.index,
    )
    excluded: list[tuple[str, Reason, str]] = []
    known = set(frame["participant_id"])
    for participant, row in scans.iterrows():
        if row["status"] != "ok":
            detail = f"{row.get('stage', '')}: {row.get('reason', '')}"
            excluded.append((participant, Reason.SCAN_EXCLUDED, detail))
        elif participant in set_aside:
            excluded.append((participant, Reason.CHOSE_FEATURES, ""))
        elif participant not in known:
            excluded.append((participant, Reason.NO_CLINICAL_ROW, ""))
        elif image and measured.loc[participant].isna().all():
            excluded.append((participant, Reason.TOO_FEW_LEVELS, "no image feature"))
    missing = [p for p in frame["participant_id"] if p not in scans.index]
    excluded += [(participant, Reason.NO_SCAN, "") for participant in missing]
    left_out = {participant for participant, _, _ in excluded}
    frame = frame[~frame["participant_id"].isin(left_out)]
    frame, without_outcome = _with_outcome(frame)
    frame = frame.join(measured, on="participant_id")
    if "site" in scans:
        frame.insert(1, "site", frame["participant_id"].map(scans["site"]))
    exclusions = _exclusions([*excluded, *without_outcome])
    return AnalysisSet(frame, columns, scores, exclusions, rename)


def _read_clinical(
    path: str | Path,
    names: ColumnNames,
    block_columns: Mapping[str, Sequence[str]],
    scores: Sequence[str],
    others: Sequence[str],
) -> tuple[pd.DataFrame, dict[str, Sequence[str]], list[str]]:
    """A clinical table as numbers, the columns of each block of it, and the scores it has."""
    if names.participant_id is None:
        raise CohortError("model.columns.participant_id: scans and clinical table need it to meet")
    text = read_text_table(path)
    scores = [score for score in scores if score in text]
    administrative = {names.participant_id, names.time, names.event, *scores}
    own = dict(block_columns)
    taken = administrative | set(LABEL_COLUMNS) | {c for block in own.values() for c in block}
    own.setdefault("clinical", [column for column in text if column not in taken])
    covariates = [column for block in own.values() for column in block]
    others = [column for column in others if column in text]
    return _admit(text, names, [*covariates, *others, *scores], str(path)), own, scores


def _terms(settings: Mapping) -> list[str]:
    """Columns named in plain Cox models."""
    return [term for model in settings["hazard_ratio_models"].values() for term in model]


def read_text_table(path: str | Path) -> pd.DataFrame:
    """A table with every cell as stripped text, empty where missing.

    Raises:
        CohortError: the file is not such a table.
    """
    separator, called = ("\t", "tabs") if str(path).endswith(".tsv") else (",", "commas")
    try:
        table = pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except ValueError as error:  # pandas' own errors and undecodable bytes are such
        raise CohortError(
            f"{path}: not a table separated by {called} and saved as UTF-8: {error}"
        ) from None
    if len(table.columns) == 1 and any(mark in table.columns[0] for mark in ";,\t"):
        raise CohortError(f"{path}: its columns are not separated by {called}; save it so")
    table.columns = table.columns.str.strip()
    return table.apply(lambda column: column.str.strip())


def _renaming(names: ColumnNames) -> dict[str, str]:
    """From the user's name of a column with a meaning to the feature it becomes."""
    features = {names.age_years: "age_years", names.sex: "sex_male"}
    return {name: feature for name, feature in features.items() if name}


def _admit(
    text: pd.DataFrame, names: ColumnNames, covariates: Sequence[str], source: str
) -> pd.DataFrame:
    """Check a table of text and turn it into numbers.

    Raises:
        CohortError: every problem at once.
    """
    text = text.copy()
    identifier = names.participant_id
    if identifier is None:
        identifier = "participant_id"
        width = len(str(len(text)))
        text[identifier] = [f"row{number:0{width}d}" for number in range(1, len(text) + 1)]
    known = {identifier: "participant_id", names.time: "time_years", names.event: "event"}
    known |= {names.age_years: "age_years"} if names.age_years else {}
    known |= {names.sex: "sex"} if names.sex else {}
    checks = {
        identifier: [_is(_identifier, "letters, digits, '.', '_' or '-'")],
        names.time: [_is(_number(lambda v: v > 0), "a number of years above 0, or empty")],
        names.event: [
            _is(
                _number(lambda v: v.isin([0, 1, 2])),
                "0 (censored), 1 (fracture), 2 (death before fracture), or empty",
            )
        ],
        names.age_years: [
            _is(_number(lambda v: v.between(0, 120)), "an age of 0 to 120 years, or empty")
        ],
        names.sex: [_is(lambda s: s.isin([*SEX, ""]), "F or M, or empty")],
    }
    covariates = [column for column in dict.fromkeys(covariates) if column not in known]
    for column in covariates:
        checks[column] = [_is(_covariate, "a number, yes or no, or empty")]
    needed = [*known, *covariates]
    schema = pa.DataFrameSchema(
        {column: pa.Column(str, checks[column], unique=column == identifier) for column in needed}
    )
    try:
        schema.validate(text, lazy=True)
    except pa.errors.SchemaErrors as errors:
        raise CohortError(_problems(errors.failure_cases, text, identifier, source)) from None

    frame = pd.DataFrame({"participant_id": text[identifier]})
    frame["time_years"] = pd.to_numeric(text[names.time])
    frame["event"] = pd.to_numeric(text[names.event])
    if names.age_years:
        frame["age_years"] = pd.to_numeric(text[names.age_years])
    if names.sex:
        frame["sex"] = text[names.sex]
        frame["sex_male"] = text[names.sex].map(SEX)
    numbers = {column: _as_number(text[column]) for column in covariates}
    return pd.concat([frame, pd.DataFrame(numbers, index=frame.index)], axis=1)


def _is(check, expected: str) -> pa.Check:
    return pa.Check(check, error=expected, ignore_na=False)


def _number(valid):
    def check(cells: pd.Series) -> pd.Series:
        values = pd.to_numeric(cells, errors="coerce")
        return (cells == "") | (np.isfinite(values) & valid(values))

    return check


def _identifier(cells: pd.Series) -> pd.Series:
    return cells.str.fullmatch(PARTICIPANT_PATTERN).astype(bool)


def _as_number(cells: pd.Series) -> pd.Series:
    words = cells.str.lower().map(WORDS).astype(float)
    return pd.to_numeric(cells, errors="coerce").astype(float).fillna(words)


def _covariate(cells: pd.Series) -> pd.Series:
    return (cells == "") | np.isfinite(_as_number(cells))


def _problems(failures: pd.DataFrame, text: pd.DataFrame, identifier: str, source: str) -> str:
    """One line per problem: participant, column, value, what was expected."""
    lines = []
    for failure in failures.to_dict("records"):
        if failure["check"] == "column_in_dataframe":
            found = ", ".join(text.columns[:30])
            lines.append(
                f"column {failure['failure_case']} is missing; found: {found}. Columns are named"
                " in the configuration: model.columns (null for sex or age if there is none) and"
                " model.block_columns"
            )
            continue
        row = int(failure["index"])
        who = text[identifier].iloc[row] if identifier in text else ""
        who = who or f"row {row + 2}"
        if failure["check"] == "field_uniqueness":
            lines.append(f"{who}: named more than once (row {row + 2})")
        else:
            lines.append(
                f"{who}, {failure['column']}: {failure['failure_case']!r} is not {failure['check']}"
            )
    return f"{source}: {len(lines)} problem(s)\n  " + "\n  ".join(lines)


def _with_outcome(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[str, Reason, str]]]:
    """Patients with follow-up and event, sorted as given, and the others with a reason."""
    missing = frame[["time_years", "event"]].isna()
    excluded = [
        (
            frame.loc[row, "participant_id"],
            Reason.NO_OUTCOME,
            " and ".join(missing.columns[missing.loc[row]]) + " empty",
        )
        for row in frame.index[missing.any(axis=1)]
    ]
    kept = frame[~missing.any(axis=1)].reset_index(drop=True)
    return kept.astype({"event": int, "time_years": float}), excluded


def _exclusions(excluded: Sequence[tuple[str, Reason, str]]) -> pd.DataFrame:
    rows = [
        {"participant_id": participant, "stage": "model", "reason": str(reason), "detail": detail}
        for participant, reason, detail in excluded
    ]
    return pd.DataFrame(rows, columns=list(EXCLUSION_COLUMNS))
