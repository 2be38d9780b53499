"""The methods of the models in words, from settings.json and the configuration of the run."""

from collections.abc import Mapping, Sequence

from bonecast.report.tables import METRIC_WORDS, counted

DESIGN_WORDS = {
    "repeated_nested_cv": "nested cross-validation",
    "leave_one_site_out": "leave-one-site-out",
    "temporal": "temporal split",
    "external": "validation of another cohort's model",
    "optimism_bootstrap": "Harrell's optimism bootstrap",
}
"""Validation designs by name."""

LEARNER_WORDS = {
    "penalised_cox": (
        "cause-specific Cox models (Efron ties) of fracture, ridge for narrow models and elastic "
        "net for wide ones, and of death from those of age and sex that are in the block, with a "
        "fixed ridge penalty; together the absolute risk, "
        "by the product limit of both hazards"
    ),
    "penalised_logistic": "penalised logistic regression",
    "penalised_linear": "penalised linear regression",
    "fine_gray": (
        "Fine-Gray model of the subdistribution hazard (Fine & Gray, JASA 1999;94:496; comprisk) "
        "at the penalty that the Cox model prefers, a sensitivity analysis, since its risks of "
        "fracture and death can add up to more than 1 (Austin et al., Stat Med 2021;40:4200)"
    ),
    "forest": "random forest with fixed settings (scikit-learn)",
    "boosting": "gradient boosting of trees with fixed settings (scikit-learn)",
}
"""Learners by name."""

SURVIVAL_WORDS = {
    "forest": "forest of competing risks with fixed settings (comprisk)",
    "boosting": (
        "gradient boosting of trees on the Cox likelihood of fracture with fixed settings "
        "(scikit-survival), with the Cox model of death"
    ),
}
"""The same where the outcome has a time."""

TIMED, RISKS = ("survival",), ("survival", "binary")
NUMBERS = ("continuous",)
ALL_KINDS = (*RISKS, *NUMBERS)

KINDS_OF = {
    **dict.fromkeys(("c_index", "c_index_harrell", "auc_t", "ibs"), TIMED),
    **dict.fromkeys(("censoring_weights", "not_followed"), TIMED),
    "auc": ("binary",),
    **dict.fromkeys(("brier", "ipa", "oe_ratio", "ici", "e50", "e90", "net_benefit"), RISKS),
    **dict.fromkeys(("sensitivity", "specificity", "nri", "roc_curves"), RISKS),
    **dict.fromkeys(("sensitivity_learned", "specificity_learned"), RISKS),
    "calibration_groups": RISKS,
    **dict.fromkeys(("r2", "rmse", "mae", "bias", "loa_lower", "loa_upper"), NUMBERS),
}
"""Kinds of outcome that a definition is of; one that is not named here is of all."""

LABEL_WORDS = {
    "label": "the diagnosis supplied in the clinical table",
    "dxa": "a DXA T-score of -2.5 or less (WHO)",
    "qct": "a trabecular density under 80 mg/cm3 in the scan (ACR, ISCD)",
}
"""What `osteoporosis_from` means."""


def model_methods(settings: Mapping, section: Mapping) -> list[str]:
    """Paragraphs on the models of one endpoint.

    Args:
        settings: content of settings.json; a key that is not there is not told of.
        section: the section `model` of the configuration.
    """
    if settings["status"] != "ok":
        return [f"The models were not fitted: {settings['detail']}."]
    paragraphs = [
        _outcome(settings, section),
        " ".join(
            [
                *learner_sentences(
                    settings.get("learners", ()),
                    settings.get("kind", ""),
                    section.get("inner_folds"),
                ),
                _penalty(settings, section),
            ]
        ),
        _preparation(section),
        _validation(settings, section),
        _judging(settings, section),
        _explaining(section),
    ]
    paragraphs += [
        f"{METRIC_WORDS.get(name, name.replace('_', ' ').capitalize())}: {text}."
        for name, text in settings.get("definitions", {}).items()
        if settings.get("kind", "survival") in KINDS_OF.get(name, ALL_KINDS)
        and (name != "nri" or section.get("nri"))
    ]
    return [text for text in paragraphs if text]


def learner_sentences(learners: Sequence[str], kind: str, inner_folds: int | None) -> list[str]:
    """What the main learner is, and in a second sentence those beside it.

    Args:
        learners: names, the main one first.
        kind: of the outcome: survival, binary or continuous.
        inner_folds: in which a penalty is chosen.
    """
    words = []
    for name in learners:
        known = LEARNER_WORDS | (SURVIVAL_WORDS if kind == "survival" else {})
        text = known.get(name, name.replace("_", " "))
        if inner_folds and name.startswith("penalised"):
            text += f"; the penalty is chosen in {inner_folds} inner folds of each training fold"
        words.append(text)
    sentences = [f"Main learner: {words[0]}."] if words else []
    return sentences + ([f"Beside it: {'; '.join(words[1:])}."] if words[1:] else [])


def _outcome(settings: Mapping, section: Mapping) -> str:
    cohort = settings["cohort"]
    text = f"Estimand: {settings['estimand']}. {counted(cohort['patients'], 'patient')}"
    if "fractures" in cohort:
        text += (
            f" with {counted(cohort['fractures'], 'fracture')} and"
            f" {counted(cohort['deaths'], 'death')} in {cohort['person_years']:,.0f} person-years"
        )
    elif "diagnoses" in cohort:
        text += f", {cohort['diagnoses']:,} of them with the diagnosis"
    text += "."
    if settings["endpoint"] == "osteoporosis":
        source = section.get("osteoporosis_from", "label")
        text += f" Osteoporosis is {LABEL_WORDS.get(source, source)}."
    washout = section.get("washout_years") or 0
    if washout and "fractures" in cohort:
        text += (
            f" Patients who fractured within {washout:g} years of the scan were left out, as the"
            " fracture may have been there."
        )
    horizons = settings.get("horizons_years") or []
    if horizons:
        text += f" Risk was predicted at {_numbers(horizons)} years."
    dropped = settings.get("horizons_dropped_years") or []
    if dropped:
        text += (
            f" {_numbers(dropped)} years were left out: too few patients were followed that long."
        )
    return text


def _penalty(settings: Mapping, section: Mapping) -> str:
    """What is common to penalised learners."""
    main = next(iter(settings.get("learners", ())), "")
    if not main.startswith("penalised"):
        return ""
    ratios = _numbers(section.get("l1_ratios", []))
    return (
        "In wide models the penalty of a column is weighted by the square root of the number of "
        f"columns of its block; elastic-net mixtures tried: {ratios} (0 ridge, 1 lasso)."
    )


def _preparation(section: Mapping) -> str:
    steps = [
        "Missing values became the median of the training patients, without regard to the outcome "
        "(Sisk et al., Stat Methods Med Res 2023;32:1461)"
    ]
    if section.get("max_missing") is not None:
        share = f"{100 * section['max_missing']:g} %"
        steps.append(f"columns missing in more than {share} of them were dropped")
    if section.get("winsor_quantile"):
        low = section["winsor_quantile"]
        steps.append(f"values beyond the quantiles {low:g} and {1 - low:g} were pulled in to them")
    if section.get("correlation_limit") is not None:
        limit = section["correlation_limit"]
        steps.append(
            f"of two columns of a wide block that correlated above {limit:g} the later was dropped"
        )
    steps.append("columns were scaled to their standard deviation")
    text = "; ".join(steps) + "."
    if section.get("vertebra_columns"):
        blocks = ", ".join(section["vertebra_columns"])
        text += (
            f" Vertebrae of {blocks} became one row per patient: median, lowest and slope along the"
            " spine of the differences from the training patients' median at each level."
        )
    if section.get("harmonise", "none") == "combat":
        text += (
            " Image features were harmonised between sites by ComBat (Johnson et al.,"
            " Biostatistics 2007;8:118) with age and sex as covariates, fitted to the training"
            " patients without the outcome."
        )
    else:
        text += " Sites were not harmonised."
    if section.get("recalibrate"):
        text += (
            " Predictions of the penalised models were recalibrated by their slope over the inner"
            " folds (Verweij & van Houwelingen, Stat Med 1993;12:2305)."
        )
    return text


def _validation(settings: Mapping, section: Mapping) -> str:
    """Every design in one sentence."""
    sentences = []
    design = settings.get("design", {})
    entries = {entry["name"]: entry for entry in settings.get("designs") or []}
    names = dict.fromkeys([*entries, *section.get("designs", ())])
    for name in names:
        entry = entries.get(name, {})
        held_out = entry.get("patients_held_out")
        if name in entries and held_out == 0:
            label = DESIGN_WORDS.get(name, name)
            sentences.append(f"{label.capitalize()} was asked for but not possible.")
        elif name == "repeated_nested_cv":
            sentences.append(_cross_validation(design, section))
        elif name == "leave_one_site_out":
            sites = f" ({counted(entry['folds'], 'site')})" if entry.get("folds") else ""
            sentences.append(
                f"Leave-one-site-out{sites}: each site was predicted by models of the others."
            )
        elif name == "temporal":
            until = section.get("train_until")
            upto = f" up to {until:g}" if isinstance(until, int | float) else ""
            n = f", {held_out:,} patients," if held_out else ""
            sentences.append(
                f"Temporal split: learned from patients who entered{upto}, judged on those who"
                f" entered later{n} once."
            )
        elif name == "external":
            n = f" {held_out:,}" if held_out else ""
            sentences.append(
                f"External validation: a model fitted to another cohort predicted this one's{n}"
                " patients, unchanged."
            )
        elif name == "optimism_bootstrap":
            resamples = section.get("optimism_bootstrap")
            many = f"{resamples} " if resamples else ""
            sentences.append(
                f"Harrell's optimism bootstrap: the whole recipe was run again on {many}resamples"
                " of patients, and the mean optimism taken off the apparent performance (Harrell"
                " et al., Stat Med 1996;15:361)."
            )
    if not sentences:
        return ""
    inside = (
        "All that learns from data was fitted to the training patients alone, and all blocks and "
        f"learners share the splits. Seed {design.get('seed', section.get('seed'))}."
    )
    return " ".join(["Validation.", *sentences, inside])


def _cross_validation(design: Mapping, section: Mapping) -> str:
    folds, repeats = (design.get(key, section.get(key)) for key in ("folds", "repeats"))
    times = f", repeated {repeats} times" if repeats and repeats > 1 else ""
    strata = f", folds stratified by {design['stratified_by']}" if "stratified_by" in design else ""
    return f"{folds}-fold nested cross-validation{times}{strata}."


def _judging(settings: Mapping, section: Mapping) -> str:
    text = []
    if section.get("bootstrap"):
        text.append(
            f"Intervals are 95 % percentiles over {section['bootstrap']:,} resamples of patients"
            f" ({section.get('curve_bootstrap', 0):,} for slopes and smooth curves)."
        )
    text.append(
        f"Blocks were compared with {settings['reference']} on the same patients and resamples."
    )
    thresholds = settings.get("thresholds") or []
    if thresholds and settings.get("kind") != "continuous":
        text.append(
            f"Decisions were judged at risks of {_numbers(thresholds)}, set beforehand, and at the"
            " threshold that each training fold found best (Youden)."
        )
    if section.get("risk_groups") and settings.get("kind") == "survival":
        text.append(
            f"Patients were put in {section['risk_groups']} groups of risk by quantiles of the"
            " training fold's predictions."
        )
    if section.get("subgroups"):
        groups = ", ".join(name.replace("_", " ") for name in section["subgroups"])
        text.append(
            f"Performance was also estimated by {groups}, where known, and not printed for groups"
            f" with fewer than {section.get('min_events', 10)} events."
        )
    text.append(
        "Net reclassification was computed, which misleads (Kerr et al., Epidemiology 2014;25:114)."
        if section.get("nri")
        else "Net reclassification was not used: it misleads even in independent data (Kerr et"
        " al., Epidemiology 2014;25:114)."
    )
    return " ".join(text)


def _explaining(section: Mapping) -> str:
    text = "The share of training folds in which a term had an effect stands beside its coefficient"
    if section.get("stability_bootstrap"):
        text += f", and the share of {section['stability_bootstrap']:,} resamples of patients"
    return (
        f"{text}. The weight of a block is the loss of performance when its columns are permuted "
        "among held-out patients."
    )


def _numbers(values: Sequence[float]) -> str:
    """Numbers as a list in words."""
    *first, last = [f"{value:g}" for value in values] or [""]
    return f"{', '.join(first)} and {last}" if first else last
