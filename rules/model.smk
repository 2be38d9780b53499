rule validate_models:
    input:
        analysis_set="<results>/models/{endpoint}/analysis_set.parquet",
        features="<results>/models/{endpoint}/features.json",
    output:
        predictions="<results>/models/{endpoint}/validation/{design}/{part}.parquet",
        facts="<results>/models/{endpoint}/validation/{design}/{part}.json",
    log:
        "<logs>/models/{endpoint}/validation/{design}/{part}/validate_models.log",
    benchmark:
        "<benchmarks>/models/{endpoint}/validation/{design}/{part}/validate_models.tsv"
    wildcard_constraints:
        design="|".join(HELD_OUT_JOBS) or "none",
    threads: VALIDATION_THREADS
    resources:
        mem_mb=growing(2000, per_thread=1000),
        runtime=growing(240),
    params:
        settings=model_settings(VALIDATION_KEYS),
        code=code_digest(*VALIDATION_CODE),
    message:
        "Validating the models of {wildcards.endpoint}: {wildcards.design}, {wildcards.part}"
    script:
        "../scripts/validate_models.py"


rule bootstrap_optimism:
    input:
        analysis_set="<results>/models/{endpoint}/analysis_set.parquet",
        features="<results>/models/{endpoint}/features.json",
    output:
        optimism="<results>/models/{endpoint}/optimism.tsv",
    log:
        "<logs>/models/{endpoint}/bootstrap_optimism.log",
    benchmark:
        "<benchmarks>/models/{endpoint}/bootstrap_optimism.tsv"
    threads: 8
    resources:
        mem_mb=growing(2000, per_thread=1000),
        runtime=growing(240),
    params:
        settings=model_settings(OPTIMISM_KEYS),
        code=code_digest(*VALIDATION_CODE, "model/metrics", "model/optimism.py"),
    message:
        "Bootstrapping the optimism of the models of {wildcards.endpoint}"
    script:
        "../scripts/bootstrap_optimism.py"


rule validate_external:
    input:
        analysis_set="<results>/models/{endpoint}/analysis_set.parquet",
        features="<results>/models/{endpoint}/features.json",
        model=external_model,
    output:
        predictions="<results>/models/{endpoint}/validation/external/all.parquet",
        facts="<results>/models/{endpoint}/validation/external/all.json",
    log:
        "<logs>/models/{endpoint}/validate_external.log",
    benchmark:
        "<benchmarks>/models/{endpoint}/validate_external.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code_digest(*VALIDATION_CODE, "model/external.py", "model/saved.py"),
    message:
        "Judging another cohort's model of {wildcards.endpoint}"
    script:
        "../scripts/validate_external.py"


rule fit_final_models:
    input:
        analysis_set="<results>/models/{endpoint}/analysis_set.parquet",
        features="<results>/models/{endpoint}/features.json",
        facts=validation_parts("json"),
    output:
        model="<results>/models/{endpoint}/model.json",
        coefficients="<results>/models/{endpoint}/coefficients.tsv",
        hazard_ratios="<results>/models/{endpoint}/hazard_ratios.tsv",
    log:
        "<logs>/models/{endpoint}/fit_final_models.log",
    benchmark:
        "<benchmarks>/models/{endpoint}/fit_final_models.tsv"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        settings=model_settings(
            (*RECIPE_KEYS, "learners", "stability_bootstrap", "hazard_ratio_models")
        ),
        code=code_digest(
            *VALIDATION_CODE,
            "model/final.py",
            "model/hazard_ratios.py",
            "model/saved.py",
            "model/stability.py",
        ),
    message:
        "Fitting the final models of {wildcards.endpoint}"
    script:
        "../scripts/fit_final_models.py"


rule judge_models:
    input:
        analysis_set="<results>/models/{endpoint}/analysis_set.parquet",
        features="<results>/models/{endpoint}/features.json",
        predictions=validation_parts("parquet"),
        facts=validation_parts("json"),
        optimism=OPTIMISM_TABLE,
    output:
        predictions="<results>/models/{endpoint}/predictions.parquet",
        metrics=report(
            "<results>/models/{endpoint}/metrics.tsv",
            caption="captions/metrics.rst",
            category="Models",
            labels={"endpoint": "{endpoint}", "table": "metrics"},
        ),
        subgroups="<results>/models/{endpoint}/subgroups.tsv",
        calibration_curves="<results>/models/{endpoint}/calibration_curves.tsv",
        decision_curves="<results>/models/{endpoint}/decision_curves.tsv",
        roc_curves="<results>/models/{endpoint}/roc_curves.tsv",
        importance="<results>/models/{endpoint}/importance.tsv",
        settings="<results>/models/{endpoint}/settings.json",
    log:
        "<logs>/models/{endpoint}/judge_models.log",
    benchmark:
        "<benchmarks>/models/{endpoint}/judge_models.tsv"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        settings=model_settings(JUDGE_KEYS),
        code=code_digest("levels.py", "model"),
    message:
        "Judging the models of {wildcards.endpoint}"
    script:
        "../scripts/judge_models.py"
