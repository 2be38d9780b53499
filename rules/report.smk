# What the report is made from: nothing of a stage that this run does not have.
MEASURED = "<results>/tables" if not IS_TABULAR else None
MODELLED = f"<results>/models/{ENDPOINT}" if HAS_MODELS else None
MODELLED_ENDPOINTS = ENDPOINTS if HAS_MODELS else []


rule write_report:
    input:
        scans=f"{MEASURED}/scans.parquet" if MEASURED else [],
        vertebrae=f"{MEASURED}/vertebrae.parquet" if MEASURED else [],
        exclusions=f"{MEASURED}/exclusions.tsv" if MEASURED else [],
        ledger=f"{MEASURED}/ledger.tsv" if MEASURED else [],
        dictionary=f"{MEASURED}/data_dictionary.csv" if MEASURED else [],
        level_sensitivity=f"{MEASURED}/level_sensitivity.tsv" if MEASURED else [],
        outliers=f"{MEASURED}/segmentation_outliers.tsv" if MEASURED else [],
        reference=f"{MEASURED}/segmentation_reference.tsv" if MEASURED else [],
        analysis_set=f"{MODELLED}/analysis_set.parquet" if MODELLED else [],
        model_exclusions=f"{MODELLED}/exclusions.tsv" if MODELLED else [],
        models=expand("<results>/models/{endpoint}/settings.json", endpoint=MODELLED_ENDPOINTS),
        model_tables=expand(
            "<results>/models/{endpoint}/{table}.tsv",
            endpoint=MODELLED_ENDPOINTS,
            table=["metrics", "hazard_ratios"],
        ),
        publication=expand(
            "<results>/models/{endpoint}/publication/{file}",
            endpoint=MODELLED_ENDPOINTS,
            file=PUBLICATION_FILES,
        ),
        figures=expand("<results>/figures/{figure}.png", figure=FIGURES),
    output:
        report=report(
            "<results>/report.html",
            caption="captions/report.rst",
            category="Report",
            labels={"page": "report of the cohort"},
        ),
        summary="<results>/summary.txt",
    log:
        "<logs>/write_report.log",
    benchmark:
        "<benchmarks>/write_report.tsv"
    resources:
        # Seven small files of every scan are read.
        mem_mb=growing(1000, per_scan=0.05),
        runtime=growing(10, per_scan=0.01),
    params:
        cohort=config["cohort"]["name"],
        participants=PARTICIPANTS,
        frozen=IS_FROZEN,
        synthetic=IS_DEMO and not IS_TABULAR,
        config=config,
        code=code_digest(
            "report",
            "model/outcome.py",
            "reasons.py",
            "level_states.py",
            "results.py",
            "run/benchmarks.py",
            "sessions.py",
            "versions.py",
        ),
    message:
        "Writing the report"
    script:
        "../scripts/write_report.py"
