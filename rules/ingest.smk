rule index_series:
    input:
        source=source_made_here,
    output:
        series="<results>/participants/{participant}/series.tsv",
    log:
        "<logs>/participants/{participant}/index_series.log",
    benchmark:
        "<benchmarks>/participants/{participant}/index_series.tsv"
    group:
        "image"
    threads: config["ingest"]["threads"]
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        source=source_state,
        settings={key: value for key, value in config["ingest"].items() if key != "threads"},
        override=lambda wildcards: participant_row(wildcards).series,
        code=code_digest(
            "dicom/contrast_words.py",
            "dicom/elements.py",
            "dicom/geometry.py",
            "dicom/grouping.py",
            "dicom/headers.py",
            "dicom/index.py",
            "dicom/listing.py",
            "dicom/needs.py",
            "dicom/nifti.py",
            "dicom/patients.py",
            "dicom/scan.py",
            "dicom/scoring.py",
            "dicom/select.py",
            "dicom/table.py",
            "dicom/vocabulary.py",
        ),
    message:
        "Listing the series of {wildcards.participant}"
    script:
        "../scripts/index_series.py"
