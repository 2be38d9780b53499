# Which figures of the models there are, and what they share. No rules here.

# Options that order what a figure of the models shows.
FIGURE_KEYS = ("blocks", "learners", "designs")

# Modules that every figure of the models is drawn with.
MODEL_FIGURE_CODE = (
    "model/outcome.py",
    "report/comparison.py",
    "report/palette.py",
    "report/style.py",
    "report/tables.py",
)

DIFFERENCES = ["block_comparison", "block_differences"]
EXPLANATIONS = ["subgroup_performance", "importance"]
FORECASTS = ["roc_by_horizon", "calibration", "decision_curves"]


def model_figures(endpoint):
    """Names of the figures of an endpoint, in the order of the report."""
    figures = {
        "fracture": [*DIFFERENCES, *FORECASTS, "outcome_by_risk_group", *EXPLANATIONS],
        "osteoporosis": [*DIFFERENCES, *FORECASTS, *EXPLANATIONS],
        "bmd": [*DIFFERENCES, "predicted_observed", *EXPLANATIONS],
    }[endpoint]
    return [f"{figure}_{endpoint}" for figure in figures]


# What `figures` and the report ask for.
MODEL_FIGURES = [name for endpoint in ENDPOINTS for name in model_figures(endpoint)]
FIGURES = IMAGE_FIGURES if not IS_TABULAR else ["flow_diagram"]
FIGURES = (FIGURES + MODEL_FIGURES) if HAS_MODELS else [f for f in FIGURES if not IS_TABULAR]

# What a figure of measurements takes from the models: nothing where none are fitted.
ANALYSIS_SET = f"<results>/models/{ENDPOINT}/analysis_set.parquet" if HAS_MODELS else []
MODEL_EXCLUSIONS = f"<results>/models/{ENDPOINT}/exclusions.tsv" if HAS_MODELS else []
