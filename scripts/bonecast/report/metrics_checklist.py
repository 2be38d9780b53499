"""The METRICS checklist of radiomics studies, answered where the results can answer.

Kocak et al., Insights Imaging 2024;15:8. Its score is the weight of the items answered yes over
the weight of those that apply. No score is claimed here: only authors and readers can answer the
items of judgement.
"""

import pandas as pd

from bonecast.model.prepare import PreparationSettings
from bonecast.report.artefacts import Artefacts
from bonecast.report.checklist import (
    CALIBRATION,
    FLEXIBLE,
    NOT_APPLICABLE,
    TO_CONFIRM,
    Answer,
    Answers,
    design_words,
    enumerated,
    has_metric,
    headline_metric,
    metric_words,
    read_list,
)
from bonecast.report.tables import block_name, counted

YES, NO = "yes", "no"

METRICS_CHECKLIST_COLUMNS = (
    *("item", "category", "weight", "asks", "condition", "status", "evidence"),
)

RADIOMICS = ("radiomics", "deep")
"""Blocks that make a study one of radiomics."""

NON_RADIOMIC = ("clinical", "hu", "vbmd", "strength", "morphometry", "composition", "dxa")

NOTE = (
    "METRICS (Kocak et al., Insights Imaging 2024;15:8) in words of this project. 'yes' and 'no' "
    "only where the results decide; no score is claimed."
)


def metrics_checklist_table(artefacts: Artefacts) -> pd.DataFrame:
    """Every item with its status and evidence, then what the weights add up to.

    Returns:
        Columns `METRICS_CHECKLIST_COLUMNS`; status is yes, no, author to confirm or not
        applicable. The last three rows are sums of weights: confirmed by evidence (yes),
        possible (yes, if the authors confirm all theirs), applicable.
    """
    items = read_list("metrics.tsv")
    found = [_answer(row, artefacts) for row in items.to_dict("records")]
    items["status"] = [answer.status for answer in found]
    items["evidence"] = [answer.evidence for answer in found]
    weight = items["weight"].astype(float)
    applies = items["status"] != NOT_APPLICABLE
    sums = {
        "confirmed by evidence": weight[items["status"] == YES].sum(),
        "possible if the authors confirm all of theirs": weight[
            applies & (items["status"] != NO)
        ].sum(),
        "of all items that apply": weight[applies].sum(),
    }
    empty = dict.fromkeys(METRICS_CHECKLIST_COLUMNS, "")
    rows = [
        empty | {"category": "Sum of weights", "asks": what, "weight": f"{total:.4f}"}
        for what, total in sums.items()
    ]
    note = empty | {"category": "About this list", "asks": _note(artefacts)}
    table = pd.concat([pd.DataFrame([note]), items, pd.DataFrame(rows)], ignore_index=True)
    return table[list(METRICS_CHECKLIST_COLUMNS)]


def _note(artefacts: Artefacts) -> str:
    if any(block in artefacts.blocks for block in RADIOMICS):
        return NOTE
    return f"{NOTE} This run has no block of radiomics: METRICS was not made for such a study."


def _answer(item: dict, artefacts: Artefacts) -> Answer:
    """Status of one item; a condition that the run does not meet makes it not applicable."""
    if item["condition"] and _met(item["condition"], artefacts) is False:
        return Answer(NOT_APPLICABLE, f"Asked only of studies with {item['condition']}.")
    answer = ANSWERS.get(item["item"])
    return answer(artefacts) if answer else Answer(TO_CONFIRM)


def _met(condition: str, a: Artefacts) -> bool | None:
    """Whether a condition of METRICS is met; None where only the authors know."""
    if condition == "deep learning":
        return None if "deep" in a.blocks else False
    if condition == "tabular features":
        return True
    if condition == "hand-crafted features":
        return "radiomics" in a.blocks
    if not a.has_images:
        return None
    return condition == "segmentation" or _backend(a) != "masks"


def _backend(a: Artefacts) -> str:
    return a.config["backend"]


def _checklist(a: Artefacts) -> Answer:
    return Answer(TO_CONFIRM, "tripod_ai.tsv and this list are drafts for the authors.")


def _eligibility(a: Artefacts) -> Answer:
    return Answer(TO_CONFIRM, "exclusions.tsv lists everyone left out, with the reason.")


def _centres(a: Artefacts) -> Answer:
    if not a.sites:
        return Answer(TO_CONFIRM, "The table names no site.")
    return Answer(
        YES if len(a.sites) > 1 else NO, f"{counted(len(a.sites), 'site')} in table_one.tsv."
    )


def _acquisition(a: Artefacts) -> Answer:
    if not a.has_images:
        return Answer(TO_CONFIRM)
    return Answer(
        TO_CONFIRM,
        "scans.tsv holds tube voltage, kernel, slice thickness and contrast phase of each scan.",
    )


def _interval(a: Artefacts) -> Answer:
    if a.kind == "survival":
        return Answer(TO_CONFIRM, "Follow-up starts with the scan; table_one.tsv has its length.")
    return Answer(TO_CONFIRM)


def _segmentation(a: Artefacts) -> Answer:
    if not a.has_images:
        return Answer(TO_CONFIRM)
    return Answer(
        TO_CONFIRM,
        f"Backend {_backend(a)}; network, model and versions are in the report's methods.",
    )


def _one_tool(a: Artefacts) -> Answer:
    if not a.has_images or _backend(a) == "masks":
        return Answer(TO_CONFIRM)
    return Answer(
        TO_CONFIRM,
        f"All scans by {_backend(a)}; segmentation.json of a scan says where it was corrected.",
    )


def _preprocessing(a: Artefacts) -> Answer:
    return Answer(TO_CONFIRM, _of_radiomics(a, "resampling, discretisation and filters"))


def _software(a: Artefacts) -> Answer:
    if not a.has_images:
        return Answer(TO_CONFIRM)
    return Answer(
        YES, "pictologics, tested against the IBSI reference values; version in the report."
    )


def _parameters(a: Artefacts) -> Answer:
    if not a.has_images or "radiomics" not in a.blocks:
        return Answer(TO_CONFIRM)
    return Answer(YES, _of_radiomics(a, "every setting of the features"))


def _of_radiomics(a: Artefacts, what: str) -> str:
    if not a.has_images or "radiomics" not in a.blocks:
        return ""
    preset = a.config["radiomics_preset"]
    return f"The report's methods and settings give {what} (preset {preset})."


def _robust(a: Artefacts) -> Answer:
    limit = a.option("min_robustness")
    if limit is None:
        return Answer(TO_CONFIRM if not a.has_images else NO, "model.min_robustness is not set.")
    return Answer(
        YES,
        f"Radiomics with a lower limit of ICC(2,1) under {limit:g} were left out of the models.",
    )


def _redundant(a: Artefacts) -> Answer:
    limit = a.option("correlation_limit")
    wide = any(len(columns) > PreparationSettings().wide_block for columns in a.blocks.values())
    if limit is None or not a.fitted or not wide:
        return Answer(TO_CONFIRM)
    return Answer(
        YES,
        f"Of two columns of a wide block correlating above {limit:g} one is dropped, and the "
        "elastic net selects, in each training fold; coefficients.tsv.",
    )


def _dimension(a: Artefacts) -> Answer:
    if a.events is None:
        return Answer(TO_CONFIRM, "sample_size.tsv.")
    per = "; ".join(
        f"{block_name(block)} {a.events / n:.1f}" for block, n in a.parameters.items() if n
    )
    return Answer(TO_CONFIRM, f"Events per candidate parameter: {per}. See sample_size.tsv.")


def _partition(a: Artefacts) -> Answer:
    if not a.fitted:
        return Answer(TO_CONFIRM)
    return Answer(
        YES,
        f"Split by patient, seed {a.option('seed')}: {design_words(a)}. Imputation, scaling, "
        "selection, tuning and thresholds are fitted in the training fold alone.",
    )


def _confounding(a: Artefacts) -> Answer:
    parts = []
    if not a.subgroups.empty:
        named = a.subgroups["subgroup"].drop_duplicates().str.replace("_", " ")
        parts.append(f"performance by {enumerated(named)}: subgroups.tsv")
    if a.option("harmonise") not in (None, "none"):
        parts.append("sites harmonised in the training fold")
    return Answer(TO_CONFIRM, "; ".join(parts))


def _performance(a: Artefacts) -> Answer:
    wanted = [headline_metric(a)]
    if a.kind != "continuous":
        wanted += ["sensitivity", "specificity"]
    if all(has_metric(a, name, f"{name}_learned") for name in wanted):
        return Answer(YES, f"metrics.tsv: {metric_words(a)}.")
    return Answer(TO_CONFIRM, f"metrics.tsv: {metric_words(a)}." if metric_words(a) else "")


def _uncertainty(a: Artefacts) -> Answer:
    if a.metrics.empty or not a.metrics["lower"].notna().any():
        return Answer(NO, "No interval was estimated.")
    return Answer(YES, "95 % intervals from a bootstrap over patients: metrics.tsv.")


def _calibration(a: Artefacts) -> Answer:
    if not has_metric(a, *CALIBRATION):
        return Answer(NO, "No measure of calibration was estimated.")
    return Answer(YES, "metrics.tsv and calibration_curves.tsv.")


def _one_source(a: Artefacts) -> Answer:
    if not a.has_images:
        return Answer(TO_CONFIRM)
    return Answer(YES, "One CT series per participant.")


def _added_value(a: Artefacts) -> Answer:
    """A radiomic block against one that holds none, in the same folds."""
    if a.metrics.empty:
        return Answer(TO_CONFIRM)
    rows = a.metrics[a.metrics["metric"].str.startswith("delta_") & a.metrics["value"].notna()]
    rows = rows[rows["block"].isin([*RADIOMICS, "multimodal"])]
    rows = rows[rows["reference"].isin([*NON_RADIOMIC, *a.scores])]
    if rows.empty or not any(block in a.blocks for block in RADIOMICS):
        return Answer(TO_CONFIRM)
    against = enumerated(block_name(name) for name in rows["reference"].drop_duplicates())
    return Answer(YES, f"Differences from {against} with intervals: metrics.tsv (delta).")


def _simple_models(a: Artefacts) -> Answer:
    flexible = [name for name in a.learners if name in FLEXIBLE]
    if not flexible or a.metrics.empty:
        return Answer(TO_CONFIRM, f"Learners: {', '.join(a.learners)}." if a.learners else "")
    return Answer(YES, f"{enumerated(flexible)} beside {a.main_learner}, same folds: metrics.tsv.")


def _internal(a: Artefacts) -> Answer:
    if "temporal" in a.designs:
        return Answer(YES, "Held-out later patients: design temporal in metrics.tsv.")
    words = design_words(a)
    return Answer(TO_CONFIRM, f"{words}; no separate test set." if words else "")


def _external(a: Artefacts) -> Answer:
    if "external" in a.designs:
        return Answer(
            TO_CONFIRM,
            "Another cohort's model was tested here: design external in metrics.tsv. The models"
            " made from this cohort were not.",
        )
    if "leave_one_site_out" in a.designs:
        return Answer(TO_CONFIRM, "Each site was predicted by a model of the other sites.")
    return Answer(NO, "No design tests on another institution.")


def _code(a: Artefacts) -> Answer:
    return Answer(TO_CONFIRM, f"Bonecast {a.versions()['bonecast']}, GPL-3.0-or-later.")


def _model(a: Artefacts) -> Answer:
    if not a.saved:
        return Answer(TO_CONFIRM, "No model was saved.")
    return Answer(
        TO_CONFIRM, f"model.json, sha256 {a.model_sha256}; model_card.md says how to use it."
    )


ANSWERS: Answers = {
    "1": _checklist,
    "2": _eligibility,
    "4": _centres,
    "6": _acquisition,
    "7": _interval,
    "8": _segmentation,
    "10": _one_tool,
    "11": _preprocessing,
    "12": _software,
    "13": _parameters,
    "14": _robust,
    "15": _redundant,
    "16": _dimension,
    "18": _partition,
    "19": _confounding,
    "20": _performance,
    "21": _uncertainty,
    "22": _calibration,
    "23": _one_source,
    "24": _added_value,
    "25": _simple_models,
    "26": _internal,
    "27": _external,
    "29": _code,
    "30": _model,
}
"""What answers each item; items without an entry are the authors'."""
