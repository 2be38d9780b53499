"""Who is modelled: joins the tables and accounts for everyone left out.

Two ways in: measured scans with a clinical table, or one table that holds features and outcome
already (tabular mode). Either ends in an `AnalysisSet`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bonecast.model import MULTIMODAL, endpoints
from bonecast.model.admission import refuse
from bonecast.model.clinical import flat, in_use, read_clinical, renaming
from bonecast.model.endpoints import ColumnNames, read_outcome
from bonecast.model.vertebrae import level_columns, measured_vertebrae, vertebrae_of_table
from bonecast.reasons import Reason
from bonecast.sessions import baseline_rows, same_patients, scan_ids

SCANNER, SCANNER_PARTS = "scanner", ("manufacturer", "model")

EXCLUSION_COLUMNS = ("participant_id", "session_id", "stage", "reason", "detail")
"""session_id is empty where the participant has one scan, or none."""


CALIBRATED = ("vbmd", "strength")
"""Image blocks made of the density that the class of a scan by QCT is read from."""


@dataclass(frozen=True)
class AnalysisSet:
    """The patients who are modelled.

    Attributes:
        frame: one row per patient: participant_id; site, empty where unknown; time_years and
            event (0 censored, 1 fracture, 2 death), or outcome (a diagnosis as 1 or 0, or a
            number); sex and columns of subgroups as text; entry; and every feature as a number,
            NaN where missing. Sex as a feature is `sex_male`.
        blocks: columns of each feature block, in the order configured; without `multimodal`.
        scores: columns of scores computed elsewhere.
        exclusions: EXCLUSION_COLUMNS of everyone left out, and of scans other than the baseline.
        renamed: features that are not called as in the user's table: its name to the feature's.
        warnings: what was left out besides patients, in sentences.
    """

    frame: pd.DataFrame
    blocks: dict[str, list[str]]
    scores: list[str]
    exclusions: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=list(EXCLUSION_COLUMNS))
    )
    renamed: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def admit(
    inputs: Mapping[str, str],
    endpoint: str,
    settings: Mapping,
    set_aside: Collection[str] = (),
) -> AnalysisSet:
    """The analysis set of a rule's inputs and the section `model` of the configuration.

    Args:
        inputs: paths: `table`, or `scans`, `dictionary` and `clinical`; `vertebrae` where
            `vertebra_columns` are configured; `robustness` where radiomics that are not robust
            are left out.
        endpoint: fracture, osteoporosis or bmd.
        settings: keys `columns`, `time_unit`, `event_codes`, `washout_years`,
            `osteoporosis_from`, `blocks`, `block_columns`, `vertebra_columns`, `score_columns`,
            `hazard_ratio_models`, `subgroups`, `min_robustness`, as in the configuration.
        set_aside: names of scans that told which radiomics are robust. What chooses features
            outside the folds must not be validated on: their participants are left out of the
            models.

    Raises:
        CohortError: lists every problem of the tables, by participant and column.
    """
    if "table" in inputs:
        return from_table(inputs["table"], endpoint, settings, inputs.get("vertebrae"))
    scans = pd.read_parquet(inputs["scans"])
    dictionary = pd.read_csv(inputs["dictionary"], keep_default_na=False)
    if "robustness" in inputs:
        table = pd.read_csv(inputs["robustness"], sep="\t")
        dictionary = without_fragile(dictionary, table, settings["min_robustness"])
    vertebrae = pd.read_parquet(inputs["vertebrae"]) if "vertebrae" in inputs else None
    return from_scans(
        scans, dictionary, inputs["clinical"], endpoint, settings, vertebrae, set_aside
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


def from_table(
    path: str, endpoint: str, settings: Mapping, vertebrae: str | None = None
) -> AnalysisSet:
    """Admit one table of features and outcome.

    Args:
        path: comma separated, or tab separated if it ends in .tsv.
        vertebrae: path of a table of vertebrae, for blocks of `vertebra_columns`.

    Raises:
        CohortError: lists every problem of the tables, by participant and column.
    """
    names = ColumnNames.of(settings["columns"])
    table = read_clinical(path, [endpoint], settings, implicit=False)
    frame, blocks = table.frame, table.blocks
    warnings: list[str] = []
    if vertebrae:
        wanted = in_use(settings["vertebra_columns"], settings)
        columns = flat(wanted)
        identifier = names.participant_id or "participant_id"
        by_vertebra = vertebrae_of_table(vertebrae, columns, identifier)
        wide, of_levels = level_columns(by_vertebra, wanted)
        without = (~frame["participant_id"].isin(wide.index)).sum()
        if without:
            warnings.append(
                f"{without} of {len(frame)} patients have no vertebra in {Path(vertebrae).name}"
            )
        unknown = (~wide.index.isin(frame["participant_id"])).sum()
        if unknown:
            warnings.append(
                f"{unknown} patients of {Path(vertebrae).name} are not in {Path(path).name}"
            )
        frame, blocks = frame.join(wide, on="participant_id"), blocks | of_levels
    if names.site:
        frame["site"] = table.text[names.site]
    frame, excluded = _with_outcome(frame, table.text, endpoint, settings)
    scores, more = _scores_of(table.scores, endpoint, settings)
    return AnalysisSet(
        frame.reset_index(drop=True),
        _in_order(blocks, settings),
        scores,
        _exclusions(excluded),
        renaming(names),
        warnings + more,
    )


def from_scans(
    scans: pd.DataFrame,
    dictionary: pd.DataFrame,
    clinical: str,
    endpoint: str,
    settings: Mapping,
    vertebrae: pd.DataFrame | None = None,
    set_aside: Collection[str] = (),
) -> AnalysisSet:
    """Join the baseline scans of the measured ones with the clinical table.

    Participants who have a scan in common are one patient under several ids, who would be
    learned from and predicted at once: the first of them in the order of `scans` is kept.

    Args:
        scans: the table `scans.parquet`.
        dictionary: the table `data_dictionary.csv`: names the columns of each image block.
        clinical: path of the clinical table. Without an entry in `block_columns` the block
            `clinical` takes every column that is not an id, outcome, score, label or subgroup and
            in no other block.
        vertebrae: the table `vertebrae.parquet`, for blocks of `vertebra_columns`.
        set_aside: scans that chose features, see `admit`.

    Raises:
        CohortError: lists every problem of the clinical table, by participant and column.
    """
    table = read_clinical(clinical, [endpoint], settings, implicit=True)
    every = scans
    scans = baseline_rows(every)
    scans = scans.set_index(scans["participant_id"].astype(str), drop=True)
    if vertebrae is not None:
        vertebrae = baseline_rows(vertebrae)
    columns, measured, warnings = _measured(scans, dictionary, endpoint, settings, vertebrae)
    columns |= table.blocks
    clash = [column for column in table.frame if column in measured]
    refuse([f"column {c} is one of the measured tables too: rename it" for c in clash], clinical)

    frame = table.frame
    excluded: list[tuple[str, Reason, str]] = []
    known = set(frame["participant_id"])
    nothing = measured.isna().all(axis=1) if len(measured.columns) else None
    patients = _patients(every)
    drawn = scans.index[pd.Index(scan_ids(scans)).isin(list(set_aside))]
    aside = {patients[participant] for participant in drawn}
    taken: dict[str, str] = {}
    for participant, status, stage, reason in _states(scans):
        if status != "ok":
            detail = f"{stage}: {reason}"
            excluded.append((participant, Reason.SCAN_EXCLUDED, detail))
        elif patients[participant] in aside:
            excluded.append((participant, Reason.CHOSE_FEATURES, ""))
        elif participant not in known:
            excluded.append((participant, Reason.NO_CLINICAL_ROW, ""))
        elif nothing is not None and nothing[participant]:
            excluded.append((participant, Reason.TOO_FEW_LEVELS, "no image feature"))
        elif (other := taken.setdefault(patients[participant], participant)) != participant:
            excluded.append((participant, Reason.SAME_SCAN, f"a scan of {other} is the same"))
    missing = [p for p in frame["participant_id"] if p not in scans.index]
    excluded += [(participant, Reason.NO_SCAN, "") for participant in missing]
    left_out = {participant for participant, _, _ in excluded}
    frame = frame[~frame["participant_id"].isin(left_out)]
    frame = frame.join(measured, on="participant_id")
    facts = _facts(scans, [name for name in settings["subgroups"] if name not in frame])
    frame = frame.drop(columns="site").join(facts, on="participant_id")
    frame, without_outcome = _with_outcome(frame, table.text, endpoint, settings, scans)
    scores, more = _scores_of(table.scores, endpoint, settings)
    return AnalysisSet(
        frame.reset_index(drop=True),
        _in_order(columns, settings),
        scores,
        pd.concat(
            [_other_sessions(every), _exclusions([*excluded, *without_outcome], _sessions(scans))],
            ignore_index=True,
        ),
        renaming(ColumnNames.of(settings["columns"])),
        warnings + more,
    )


def _patients(scans: pd.DataFrame) -> dict[str, str]:
    """Of each participant the first who is the same patient."""
    same = scans["same_scan_as"].fillna("") if "same_scan_as" in scans else [""] * len(scans)
    participants = scans["participant_id"].astype(str)
    return same_patients(zip(participants, scan_ids(scans), same, strict=True))


def _sessions(scans: pd.DataFrame) -> dict[str, str]:
    """Session of each participant's scan that is not empty."""
    if "session_id" not in scans:
        return {}
    return scans.loc[scans["session_id"].fillna("") != "", "session_id"].to_dict()


def _other_sessions(scans: pd.DataFrame) -> pd.DataFrame:
    """A row for every scan that is not its participant's baseline."""
    others = scans.drop(index=baseline_rows(scans).index)
    row = {"stage": "model", "reason": str(Reason.NOT_BASELINE), "detail": ""}
    return others.assign(**row).reindex(columns=list(EXCLUSION_COLUMNS))


def _states(scans: pd.DataFrame) -> Iterator[tuple[str, str, str, str]]:
    """Participant, status, stage and reason of each scan."""
    columns = ["status", "stage", "reason"]
    return scans.reindex(columns=columns).itertuples(name=None)


def _measured(
    scans: pd.DataFrame,
    dictionary: pd.DataFrame,
    endpoint: str,
    settings: Mapping,
    vertebrae: pd.DataFrame | None,
) -> tuple[dict[str, list[str]], pd.DataFrame, list[str]]:
    """Columns of each image block, the features by participant, and what was left out."""
    by_level = in_use(settings["vertebra_columns"], settings)
    own = {*settings["block_columns"], *by_level, MULTIMODAL}
    described = dictionary[dictionary["table"] == "scans"]
    columns = {
        block: [c for c in described.loc[described["block"] == block, "column"] if c in scans]
        for block in settings["blocks"]
        if block not in own
    }
    warnings = []
    if endpoints.is_of_scans(endpoint, settings):
        # The class is read from these densities: to predict from them is to look it up.
        label = set(dictionary.loc[dictionary["block"].isin(CALIBRATED), "column"])
        columns = {block: c for block, c in columns.items() if block not in CALIBRATED}
        by_level = {b: [c for c in members if c not in label] for b, members in by_level.items()}
        warnings.append(
            "the diagnosis is the class of the scan's density: calibrated densities (blocks"
            f" {' and '.join(CALIBRATED)}) are no features, and HU of the same bodies comes near to"
            " being the label"
        )
    for block in [block for block, members in columns.items() if not members]:
        del columns[block]
    image = list(dict.fromkeys(c for members in columns.values() for c in members))
    values = {c: pd.to_numeric(scans[c], errors="coerce").astype(float) for c in image}
    measured = pd.DataFrame(values, index=scans.index)
    if vertebrae is not None and by_level:
        table = measured_vertebrae(vertebrae, dictionary, flat(by_level))
        wide, of_levels = level_columns(table, by_level)
        measured, columns = measured.join(wide), columns | of_levels
    return columns, measured, warnings


def _facts(scans: pd.DataFrame, subgroups: Sequence[str]) -> pd.DataFrame:
    """Site and subgroups that the scans tell of, as text, empty where unknown."""
    facts = {"site": scans["site"] if "site" in scans else pd.Series("", scans.index)}
    for name in subgroups:
        if name == SCANNER and set(SCANNER_PARTS) <= set(scans):
            parts = [scans[part].fillna("").astype(str) for part in SCANNER_PARTS]
            facts[name] = (parts[0] + " " + parts[1]).str.strip()
        elif name in scans:
            facts[name] = scans[name]
    return pd.DataFrame(facts, index=scans.index).astype(object).fillna("").astype(str)


def _in_order(blocks: Mapping[str, list[str]], settings: Mapping) -> dict[str, list[str]]:
    return {block: blocks[block] for block in settings["blocks"] if blocks.get(block)}


def _scores_of(
    scores: Sequence[str], endpoint: str, settings: Mapping
) -> tuple[list[str], list[str]]:
    """Scores that are not what this endpoint's outcome is read from, and a line on the others."""
    labels = endpoints.label_columns(endpoint, ColumnNames.of(settings["columns"]), settings)
    kept = [score for score in scores if score not in labels]
    lines = [
        f"score {score} is left out: the outcome of {endpoint} is read from it"
        for score in scores
        if score in labels
    ]
    return kept, lines


def _with_outcome(
    frame: pd.DataFrame,
    text: pd.DataFrame,
    endpoint: str,
    settings: Mapping,
    scans: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, list[tuple[str, str, str]]]:
    """Patients with an outcome, in the order given, and the others with a reason.

    Args:
        frame: some rows of `text`, by its index.
    """
    names = ColumnNames.of(settings["columns"])
    if endpoints.is_of_scans(endpoint, settings):
        outcome, left_out = endpoints.qct_outcome(scans, frame["participant_id"])
    else:
        outcome, left_out = read_outcome(text.loc[frame.index], endpoint, names, settings)
    kept = left_out["reason"] == ""
    excluded = [
        (frame.loc[line, "participant_id"], row["reason"], row["detail"])
        for line, row in left_out[~kept].iterrows()
    ]
    front = ["participant_id", "site"]
    frame = pd.concat([frame[front], outcome, frame.drop(columns=front)], axis=1)[kept]
    return frame.astype({"event": int} if "event" in outcome else {}), excluded


def _exclusions(
    excluded: Sequence[tuple[str, str, str]], sessions: Mapping[str, str] | None = None
) -> pd.DataFrame:
    of = sessions or {}
    rows = [
        (participant, of.get(participant, ""), "model", str(reason), detail)
        for participant, reason, detail in excluded
    ]
    return pd.DataFrame(rows, columns=list(EXCLUSION_COLUMNS))
