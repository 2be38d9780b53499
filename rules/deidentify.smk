# De-identified DICOM of the chosen series, to be shared. Not part of `all`.


rule deidentify_series:
    input:
        source=SOURCE_MADE_HERE,
        series="<results>/participants/{participant}/series.tsv",
        facts="<results>/participants/{participant}/ct.json",
    output:
        folder=directory("<results>/deidentified/{participant}"),
    log:
        "<logs>/participants/{participant}/deidentify_series.log",
    benchmark:
        "<benchmarks>/participants/{participant}/deidentify_series.tsv"
    group:
        with_batch("deidentify")
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        source=source_state,
        secret=own_secret,
        code=code_digest("dicom"),
    message:
        "Writing de-identified DICOM of {wildcards.participant}"
    script:
        "../scripts/deidentify_series.py"
