# What is recorded of a run's input, and what an archive takes. No rules here.
from bonecast.provenance.checksums import input_digests
from bonecast.provenance.options import INPUT_TABLES, option, without_paths


def input_tables():
    """Files of the input by the option that names them; without those the demo makes."""
    paths = {}
    for name in INPUT_TABLES:
        path = option(config, name)
        unused = IS_TABULAR and not name.startswith(("model.", "predict."))
        if not path or unused or made_by_demo(path):
            continue
        for endpoint in ENDPOINTS if "{endpoint}" in path else [""]:
            found = located(path.replace("{endpoint}", endpoint))
            if os.path.isfile(found):
                paths[f"{name} ({endpoint})" if endpoint else name] = found
    return paths


@cache
def input_states():
    """Digests of the tables of the input, for params: another content is recorded anew."""
    return input_digests(input_tables(), COHORT_SECRET)


RESULTS_TOLD = [
    expand("<results>/tables/{table}", table=[] if IS_TABULAR else TABLES),
    expand(
        "<results>/models/{endpoint}/{file}",
        endpoint=ENDPOINTS if HAS_MODELS else [],
        file=["metrics.tsv", "model.json", *(f"publication/{name}" for name in PUBLICATION_FILES)],
    ),
    expand("<results>/predicted/{endpoint}.tsv", endpoint=predicted_endpoints()),
    expand("<results>/figures/{figure}.csv", figure=FIGURES),
]


def external_models():
    """Models of other cohorts that are validated in this one, by endpoint; empty for one of all."""
    several = EXTERNAL_MODEL and "{endpoint}" in EXTERNAL_MODEL
    names = (ENDPOINTS if several else [""]) if EXTERNAL_MODEL else []
    return {name: model_of_endpoint(EXTERNAL_MODEL, name) for name in names}


def archived_report(wildcards):
    """The report of a study; a prediction alone has nothing that could be made again from it."""
    if PREDICTS_ONLY:
        raise WorkflowError(
            "archive: a prediction alone has no models or figures to make again. Keep predict.model, "
            "predict.table and provenance.json."
        )
    return f"results/{config['cohort']['name']}/report.html"
