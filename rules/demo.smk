# The demo cohort: synthetic patients as DICOM folders, with what was planted kept apart.


rule write_demo_cohort:
    output:
        dicom=[directory(f"demo/dicom/{name}") for name in PARTICIPANTS if IS_DEMO],
        clinical="demo/clinical.csv",
        truth=directory("demo/truth"),
    log:
        "demo/logs/write_demo_cohort.log",
    benchmark:
        "demo/benchmarks/write_demo_cohort.tsv"
    threads: 2
    resources:
        mem_mb=growing(3000),
        runtime=growing(20),
    params:
        seed=config["demo"]["seed"],
        participants=PARTICIPANTS,
        code=code_digest(
            "phantom/anatomy.py",
            "phantom/canvas.py",
            "phantom/cohort.py",
            "phantom/demo.py",
            "phantom/dicom.py",
            "phantom/torso.py",
            "images.py",
            "levels.py",
        ),
    message:
        "Writing the demo cohort: synthetic patients as DICOM"
    script:
        "../scripts/write_demo_cohort.py"


# Not part of `all`: the pipeline never reads the truth.
rule check_demo:
    input:
        vertebrae="<results>/tables/vertebrae.parquet",
        scans="<results>/tables/scans.parquet",
        metrics="<results>/models/fracture/metrics.tsv",
        truth="demo/truth",
    output:
        table="<results>/truth/agreement.tsv",
    log:
        "<logs>/check_demo.log",
    benchmark:
        "<benchmarks>/check_demo.tsv"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("phantom/agreement.py"),
    message:
        "Comparing the demo's measurements with what was planted"
    script:
        "../scripts/check_demo.py"
