rule convert_series:
    input:
        source=source_made_here,
        series="<results>/participants/{participant}/series.tsv",
    output:
        ct=passing("<results>/participants/{participant}/ct.nii.gz"),
        facts="<results>/participants/{participant}/ct.json",
    log:
        "<logs>/participants/{participant}/convert_series.log",
    benchmark:
        "<benchmarks>/participants/{participant}/convert_series.tsv"
    group:
        "image"
    resources:
        # A thousand slices of 512 x 512 are held twice, three times where they are resampled.
        mem_mb=growing(4000),
        runtime=growing(20),
    params:
        source=source_state,
        resample=lookup("ingest/resample", within=config),
        secret=secret_state(COHORT_SECRET),
        days=participant_days,
        code=code_digest("dicom", "images.py", "phases.py"),
    message:
        "Converting the CT of {wildcards.participant}"
    script:
        "../scripts/convert_series.py"


# Only where disk.keep has CTs taken away: one for a job that comes later.
use rule convert_series as convert_again with:
    output:
        ct=temp("<results>/again/{participant}/ct.nii.gz"),
        facts=temp("<results>/again/{participant}/ct.json"),
    log:
        "<logs>/participants/{participant}/convert_again.log",
    benchmark:
        "<benchmarks>/participants/{participant}/convert_again.tsv"
    message:
        "Converting the CT of {wildcards.participant} once more"
