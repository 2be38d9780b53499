rule fit_models:
    input:
        unpack(model_inputs),
    output:
        predictions="<results>/models/{endpoint}/predictions.parquet",
        metrics=report(
            "<results>/models/{endpoint}/metrics.tsv",
            caption="captions/metrics.rst",
            category="Models",
            labels={"endpoint": "{endpoint}", "table": "metrics"},
        ),
        analysis_set="<results>/models/{endpoint}/analysis_set.parquet",
        coefficients="<results>/models/{endpoint}/coefficients.tsv",
        hazard_ratios="<results>/models/{endpoint}/hazard_ratios.tsv",
        exclusions="<results>/models/{endpoint}/exclusions.tsv",
        settings="<results>/models/{endpoint}/settings.json",
    log:
        "<logs>/models/{endpoint}/fit_models.log",
    benchmark:
        "<benchmarks>/models/{endpoint}/fit_models.tsv"
    wildcard_constraints:
        endpoint=ENDPOINT,
    threads: 2
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        settings=lookup("model", within=config),
        set_aside=ROBUSTNESS_PARTICIPANTS if ROBUST_ONLY else [],
        code=code_digest("model", "reasons.py"),
    message:
        "Fitting and validating the models of {wildcards.endpoint}"
    script:
        "../scripts/fit_models.py"
