rule predict_risks:
    input:
        unpack(prediction_inputs),
    output:
        predicted=report(
            "<results>/predicted/{endpoint}.tsv",
            caption="captions/predicted.rst",
            category="Models",
            labels={"endpoint": "{endpoint}", "table": "predicted"},
        ),
    log:
        "<logs>/predicted/{endpoint}/predict_risks.log",
    benchmark:
        "<benchmarks>/predicted/{endpoint}/predict_risks.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        block=lookup("predict/block", within=config),
        settings=model_settings(PREDICTION_KEYS),
        code=code_digest(
            *VALIDATION_CODE,
            "model/admission.py",
            "model/clinical.py",
            "model/endpoints.py",
            "model/external.py",
            "model/new_patients.py",
            "model/predict.py",
            "model/saved.py",
            "model/vertebrae.py",
            "reasons.py",
            "sessions.py",
        ),
    message:
        "Predicting {wildcards.endpoint} of new patients"
    script:
        "../scripts/predict_risks.py"
