# Who is modelled, with what. The last that reads the clinical table.


rule admit_patients:
    input:
        unpack(model_inputs),
    output:
        analysis_set="<results>/models/{endpoint}/analysis_set.parquet",
        features="<results>/models/{endpoint}/features.json",
        exclusions="<results>/models/{endpoint}/exclusions.tsv",
    log:
        "<logs>/models/{endpoint}/admit_patients.log",
    benchmark:
        "<benchmarks>/models/{endpoint}/admit_patients.tsv"
    resources:
        mem_mb=growing(4000),
        runtime=growing(20),
    params:
        settings=model_settings(ADMISSION_KEYS),
        set_aside=ROBUSTNESS_PARTICIPANTS if ROBUST_ONLY else [],
        code=code_digest(
            "levels.py",
            "model/admission.py",
            "model/aggregate.py",
            "model/clinical.py",
            "model/cohort.py",
            "model/doubts.py",
            "model/endpoints.py",
            "model/features.py",
            "model/harmonise.py",
            "model/outcome.py",
            "model/vertebrae.py",
            "reasons.py",
            "sessions.py",
        ),
    message:
        "Admitting patients to the models of {wildcards.endpoint}"
    script:
        "../scripts/admit_patients.py"
