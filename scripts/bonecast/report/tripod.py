"""The TRIPOD+AI checklist, filled with what the results show.

Collins et al., BMJ 2024;385:e078378. A filled list is a draft for the authors: what is a matter of
judgement, or stands in no result, is left to them.
"""

import pandas as pd

from bonecast.model.outcome import CONTINUOUS
from bonecast.report.artefacts import Artefacts
from bonecast.report.checklist import (
    FLEXIBLE,
    NOT_APPLICABLE,
    TO_CONFIRM,
    Answer,
    Answers,
    cohort_words,
    design_words,
    enumerated,
    exclusion_words,
    listed,
    metric_words,
    percent,
    performance_words,
    read_list,
)
from bonecast.report.methods_models import DESIGN_WORDS, learner_sentences
from bonecast.report.tables import ASSUMED, block_name, counted

FILLED, PARTLY = "filled", "partly"

TRIPOD_COLUMNS = (
    *("section", "item", "topic", "applies", "asks", "status", "evidence", "author_adds"),
)

NOTE = (
    "TRIPOD+AI (Collins et al., BMJ 2024;385:e078378) in words of this project, filled from the "
    "results of one endpoint. Letters follow the checklist dated 11 January 2024: confirm them "
    "against the publication. 'filled' means that the results answer the item, not that the answer "
    "is good; everything needs the authors' reading."
)

HELD_OUT = ("temporal", "external")
"""Designs that evaluate on patients of another time or place."""


OF_MODELS = ("12a", "12c", "12e", "12g", "14", "15", "16", "21", "22", "23a", "23b", "24")
"""Items that nothing answers where no model was fitted."""


def tripod_table(artefacts: Artefacts, sample_sizes: pd.DataFrame) -> pd.DataFrame:
    """Every item with its status and evidence; the first row is `NOTE`.

    Args:
        sample_sizes: as `sample_size_table` makes it.

    Returns:
        Columns `TRIPOD_COLUMNS`; status is filled, partly, author to confirm or not applicable.
    """
    items = read_list("tripod_ai.tsv")
    answers = ANSWERS | {"10": lambda _: _sample_size(sample_sizes)}
    if not artefacts.fitted:
        why = f"The models were not fitted: {artefacts.settings.get('detail', '')}."
        answers |= dict.fromkeys(OF_MODELS, lambda _: Answer(TO_CONFIRM, why))
    found = [answers.get(item, _authors)(artefacts) for item in items["item"]]
    items["status"] = [answer.status for answer in found]
    items["evidence"] = [answer.evidence for answer in found]
    note = dict.fromkeys(TRIPOD_COLUMNS, "") | {"section": "About this list", "asks": NOTE}
    table = pd.concat([pd.DataFrame([note]), items], ignore_index=True)
    return table[list(TRIPOD_COLUMNS)]


def _authors(_: Artefacts) -> Answer:
    return Answer(TO_CONFIRM)


def _objectives(a: Artefacts) -> Answer:
    return Answer(TO_CONFIRM, f"What was run: development, validated by {design_words(a)}.")


def _sources(a: Artefacts) -> Answer:
    origin = "one table of features and outcome"
    if a.has_images:
        origin = "CT scans measured by this workflow, and a clinical table"
    return Answer(PARTLY, f"Source: {origin}. {cohort_words(a)}.")


def _dates(a: Artefacts) -> Answer:
    follow_up = ""
    if "time_years" in a.frame and a.patients:
        years = a.frame["time_years"]
        follow_up = f" Follow-up: median {years.median():.1f}, longest {years.max():.1f} years."
    return Answer(TO_CONFIRM, f"Dates are removed from all results.{follow_up}")


def _setting(a: Artefacts) -> Answer:
    if not a.sites:
        return Answer(TO_CONFIRM, "The table names no site.")
    return Answer(PARTLY, f"{counted(len(a.sites), 'site')}: see table_one.tsv.")


def _eligibility(a: Artefacts) -> Answer:
    washout = a.option("washout_years") or 0
    rule = f" Fractures within {washout:g} years of the scan are left out." if washout else ""
    return Answer(PARTLY, f"Of those supplied, {exclusion_words(a)} (exclusions.tsv).{rule}")


def _preparation(a: Artefacts) -> Answer:
    quantile, limit = a.option("winsor_quantile"), a.option("max_missing")
    steps = ["values are checked by column, and every problem stops the run"]
    if limit is not None:
        steps.append(
            f"columns missing in more than {percent(limit)} of a training fold are dropped"
        )
    if quantile:
        steps.append(f"values beyond the quantiles {quantile:g} and {1 - quantile:g} are pulled in")
    harmonised = a.option("harmonise") not in (None, "none")
    how = "harmonised by ComBat in the training fold" if harmonised else "not harmonised"
    steps.append(f"sites are {how}")
    return Answer(PARTLY, "; ".join(steps).capitalize() + ".")


def _outcome(a: Artefacts) -> Answer:
    estimand = a.settings.get("estimand") or a.endpoint
    horizons = ", ".join(f"{t:g}" for t in a.horizons_years)
    when = f" Horizons: {horizons} years." if horizons else ""
    dropped = a.settings.get("horizons_dropped_years") or a.features.get("horizons_dropped_years")
    if dropped:
        when += " Left out for want of follow-up: "
        when += ", ".join(f"{t:g}" for t in dropped) + " years."
    return Answer(PARTLY, f"{estimand[:1].upper()}{estimand[1:]}.{when}")


def _candidates(a: Artefacts) -> Answer:
    counts = {block_name(block): n for block, n in a.parameters.items()}
    robust = a.option("min_robustness")
    text = f"Candidate parameters by block: {listed(counts)}. All were looked at by the models."
    if robust is not None:
        text += f" Radiomics with a lower limit of ICC(2,1) under {robust:g} were left out before."
    return Answer(PARTLY, text)


def _definitions(a: Artefacts) -> Answer:
    where = "data_dictionary.csv defines each measured column; " if a.has_images else ""
    return Answer(PARTLY, f"{where}features.json lists the columns of each block.")


def _assessors(a: Artefacts) -> Answer:
    if not a.has_images:
        return Answer(TO_CONFIRM)
    return Answer(TO_CONFIRM, "Image features are measured by software, without a reader.")


def _sample_size(sample_sizes: pd.DataFrame) -> Answer:
    if sample_sizes.empty:
        return Answer(TO_CONFIRM)
    row = sample_sizes[sample_sizes["r2_source"] == ASSUMED].iloc[-1]
    return Answer(PARTLY, f"{block_name(row['block'])}: {row['sentence']} See sample_size.tsv.")


def _missing(a: Artefacts) -> Answer:
    shares = a.settings.get("missing_share") or {}
    worst = {
        name: percent(share) for name, share in sorted(shares.items(), key=lambda kv: -kv[1])[:5]
    }
    most = "; ".join(f"{name} {share}" for name, share in worst.items())
    values = (
        f"{counted(len(shares), 'column')} with missing values (most: {most})"
        if shares
        else ("no column has missing values")
    )
    return Answer(
        FILLED,
        f"Missing values become the median of the training fold; the outcome takes no part; "
        f"{values}; {exclusion_words(a)}.",
    )


def _data_use(a: Artefacts) -> Answer:
    seed = a.option("seed")
    return Answer(
        FILLED,
        f"Validation: {design_words(a)}, split by patient, seed {seed}. The final model is fitted "
        "to all patients.",
    )


def _handling(a: Artefacts) -> Answer:
    trees = [name for name in a.learners if name in FLEXIBLE]
    own = f" {enumerated(trees).capitalize()}: trees find their own form." if trees else ""
    return Answer(
        FILLED,
        "Numbers enter as linear terms, pulled in at extreme quantiles and divided by their "
        f"standard deviation, as learned in the training fold; yes/no as 1/0.{own}",
    )


def _models(a: Artefacts) -> Answer:
    learners = " ".join(learner_sentences(a.learners, a.kind, a.option("inner_folds")))
    return Answer(PARTLY, f"{learners} Validation: {design_words(a)}.")


def _clusters(a: Artefacts) -> Answer:
    if len(a.sites) < 2:
        return Answer(NOT_APPLICABLE, "One site, or sites not named.")
    left_out = "; each site was also predicted by models of the others (leave-one-site-out)"
    how = left_out if "leave_one_site_out" in a.designs else ""
    return Answer(PARTLY, f"Performance was estimated by site, {len(a.sites)} of them{how}.")


def _by_site(a: Artefacts) -> Answer:
    answer = _clusters(a)
    if answer.status == NOT_APPLICABLE:
        return answer
    left_out = ", leave-one-site-out in metrics.tsv" * ("leave_one_site_out" in a.designs)
    judged = not a.subgroups.empty and (a.subgroups["subgroup"] == "site").any()
    if not (judged or left_out):
        return Answer(TO_CONFIRM, "No performance by site was estimated.")
    return Answer(FILLED, f"{len(a.sites)} sites: subgroups.tsv{left_out}.")


def _measures(a: Artefacts) -> Answer:
    names = metric_words(a)
    if not names:
        return Answer(TO_CONFIRM, "No model was judged.")
    return Answer(
        PARTLY,
        f"{names}. Definitions are in settings.json and in the report's methods; curves in "
        "calibration_curves.tsv, decision_curves.tsv, roc_curves.tsv; differences from "
        f"{a.settings.get('reference', 'the reference block')} in metrics.tsv (delta).",
    )


def _updating(a: Artefacts) -> Answer:
    if a.option("recalibrate"):
        return Answer(FILLED, "Predictions are recalibrated in the inner folds of each fit.")
    return Answer(NOT_APPLICABLE, "No model was updated after evaluation.")


def _predictions(a: Artefacts) -> Answer:
    return Answer(
        FILLED,
        "Held-out patients get the prediction of the model fitted to the training fold alone "
        "(predictions.parquet); new patients that of model.json, by `snakemake predict`.",
    )


def _imbalance(a: Artefacts) -> Answer:
    return Answer(FILLED, "No method against class imbalance was used.")


def _fairness(a: Artefacts) -> Answer:
    if a.subgroups.empty:
        return Answer(TO_CONFIRM, "No subgroup was judged.")
    named = enumerated(a.subgroups["subgroup"].drop_duplicates().str.replace("_", " "))
    return Answer(
        PARTLY,
        f"Performance by {named} is in subgroups.tsv; groups with few events are suppressed. No "
        "model was changed for fairness.",
    )


def _output(a: Artefacts) -> Answer:
    if a.kind == CONTINUOUS:
        return Answer(PARTLY, "A predicted value; no classes.")
    what = "Absolute risk" if a.horizons_years else "Probability of the diagnosis"
    at = ", ".join(f"{t:g}" for t in a.horizons_years)
    thresholds = ", ".join(f"{t:g}" for t in a.option("thresholds") or [])
    text = f"{what}{f' at {at} years' if at else ''}."
    if thresholds:
        text += f" Thresholds set in the configuration: {thresholds}."
    return Answer(PARTLY, f"{text} Learned thresholds (Youden) come from the training fold.")


def _differences(a: Artefacts) -> Answer:
    if not a.designs.keys() & set(HELD_OUT):
        return Answer(NOT_APPLICABLE, "Evaluated within the development cohort.")
    return Answer(TO_CONFIRM, f"Designs: {design_words(a)}.")


def _code(a: Artefacts) -> Answer:
    versions = ", ".join(f"{name} {version}" for name, version in a.versions().items())
    digest = f" Digest of the modelling code: {a.code}." if a.code else ""
    return Answer(PARTLY, f"{versions}; GPL-3.0-or-later. Seed {a.option('seed')}.{digest}")


def _flow(a: Artefacts) -> Answer:
    start = a.patients + sum(a.exclusion_counts().values())
    return Answer(
        PARTLY,
        f"{start:,} came to the models, {exclusion_words(a)}; {cohort_words(a)}. See the figure "
        "flow_diagram.",
    )


def _characteristics(a: Artefacts) -> Answer:
    return Answer(PARTLY, f"table_one.tsv, by outcome, with missing values. {cohort_words(a)}.")


def _comparison(a: Artefacts) -> Answer:
    if not a.designs.keys() & set(HELD_OUT):
        return Answer(NOT_APPLICABLE, "Evaluated within the development cohort.")
    where = []
    if "external" in a.designs:
        where.append("table_one.tsv of the development cohort is in its own results")
    if "temporal" in a.designs:
        where.append("predictions.parquet names the patients held out for being later")
    return Answer(TO_CONFIRM, f"{'; '.join(where)}.".capitalize())


def _analyses(a: Artefacts) -> Answer:
    if a.metrics.empty:
        return Answer(PARTLY, f"{cohort_words(a)}; no model was fitted.")
    rows = a.metrics[["design", "n", "events"]].dropna().groupby("design", sort=False).max()
    events = a.kind != CONTINUOUS
    counts = [
        f"{DESIGN_WORDS.get(name, name)} {row.n:,.0f}" + f" and {row.events:,.0f}" * events
        for name, row in rows.iterrows()
    ]
    what = "Patients and events" if events else "Patients"
    return Answer(FILLED, f"{what} by design: {'; '.join(counts)}. {cohort_words(a)}.")


def _specification(a: Artefacts) -> Answer:
    if not a.saved:
        return Answer(TO_CONFIRM, "No model was saved.")
    return Answer(
        PARTLY,
        f"model.json (sha256 {a.model_sha256}) holds all that a prediction needs; "
        "coefficients.tsv lists every term.",
    )


def _performance(a: Artefacts) -> Answer:
    words = performance_words(a)
    if not words:
        return Answer(TO_CONFIRM, "No model was judged.")
    return Answer(FILLED, f"{words}. All measures: metrics.tsv; subgroups: subgroups.tsv.")


def _updated(a: Artefacts) -> Answer:
    answer = _updating(a)
    return Answer(
        answer.status, answer.evidence + (" See metrics.tsv." * (answer.status == FILLED))
    )


def _limitations(a: Artefacts) -> Answer:
    warnings = a.settings.get("warnings") or a.features.get("warnings") or []
    facts = " ".join(f"{str(text).rstrip('.')}." for text in warnings)
    return Answer(TO_CONFIRM, f"What the run warned of: {facts}" if facts else "")


def _poor_input(a: Artefacts) -> Answer:
    return Answer(
        PARTLY,
        "`snakemake predict` checks columns and types; a missing value becomes the median of the "
        "development cohort.",
    )


ANSWERS: Answers = {
    "4": _objectives,
    "5a": _sources,
    "5b": _dates,
    "6a": _setting,
    "6b": _eligibility,
    "7": _preparation,
    "8a": _outcome,
    "9a": _candidates,
    "9b": _definitions,
    "9c": _assessors,
    "11": _missing,
    "12a": _data_use,
    "12b": _handling,
    "12c": _models,
    "12d": _clusters,
    "12e": _measures,
    "12f": _updating,
    "12g": _predictions,
    "13": _imbalance,
    "14": _fairness,
    "15": _output,
    "16": _differences,
    "18f": _code,
    "20a": _flow,
    "20b": _characteristics,
    "20c": _comparison,
    "21": _analyses,
    "22": _specification,
    "23a": _performance,
    "23b": _by_site,
    "24": _updated,
    "26": _limitations,
    "27a": _poor_input,
}
"""What answers each item; items without an entry are the authors'."""
