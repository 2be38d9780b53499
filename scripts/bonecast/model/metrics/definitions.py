"""Names of metrics and tables, and what each metric is."""

DEFINITIONS = {
    "c_index": (
        "Wolbers' concordance with inverse-probability-of-censoring weights up to tau, patients"
        " who died first counting as never fractured (Wolbers et al., Biostatistics 2014;15:526);"
        " tau is the last horizon; ranks by the risk at tau; pairs within a fold"
    ),
    "c_index_harrell": (
        "Harrell's C over the whole follow-up, death counted as censoring; pairs within a fold"
    ),
    "auc_t": (
        "cumulative/dynamic AUC with competing risk (Blanche et al., Stat Med 2013;32:5381);"
        " pairs within a fold"
    ),
    "auc": "area under the ROC curve of a diagnosis; pairs within a fold",
    "brier": (
        "Brier score with competing risk (Gerds and Schumacher, Biom J 2006;48:1029); of a"
        " diagnosis, the mean squared error of the probability"
    ),
    "ipa": "scaled Brier score: 1 - Brier / Brier of the observed incidence given to everyone",
    "ibs": (
        "Brier score integrated from 0 to the last horizon and divided by it: trapezoid rule over"
        " time 0, where it is 0, and the configured horizons, as risks are predicted at these only"
    ),
    "oe_ratio": (
        "Aalen-Johansen incidence divided by the mean predicted risk; of a diagnosis, prevalence"
        " divided by the mean predicted probability"
    ),
    "calibration_slope": (
        "penalised Cox: coefficient of a cause-specific Cox model (Efron ties, stratified by fold)"
        " on the held-out linear predictor; other survival learners: coefficient of a Fine-Gray"
        " model on cloglog of the risk predicted at the last horizon; diagnosis: coefficient of a"
        " logistic model on the logit of the predicted probability; number: slope of observed on"
        " predicted; the whole follow-up is used"
    ),
    "ici": (
        "mean absolute distance between predicted risk and a smooth curve of the observed one:"
        " restricted cubic spline (knots at the 10th, 50th and 90th percentile) of"
        " cloglog(predicted) in a Fine-Gray model where deaths compete (Austin et al., Diagn Progn"
        " Res 2022;6:2), in a Cox model where nobody died (Austin et al., Stat Med 2020;39:2714);"
        " of logit(predicted) in a logistic model for a diagnosis; from ten events on. Interval:"
        " percentiles less the bootstrap's estimate of bias, as resampling adds to a distance. The"
        " value itself is too large where calibration is near perfect, and the interval with it"
    ),
    "e50": "median of the same distances",
    "e90": "90th percentile of the same distances",
    "net_benefit": (
        "true positives less false positives at the odds of the threshold, per patient; incidence"
        " among those at or above the threshold by Aalen-Johansen (Vickers et al., BMC Med Inform"
        " Decis Mak 2008;8:53), the last value reached where their follow-up ends before the"
        " horizon"
    ),
    "sensitivity": (
        "weighted share of patients fracturing by the horizon whose predicted risk is at or above"
        " the threshold; cases and weights as in auc_t"
    ),
    "specificity": (
        "weighted share of the others whose predicted risk is below the threshold; a patient who"
        " died before is one of them"
    ),
    "sensitivity_learned": (
        "sensitivity at the threshold each fold learned from its training patients (Youden);"
        " `threshold` is the median over folds"
    ),
    "specificity_learned": "specificity at the same learned thresholds",
    "nri": (
        "category-free net reclassification from the reference at the last horizon (Pencina et"
        " al., Stat Med 2011;30:11), weights as in auc_t. It misleads, in independent data too"
        " (Kerr et al., Epidemiology 2014;25:114; Pepe et al., Stat Biosci 2015;7:282)"
    ),
    "r2": "1 - squared errors / squared distances from the mean of the patients judged",
    "rmse": "root of the mean squared error, in the unit of the outcome",
    "mae": "mean absolute error, in the unit of the outcome",
    "bias": "mean of predicted less observed",
    "loa_lower": "lower limit of agreement: bias - 1.96 SD of the differences (Bland and Altman)",
    "loa_upper": "upper limit of agreement: bias + 1.96 SD of the differences",
    "delta": (
        "delta_<metric>: that metric less the metric of `reference`, same learner and design, on"
        " the same patients and the same resamples"
    ),
    "censoring_weights": (
        "Kaplan-Meier of censoring over the patients judged: all of the analysis set in"
        " cross-validation, the held-out patients in a temporal or external validation, the"
        " patients of the subgroup in a subgroup; redone in every resample"
    ),
    "optimism_bootstrap": (
        "apparent performance less its mean optimism over samples of the patients to which the"
        " whole recipe is fitted anew (Harrell et al., Stat Med 1996;15:361); interval: that of"
        " the apparent performance of the one model, shifted by the optimism (after Noma et al.,"
        " Stat Med 2021;40:5691, who fit the model anew in every resample)"
    ),
    "not_followed": "empty at a horizon to which no patient is followed",
    "intervals": (
        "2.5 % and 97.5 % quantiles over resampled patients; models are not refitted; empty where"
        " more than a tenth of the resamples have no value"
    ),
    "curve_intervals": (
        "calibration_slope, ici, e50, e90 and the curves: the same with fewer resamples"
        " (curve_bootstrap); those that need a fit per resample (all but the Cox slope) use one"
        " repeat per resample, in turn"
    ),
    "repeats": (
        "each metric is computed per repeat and averaged; O/E divides by the mean predicted risk"
        " of all repeats"
    ),
    "roc_curves": (
        "sensitivity averaged over folds and repeats at equal false-positive rate, a fold weighing"
        " as many pairs as it holds"
    ),
    "calibration_groups": (
        "patients in groups of equal size by predicted risk within a repeat, ten or as many as"
        " leave ten events each; observed by Aalen-Johansen, averaged over repeats"
    ),
}
"""What each metric is; goes into settings.json and the methods."""

DISTANCES = ("ici", "e50", "e90")
"""Metrics that are never negative and that noise makes larger."""

COMPARED = {
    "survival": ("c_index", "auc_t", "brier", "ibs"),
    "binary": ("auc", "brier"),
    "continuous": ("r2", "rmse"),
}
"""Metrics whose difference from a reference is reported, as delta_<metric>, by kind of outcome."""

IN_SUBGROUPS = {
    "survival": ("c_index", "auc_t", "brier", "oe_ratio"),
    "binary": ("auc", "brier", "oe_ratio"),
    "continuous": ("r2", "rmse", "bias"),
}
"""Metrics of subgroups by kind of outcome; with a horizon, at the last one."""

METRIC_COLUMNS = [
    "endpoint",
    "design",
    "block",
    "learner",
    "metric",
    "horizon_years",
    "threshold",
    "value",
    "lower",
    "upper",
    "n",
    "events",
    "reference",
]

SUBGROUP_COLUMNS = [*METRIC_COLUMNS, "subgroup", "level", "note"]

_CURVE = ["endpoint", "design", "block", "learner", "horizon_years"]

TABLE_COLUMNS = {
    "metrics": METRIC_COLUMNS,
    "subgroups": SUBGROUP_COLUMNS,
    "calibration_curves": [*_CURVE, "kind", "predicted", "observed", "lower", "upper", "n"],
    "decision_curves": [*_CURVE, "threshold", "net_benefit", "lower", "upper"],
    "roc_curves": [*_CURVE, "false_positive_rate", "sensitivity"],
}
"""Columns of every table made here, by the name of its file."""
