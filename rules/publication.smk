PUBLICATION = "<results>/models/{endpoint}/publication"
CHECKLISTS = [
    os.path.normpath(os.path.join(WORKFLOW_HOME, f"resources/checklists/{name}.tsv"))
    for name in ("tripod_ai", "metrics")
]
PUBLICATION_KEYS = (
    *VALIDATION_KEYS,
    "washout_years",
    "min_robustness",
    "thresholds",
    "min_events",
)


rule write_publication_tables:
    input:
        settings="<results>/models/{endpoint}/settings.json",
        features="<results>/models/{endpoint}/features.json",
        analysis_set="<results>/models/{endpoint}/analysis_set.parquet",
        exclusions="<results>/models/{endpoint}/exclusions.tsv",
        predictions="<results>/models/{endpoint}/predictions.parquet",
        metrics="<results>/models/{endpoint}/metrics.tsv",
        subgroups="<results>/models/{endpoint}/subgroups.tsv",
        coefficients="<results>/models/{endpoint}/coefficients.tsv",
        model="<results>/models/{endpoint}/model.json",
        lists=CHECKLISTS,
    output:
        table_one=report(
            f"{PUBLICATION}/table_one.tsv",
            caption="captions/table_one.rst",
            category="Publication",
            labels={"endpoint": "{endpoint}", "table": "Table 1"},
        ),
        sample_size=report(
            f"{PUBLICATION}/sample_size.tsv",
            caption="captions/sample_size.rst",
            category="Publication",
            labels={"endpoint": "{endpoint}", "table": "sample size"},
        ),
        tripod_ai=report(
            f"{PUBLICATION}/tripod_ai.tsv",
            caption="captions/tripod_ai.rst",
            category="Publication",
            labels={"endpoint": "{endpoint}", "table": "TRIPOD+AI"},
        ),
        metrics_checklist=report(
            f"{PUBLICATION}/metrics_checklist.tsv",
            caption="captions/metrics_checklist.rst",
            category="Publication",
            labels={"endpoint": "{endpoint}", "table": "METRICS"},
        ),
        model_card=report(
            f"{PUBLICATION}/model_card.md",
            caption="captions/model_card.rst",
            category="Publication",
            labels={"endpoint": "{endpoint}", "table": "model card"},
        ),
    log:
        "<logs>/models/{endpoint}/write_publication_tables.log",
    benchmark:
        "<benchmarks>/models/{endpoint}/write_publication_tables.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        config={
            "images": not IS_TABULAR,
            "backend": config["segment"]["backend"],
            "radiomics_preset": config["measure"]["radiomics"]["preset"],
            "model": model_settings(PUBLICATION_KEYS),
        },
        code=code_digest(
            "model/cox.py",
            "model/outcome.py",
            "model/prepare.py",
            "model/sample_size.py",
            "reasons.py",
            "report/artefacts.py",
            "report/checklist.py",
            "report/methods_models.py",
            "report/metrics_checklist.py",
            "report/model_card.py",
            "report/publication.py",
            "report/sample_size.py",
            "report/table_one.py",
            "report/tables.py",
            "report/tripod.py",
        ),
        models=code_digest("model"),
    message:
        "Writing the publication tables of {wildcards.endpoint}"
    script:
        "../scripts/write_publication_tables.py"
