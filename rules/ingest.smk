rule ingest_scan:
    input:
        source=SOURCE_MADE_HERE,
    output:
        series="<results>/participants/{participant}/series.tsv",
        ct=passing("<results>/participants/{participant}/ct.nii.gz"),
        facts="<results>/participants/{participant}/ct.json",
    log:
        "<logs>/participants/{participant}/ingest_scan.log",
    benchmark:
        "<benchmarks>/participants/{participant}/ingest_scan.tsv"
    priority: turn_of_batch if config["segment"]["backend"] != "masks" else 0
    group:
        with_batch("ingest")
    threads: config["ingest"]["threads"]
    resources:
        # A thousand slices of 512 x 512 are held twice, three times where they are resampled.
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        source=source_state,
        settings={key: value for key, value in config["ingest"].items() if key != "threads"},
        told=told_of_scan,
        secret=secret_state(COHORT_SECRET),
        code=code_digest("dicom", "images.py", "phases.py"),
    message:
        "Listing the series of {wildcards.participant} and converting one"
    script:
        "../scripts/ingest_scan.py"


# Only where disk.keep has CTs taken away: the CT of one scan for a job that comes later.
use rule ingest_scan as ingest_again with:
    output:
        series=temp("<results>/again/{participant}/series.tsv"),
        ct=temp("<results>/again/{participant}/ct.nii.gz"),
        facts=temp("<results>/again/{participant}/ct.json"),
    log:
        "<logs>/participants/{participant}/ingest_again.log",
    benchmark:
        "<benchmarks>/participants/{participant}/ingest_again.tsv"
    group:
        "ingest_again"
    message:
        "Converting the CT of {wildcards.participant} once more"
