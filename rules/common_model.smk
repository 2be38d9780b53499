# What the rules of the models share. No rules here.
from bonecast.model.jobs import jobs_of

# Modules that fit and predict, on which every job with a recipe depends.
RECIPE_CODE = (
    "levels.py",
    "model/aggregate.py",
    "model/cox.py",
    "model/harmonise.py",
    "model/learners",
    "model/outcome.py",
    "model/prepare.py",
    "model/recalibrate.py",
    "model/recipe.py",
    "model/risk.py",
    "model/thresholds.py",
    "model/transform.py",
)
# The same of every rule that divides patients or predicts those of an analysis set.
VALIDATION_CODE = (
    *RECIPE_CODE,
    "model/designs.py",
    "model/importance.py",
    "model/jobs.py",
    "model/metrics/discrimination.py",
    "model/metrics/resamples.py",
    "model/validate.py",
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
    "reversed_scores",
    "hazard_ratio_models",
    "horizons_years",
    "folds",
    "max_missing",
    "min_events",
    "min_robustness",
    "harmonise",
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
OPTIMISM_KEYS = (*RECIPE_KEYS, "learners", "bootstrap", "optimism_bootstrap")
PREDICTION_KEYS = ("columns",)
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
    "min_events",
    "nri",
)


def model_settings(keys):
    """The options of the models that matter to a job; others do not run it again."""
    settings = {key: config["model"][key] for key in keys}
    if "harmonise" in keys and not IS_TABULAR:
        # What the clinical table says was measured by no scanner, so there is nothing to harmonise.
        settings["blocks_as_given"] = ["clinical", *config["model"]["block_columns"]]
    return settings


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


def model_of_endpoint(path, endpoint):
    """A saved model; {endpoint} in its path stands for the endpoint."""
    return located(path.replace("{endpoint}", endpoint))


def check_external_model():
    """Stop on an external model that is of this cohort."""
    path = config["model"]["external_model"]
    own = os.path.abspath(f"results/{config['cohort']['name']}") + os.sep
    for endpoint in ENDPOINTS if path else []:
        found = model_of_endpoint(path, endpoint)
        if os.path.abspath(found).startswith(own):
            raise WorkflowError(
                f"model.external_model: {found} is this cohort's own: a model is external only "
                "where it has seen nobody of the cohort."
            )


EXTERNAL_MODEL = config["model"]["external_model"]
check_external_model()

# Designs with patients held out, each with the jobs it is done in.
HELD_OUT_JOBS = {
    design: jobs_of(design, config["model"])
    for design in config["model"]["designs"]
    if design != "optimism_bootstrap"
}
OPTIMISM_TABLE = (
    "<results>/models/{endpoint}/optimism.tsv"
    if "optimism_bootstrap" in config["model"]["designs"]
    else []
)
# A job of one fold has nothing to divide; more threads than a job has folds would wait.
VALIDATION_THREADS = {"none": 8, "repeats": 4, "folds": 1}[config["model"]["split_jobs"]]


def validation_parts(extension):
    """Files of every job of every design, of the external validation too."""
    folder = "<results>/models/{endpoint}/validation"
    parts = [
        f"{folder}/{design}/{part}.{extension}"
        for design, jobs in HELD_OUT_JOBS.items()
        for part in jobs
    ]
    return parts + ([f"{folder}/external/all.{extension}"] if EXTERNAL_MODEL else [])


def external_model(wildcards):
    """The model of another cohort."""
    return model_of_endpoint(EXTERNAL_MODEL, wildcards.endpoint) if EXTERNAL_MODEL else []


def predicted_endpoints():
    """Endpoints of the saved models that predict: all, or that of the one model's folder."""
    path = config["predict"]["model"]
    if not path:
        return []
    if "{endpoint}" in path:
        return ENDPOINTS
    folder = os.path.basename(os.path.dirname(path))
    return [folder if folder in ENDPOINTS else ENDPOINT]


def prediction_inputs(wildcards):
    """The saved model, and the new patients: their table, or this cohort's scans."""
    inputs = {"model": model_of_endpoint(config["predict"]["model"], wildcards.endpoint)}
    if config["predict"]["table"]:
        inputs["table"] = located(config["predict"]["table"])
        if config["predict"]["vertebra_table"]:
            inputs["vertebrae"] = located(config["predict"]["vertebra_table"])
        return inputs
    inputs["scans"] = "<results>/tables/scans.parquet"
    inputs["dictionary"] = "<results>/tables/data_dictionary.csv"
    if config["model"]["vertebra_columns"]:
        inputs["vertebrae"] = "<results>/tables/vertebrae.parquet"
    if HAS_CLINICAL:
        inputs["clinical"] = located(config["cohort"]["clinical"])
    return inputs


# Tables and pages of the paper that are no figures.
PUBLICATION_FILES = [
    "table_one.tsv",
    "sample_size.tsv",
    "tripod_ai.tsv",
    "metrics_checklist.tsv",
    "model_card.md",
]
