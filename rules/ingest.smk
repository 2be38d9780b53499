rule ingest_scan:
    input:
        source=source_made_here,
    output:
        series="<results>/participants/{participant}/series.tsv",
        ct="<results>/participants/{participant}/ct.nii.gz",
        facts="<results>/participants/{participant}/ct.json",
    log:
        "<logs>/participants/{participant}/ingest_scan.log",
    benchmark:
        "<benchmarks>/participants/{participant}/ingest_scan.tsv"
    threads: config["ingest"]["threads"]
    resources:
        # A thousand slices of 512 x 512 are held twice, three times where they are resampled.
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        source=source_state,
        settings={key: value for key, value in config["ingest"].items() if key != "threads"},
        override=lambda wildcards: participant_row(wildcards).series,
        secret=secret_state(COHORT_SECRET),
        days=participant_days,
        code=code_digest("dicom", "images.py", "phases.py"),
    message:
        "Listing the series of {wildcards.participant} and converting one"
    script:
        "../scripts/ingest_scan.py"
