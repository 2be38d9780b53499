"""The model card: what a saved model is for, how well it did on whom, and what it must not be.

After Mitchell et al., Model Cards for Model Reporting, FAccT 2019 (10.1145/3287560.3287596).
What no result can know is marked for the authors.
"""

from collections.abc import Iterable, Sequence

import pandas as pd

from bonecast.model.outcome import BINARY, CONTINUOUS, SURVIVAL
from bonecast.report.artefacts import Artefacts
from bonecast.report.checklist import (
    TO_CONFIRM,
    cohort_words,
    design_words,
    enumerated,
    exclusion_words,
    headline_metric,
    percent,
)
from bonecast.report.methods_models import learner_sentences
from bonecast.report.tables import ASSUMED, METRIC_WORDS, block_name, counted, interval_text

PERFORMANCE = {
    "survival": ("c_index", "auc_t", "brier", "ipa"),
    "binary": ("auc", "brier", "ipa"),
    "continuous": ("r2", "rmse", "mae"),
}
CALIBRATION = {
    "survival": ("oe_ratio", "calibration_slope", "ici"),
    "binary": ("oe_ratio", "calibration_slope", "ici"),
    "continuous": ("calibration_slope", "bias", "loa_lower", "loa_upper"),
}

MAX_TERMS = 40
"""Terms of a model that are listed; coefficients.tsv has all."""


def model_card(artefacts: Artefacts, sample_sizes: pd.DataFrame) -> str:
    """The card as Markdown.

    Args:
        sample_sizes: as `sample_size_table` makes it.
    """
    a = artefacts
    sections = [
        (f"Model card: {a.endpoint}", [_summary(a)]),
        ("Intended use", _use(a)),
        ("Where it comes from", _origin(a, sample_sizes)),
        ("Inputs", _inputs(a)),
        ("Performance", _performance(a)),
        ("Calibration", _table_of(a, CALIBRATION[a.kind])),
        ("Subgroups", _subgroups(a)),
        ("Limits", _limits(a, sample_sizes)),
        ("Ethics and consent", [f"Committee, number, consent or its waiver: {TO_CONFIRM}."]),
        ("How to predict", _how(a)),
        ("Versions and checksum", _versions(a)),
    ]
    lines = []
    for level, (heading, paragraphs) in enumerate(sections):
        lines += [f"{'#' if level == 0 else '##'} {heading}", ""]
        for text in paragraphs:
            lines += [text, ""]
    return "\n".join(lines).rstrip() + "\n"


def _summary(a: Artefacts) -> str:
    if not a.fitted:
        return f"No model was fitted: {a.settings.get('detail', '')}."
    what = a.settings.get("estimand", a.endpoint)
    if a.kind == SURVIVAL:
        what = f"the absolute risk of a first fracture by {_years(a)}, death competing"
    elif a.kind == BINARY:
        what = f"the probability of {what}"
    return (
        f"Predicts {what}. One model for each block of features:"
        f" {enumerated(block_name(block) for block in a.blocks)}."
    )


def _use(a: Artefacts) -> list[str]:
    return [
        "For research: to compare kinds of measurements from CT, and to be validated elsewhere. It"
        " is not a medical device and **not for decisions on patients** before it has been"
        " validated where it would be used.",
        f"Target population, users and place in care: {TO_CONFIRM}.",
    ]


def _origin(a: Artefacts, sample_sizes: pd.DataFrame) -> list[str]:
    sites = f" at {len(a.sites)} sites" if len(a.sites) > 1 else ""
    texts = [
        f"Development cohort: {cohort_words(a)}{sites}; {exclusion_words(a)}. Characteristics:"
        " table_one.tsv.",
        f"Source of the patients and how outcomes were found: {TO_CONFIRM}.",
    ]
    if a.fitted:
        texts.append(learner_sentences(a.learners, a.kind, a.option("inner_folds"))[0])
    assumed = sample_sizes[sample_sizes["r2_source"] == ASSUMED]
    if len(assumed):
        row = assumed.iloc[-1]
        texts.append(f"Sample size, block {block_name(row['block'])}: {row['sentence']}")
    return texts


def _inputs(a: Artefacts) -> list[str]:
    rows = [[block_name(b), str(n), str(_terms(a, b))] for b, n in a.parameters.items()]
    texts = [_markdown(["Block", "Candidate parameters", "Terms with an effect"], rows)]
    table = a.coefficients
    if table.empty:
        return texts
    last = list(a.blocks)[-1]
    table = table[(table["block"] == last) & (table["cause"] != "death")]
    table = table[table["coefficient_per_sd"] != 0]
    order = table["coefficient_per_sd"].abs().sort_values(ascending=False, kind="stable").index
    shown = table.loc[order].head(MAX_TERMS)
    columns = ["Term", "Per SD", "SD", "Bootstrap selection"]
    lines = [
        [f"`{row.term}`", f"{row.coefficient_per_sd:+.3f}", f"{row.sd:.4g}", _percent(row)]
        for row in shown.itertuples()
    ]
    if not lines:
        return [*texts, f"Block {block_name(last)} has no term with an effect."]
    more = f", the {MAX_TERMS} strongest of {len(table)}" if len(table) > MAX_TERMS else ""
    scale = "Log hazard ratios" if a.kind == SURVIVAL else "Coefficients"
    texts.append(f"{scale} of block {block_name(last)}{more} (all blocks: coefficients.tsv):")
    return [*texts, _markdown(columns, lines)]


def _terms(a: Artefacts, block: str) -> int | str:
    """Terms of a block's final model that have an effect."""
    if a.coefficients.empty:
        return ""
    table = a.coefficients
    table = table[(table["block"] == block) & (table["cause"] != "death")]
    return int((table["coefficient_per_sd"] != 0).sum())


def _percent(row) -> str:
    share = getattr(row, "bootstrap_selection_frequency", float("nan"))
    return "" if pd.isna(share) else percent(share)


def _performance(a: Artefacts) -> list[str]:
    if a.metrics.empty:
        return ["No model was judged."]
    return [
        f"Validation: {design_words(a)}. All patients were predicted by models that had not seen"
        f" them. Intervals are 95 %, over resampled patients{_last_horizon(a)}. Main learner; other"
        " learners and designs: metrics.tsv.",
        *_table_of(a, PERFORMANCE[a.kind]),
    ]


def _last_horizon(a: Artefacts) -> str:
    return (
        f"; measures at a horizon are at {max(a.horizons_years):g} years"
        if a.horizons_years
        else ""
    )


def _table_of(a: Artefacts, metrics: Sequence[str]) -> list[str]:
    """A table of metrics by block, at the last horizon where there is one."""
    values = {metric: a.judged(metric) for metric in metrics}
    values = {metric: rows for metric, rows in values.items() if len(rows)}
    if not values:
        return ["Not estimated."]
    lines = []
    for block in a.blocks:
        cells = [_cell(rows[rows["block"] == block]) for rows in values.values()]
        if any(cells):
            lines.append([block_name(block), *cells])
    names = [METRIC_WORDS.get(m, m.replace("_", " ").capitalize()) for m in values]
    return [_markdown(["Block", *names], lines)]


def _cell(rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    row = rows.iloc[0]
    return interval_text(row["value"], row["lower"], row["upper"], digits=3)


def _subgroups(a: Artefacts) -> list[str]:
    """The headline metric of the last block by subgroup; those suppressed are named."""
    if a.subgroups.empty:
        return ["No subgroup was judged."]
    table = a.subgroups
    metric = headline_metric(a)
    table = table[(table["metric"] == metric) & (table["design"] == a.main_design)]
    table = table[table["learner"] == a.main_learner]
    blocks = [block for block in a.blocks if block in set(table["block"])]
    if not blocks:
        return ["No subgroup was judged by the main learner."]
    table = table[table["block"] == blocks[-1]].drop_duplicates(["subgroup", "level"])
    lines = []
    for row in table.itertuples():
        shown = pd.notna(row.value)
        value = (
            interval_text(row.value, row.lower, row.upper) if shown else f"not shown: {row.note}"
        )
        counts = [f"{row.n:,.0f}", f"{row.events:,.0f}"] if shown else ["", ""]
        counts = counts[:1] if a.kind == CONTINUOUS else counts
        lines.append([str(row.subgroup).replace("_", " "), str(row.level), value, *counts])
    header = ["Subgroup", "Level", METRIC_WORDS.get(metric, metric), "Patients", "Events"]
    header = header[:-1] if a.kind == CONTINUOUS else header
    return [
        f"Block {block_name(blocks[-1])}; other blocks and metrics: subgroups.tsv.",
        _markdown(header, lines),
    ]


def _limits(a: Artefacts, sample_sizes: pd.DataFrame) -> list[str]:
    if not a.fitted:
        return [f"No model was fitted. Further limits: {TO_CONFIRM}."]
    points = []
    few = sample_sizes[(sample_sizes["r2_source"] == ASSUMED) & (sample_sizes["enough"] == "no")]
    if len(few):
        blocks = enumerated(block_name(block) for block in few["block"])
        points.append(f"Fewer patients than the sample-size criteria ask for: {blocks}.")
    if not {"temporal", "external"} & a.designs.keys():
        points.append("Validated within the development cohort only.")
    if a.kind == SURVIVAL and not a.deaths:
        points.append("No death was recorded: risks are too high where patients die first.")
    missing = a.settings.get("missing_share") or {}
    if missing:
        worst, share = max(missing.items(), key=lambda item: item[1])
        columns = counted(len(missing), "column")
        points.append(f"{columns} with missing values, most `{worst}` ({percent(share)}).")
    warnings = [str(text).strip() for text in a.settings.get("warnings") or []]
    points += [f"{text[:1].upper()}{text[1:].rstrip('.')}." for text in warnings]
    if a.has_images:
        points.append(
            "Features depend on tube voltage, contrast medium, kernel and segmentation: scans"
            " unlike those of the development cohort are outside its domain."
        )
    points.append(f"Further limits: {TO_CONFIRM}.")
    return ["\n".join(f"- {text}" for text in points)]


def _how(a: Artefacts) -> list[str]:
    if not a.saved:
        why = a.model.get("detail") if a.fitted else ""
        return [f"No model was saved{f': {why}' if why else ''}."]
    return [
        "`model.json` is plain text and holds imputation, scaling, coefficients and baseline"
        " hazards. Name it and a table of new patients in a configuration file (`predict: {model:"
        " ..., table: ..., block: ...}`) and run `snakemake predict --cores 1 --configfile"
        " my_patients.yaml`. Columns are checked; a missing value becomes the median of the"
        " development cohort.",
    ]


def _versions(a: Artefacts) -> list[str]:
    lines = [f"- {name} {version}" for name, version in a.versions().items()]
    if a.code:
        lines.append(f"- digest of the modelling code: {a.code}")
    if a.option("seed") is not None:
        lines.append(f"- seed: {a.option('seed')}")
    if a.model_sha256:
        lines.append(f"- sha256 of model.json: `{a.model_sha256}`")
    return ["\n".join(lines)]


def _years(a: Artefacts) -> str:
    return f"{enumerated(f'{t:g}' for t in a.horizons_years)} years"


def _markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; bars inside a cell are escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )
