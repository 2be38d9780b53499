"""The clinical table, or a table of everything: checked, and as numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from bonecast.cohort import CohortError
from bonecast.model import endpoints
from bonecast.model.admission import (
    AGE,
    COVARIATE,
    IDENTIFIER,
    NUMBER,
    SEX,
    SEXES,
    Cells,
    check,
    numbers,
    read_text_table,
    sexes,
)
from bonecast.model.endpoints import ColumnNames
from bonecast.model.vertebrae import AT

LABEL_COLUMNS = ("site", "session_id", "dxa_t_score", "osteoporosis", "bmd")
"""Columns of a clinical table that are no covariates, whatever the configuration names."""

RESERVED = ("participant_id", "site", "time_years", "event", "outcome", "sex", "entry")
"""Columns that an analysis set gives a meaning of its own; a subgroup may be site or sex."""

ANYTHING = Cells(lambda cells: cells.notna(), "text")


@dataclass(frozen=True)
class ClinicalTable:
    """A clinical table that was found without problems.

    Attributes:
        text: its cells as they are.
        frame: an analysis set but for the outcome: participant_id, site (empty), age_years, sex,
            sex_male, entry, subgroups as text, and every feature and score as a number.
        blocks: columns of `frame` of each block.
        scores: columns of scores computed elsewhere that the table has.
    """

    text: pd.DataFrame
    frame: pd.DataFrame
    blocks: dict[str, list[str]]
    scores: list[str]


def check_clinical(path: str, settings: Mapping) -> None:
    """Check a clinical table before there are scans to join it with.

    Args:
        settings: the section `model` of the configuration; all of its `endpoints` are checked.

    Raises:
        CohortError: lists every problem of the table, by participant and column.
    """
    read_clinical(path, settings["endpoints"], settings, implicit=True)


def read_clinical(path: str, of: Sequence[str], settings: Mapping, implicit: bool) -> ClinicalTable:
    """A checked clinical table, with everything but the outcome as numbers.

    Args:
        of: endpoints whose outcome it must hold.
        implicit: whether scans are to be joined: ids must be there, sites are the scans', and the
            block `clinical` takes every column with no other role.

    Raises:
        CohortError: lists every problem of the table, by participant and column.
    """
    names = ColumnNames.of(settings["columns"])
    if names.participant_id is None and implicit:
        raise CohortError("model.columns.participant_id: scans and clinical table need it to meet")
    text, identifier = numbered(read_text_table(path), names)
    scores = [score for score in settings["score_columns"] if score in text]
    subgroups = [s for s in settings["subgroups"] if s in text and s not in RESERVED]
    blocks = {b: list(c) for b, c in in_use(settings["block_columns"], settings).items()}
    if implicit and "clinical" in settings["blocks"] and "clinical" not in blocks:
        taken = {identifier, *names.own(), *LABEL_COLUMNS, *scores, *subgroups, *flat(blocks)}
        blocks["clinical"] = [column for column in text if column not in taken]
    features = flat(blocks)
    terms = flat(settings["hazard_ratio_models"]) if endpoints.FRACTURE in of else []
    terms = [term for term in terms if term in text or not implicit]

    roles = {names.age_years: AGE, names.sex: SEXES, names.entry: NUMBER}
    if not implicit:
        roles[names.site] = ANYTHING
    roles.pop(None, None)
    cells = dict.fromkeys([*features, *terms, *scores], COVARIATE) | roles
    for endpoint in of:
        cells |= endpoints.outcome_cells(endpoint, names, settings)
    cells |= {identifier: IDENTIFIER}
    rename = renaming(names)

    def more() -> list[str]:
        lines = [
            f"column {c}: Bonecast gives this name a meaning of its own; call the column otherwise"
            for c in dict.fromkeys([*features, *terms, *scores])
            if c not in rename and (c in RESERVED or c in rename.values() or AT in c)
        ]
        for endpoint in of:
            lines += endpoints.leaks([*features, *terms], endpoint, names, settings)
            lines += endpoints.contradictions(text, endpoint, names, settings, identifier)
        return lines

    check(text, cells, identifier, str(path), more)
    frame = _frame(text, identifier, names, [*features, *terms, *scores], subgroups)
    named = {block: [rename.get(c, c) for c in members] for block, members in blocks.items()}
    return ClinicalTable(text, frame, named, scores)


def numbered(text: pd.DataFrame, names: ColumnNames) -> tuple[pd.DataFrame, str]:
    """A table of text and its column of ids; one is added where the table has none."""
    if names.participant_id is not None:
        return text, names.participant_id
    width = len(str(len(text)))
    ids = [f"row{number:0{width}d}" for number in range(1, len(text) + 1)]
    return text.assign(participant_id=ids), "participant_id"


def _frame(
    text: pd.DataFrame,
    identifier: str,
    names: ColumnNames,
    covariates: Sequence[str],
    subgroups: Sequence[str],
) -> pd.DataFrame:
    """All but the outcome, as in an analysis set."""
    columns = {"participant_id": text[identifier], "site": pd.Series("", text.index)}
    if names.age_years:
        columns["age_years"] = numbers(text[names.age_years])
    if names.sex:
        columns["sex"] = sexes(text[names.sex])
        columns["sex_male"] = columns["sex"].map(SEX).astype(float)
    if names.entry:
        columns["entry"] = numbers(text[names.entry])
    columns |= {column: text[column] for column in subgroups if column not in columns}
    features = [c for c in dict.fromkeys(covariates) if c not in (names.age_years, names.sex)]
    # A subgroup that is a feature too is kept as the number.
    columns |= {column: numbers(text[column]) for column in features}
    return pd.DataFrame(columns, index=text.index)


def renaming(names: ColumnNames) -> dict[str, str]:
    """From the user's name of a column with a meaning to the feature it becomes."""
    features = {names.age_years: "age_years", names.sex: "sex_male"}
    return {name: feature for name, feature in features.items() if name}


def flat(blocks: Mapping[str, Sequence[str]]) -> list[str]:
    """Columns of several blocks, each once."""
    return list(dict.fromkeys(column for members in blocks.values() for column in members))


def in_use(blocks: Mapping[str, Sequence[str]], settings: Mapping) -> dict[str, Sequence[str]]:
    """Those of some blocks that are modelled, in the order configured."""
    return {block: blocks[block] for block in settings["blocks"] if block in blocks}
