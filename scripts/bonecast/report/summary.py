"""The run in about ten lines of plain text, for the end of a terminal session."""

from collections import Counter

from bonecast.report.facts import Facts
from bonecast.report.model_facts import ModelFacts
from bonecast.report.tables import METRIC_WORDS, counted

LABEL_WIDTH = 12
REASONS_SHOWN = 3
"""Reasons for leaving participants out that the summary prints, the commonest first."""


def summary_text(facts: Facts, report_path: str) -> str:
    """Cohort, how far participants came, why others did not, density, discrimination, report.

    Args:
        report_path: printed as given.
    """
    lines = [_line("Cohort", _cohort(facts))]
    if facts.steps:
        reached = [f"{step.n:,} {step.key}" for step in facts.steps if step.key != "found"]
        lines.append(_line("Reached", ", ".join(reached)))
        lines.append(_line("Left out", _left_out(facts)))
    if facts.named_by_header:
        lines.append(_line("Privacy", facts.named_by_header_words()))
    if facts.has_scans:
        lines.append(_line("Density", _density(facts)))
        n, graded = facts.fractured
        lines.append(
            _line("Fractures", f"vertebral fracture in {n:,} of {counted(graded, _what(facts))}")
        )
    for model in facts.models:
        lines.append(_line("Models", _models(model)))
        name = METRIC_WORDS[model.headline]
        lines += [
            _line(name, f"{row['headline']} {row['block']}")
            for row in model.block_rows(every=False)
        ]
    lines.append(_line("Report", report_path))
    return "\n".join(lines) + "\n"


def _line(label: str, text: str) -> str:
    return f"{label:<{LABEL_WIDTH}}{text}"


def _cohort(facts: Facts) -> str:
    made_up = " (synthetic patients)" if facts.synthetic else ""
    found = facts.reached("found")
    if not facts.has_scans:
        return f"{facts.cohort}{made_up}: a table, no images"
    sites = len(facts.sites)
    where = f" at {sites} sites" if sites > 1 else ""
    scans = f", {counted(found, 'scan')}" if facts.has_sessions else ""
    people = counted(facts.n_participants if facts.has_sessions else found, "participant")
    return f"{facts.cohort}{made_up}: {people}{scans} found{where}"


def _left_out(facts: Facts) -> str:
    if not facts.exclusions:
        return "nobody"
    counts = Counter(row["sentence"] for row in facts.exclusions)
    shown = counts.most_common(REASONS_SHOWN)
    reasons = "; ".join(f"{n} {sentence.rstrip('.')}" for sentence, n in shown)
    more = len(counts) - len(shown)
    further = f"; {counted(more, 'further reason')}, see the report" if more else ""
    return f"{len(facts.exclusions)}: {reasons}{further}"


def _what(facts: Facts) -> str:
    """What densities and fractures are told of."""
    return "baseline scan" if facts.has_sessions else "scan"


def _density(facts: Facts) -> str:
    hu = facts.hu
    if hu.empty:
        return "not measured in anyone"
    low, middle, high = hu.quantile([0.25, 0.5, 0.75])
    scans = counted(len(hu), _what(facts))
    return f"median {middle:.0f} HU ({low:.0f} to {high:.0f}) over {facts.scope}, {scans}"


def _models(model: ModelFacts) -> str:
    if not model.fitted:
        return f"{model.words}, not fitted: {model.settings['detail']}"
    return f"{model.words}, {model.cohort_words()}"
