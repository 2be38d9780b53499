# What the rules of the models share. No rules here.
from bonecast.model.designs import jobs_of

# Modules that fit and predict: what every rule with a recipe depends on.
RECIPE_CODE = (
    "model/cox.py",
    "model/learners",
    "model/outcome.py",
    "model/prepare.py",
    "model/recipe.py",
    "model/risk.py",
    "model/transform.py",
)
ADMISSION_KEYS = (
    "columns",
    "time_unit",
    "event_codes",
    "washout_years",
    "osteoporosis_from",
    "blocks",
    "block_columns",
    "vertebra_columns",
    "reference",
    "score_columns",
    "hazard_ratio_models",
    "horizons_years",
    "folds",
    "min_events",
    "min_robustness",
    "subgroups",
)
RECIPE_KEYS = (
    "blocks",
    "inner_folds",
    "l1_ratios",
    "max_missing",
    "winsor_quantile",
    "correlation_limit",
    "harmonise",
    "recalibrate",
    "risk_groups",
    "seed",
)
VALIDATION_KEYS = (*RECIPE_KEYS, "learners", "folds", "repeats", "train_until")
JUDGE_KEYS = (
    "blocks",
    "learners",
    "designs",
    "reference",
    "folds",
    "repeats",
    "inner_folds",
    "bootstrap",
    "curve_bootstrap",
    "seed",
    "thresholds",
    "risk_groups",
    "subgroups",
    "age_bands",
    "nri",
)


def model_settings(keys):
    """The options of the models that a rule depends on: others do not run it again."""
    return {key: config["model"][key] for key in keys}


def model_inputs(wildcards):
    """The user's own table, or the measured scans and the clinical table."""
    model = config["model"]
    if IS_TABULAR:
        inputs = {"table": located(model["table"])}
        if model["vertebra_table"]:
            inputs["vertebrae"] = located(model["vertebra_table"])
        return inputs
    inputs = {
        "scans": "<results>/tables/scans.parquet",
        "dictionary": "<results>/tables/data_dictionary.csv",
        "clinical": located(config["cohort"]["clinical"]),
    }
    if model["vertebra_columns"]:
        inputs["vertebrae"] = "<results>/tables/vertebrae.parquet"
    if ROBUST_ONLY:
        inputs["robustness"] = "<results>/tables/radiomics_robustness.tsv"
    return inputs


# Designs with patients held out, each with the jobs it is done in.
HELD_OUT_JOBS = {
    design: jobs_of(design, config["model"])
    for design in config["model"]["designs"]
    if design != "optimism_bootstrap"
}
EXTERNAL_MODEL = config["model"]["external_model"]


def validation_parts(extension):
    """Files of every job of every design, of the external validation too."""
    folder = "<results>/models/{endpoint}/validation"
    parts = [
        f"{folder}/{design}/{part}.{extension}"
        for design, jobs in HELD_OUT_JOBS.items()
        for part in jobs
    ]
    return parts + ([f"{folder}/external/all.{extension}"] if EXTERNAL_MODEL else [])
