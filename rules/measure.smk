# From masks to numbers: density, shape and radiomics of each vertebra, one table per participant.

# Where numba keeps compiled kernels, for all cohorts; NUMBA_CACHE_DIR overrides it.
RADIOMICS_CACHE = "results/.kernels"


rule measure_vertebrae:
    input:
        ct="<results>/participants/{participant}/ct.nii.gz",
        vertebrae="<results>/participants/{participant}/vertebrae.nii.gz",
        bodies="<results>/participants/{participant}/bodies.nii.gz",
        segmentation="<results>/participants/{participant}/segmentation.json",
    output:
        density="<results>/participants/{participant}/density.tsv",
        morphometry="<results>/participants/{participant}/morphometry.tsv",
    log:
        "<logs>/participants/{participant}/measure_vertebrae.log",
    benchmark:
        "<benchmarks>/participants/{participant}/measure_vertebrae.tsv"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        levels=config["measure"]["levels"],
        density=config["measure"]["density"],
        code=code_digest(
            "images.py",
            "measure/scan.py",
            "measure/frame.py",
            "measure/density.py",
            "measure/morphometry.py",
            "measure/tables.py",
        ),
    message:
        "Measuring the vertebrae of {wildcards.participant}"
    script:
        "../scripts/measure_vertebrae.py"


rule compile_radiomics:
    output:
        "<results>/cache/radiomics.json",
    log:
        "<logs>/compile_radiomics.log",
    benchmark:
        "<benchmarks>/compile_radiomics.tsv"
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        cache=RADIOMICS_CACHE,
    message:
        "Compiling the radiomics kernels (once per machine)"
    script:
        "../scripts/compile_radiomics.py"


rule measure_radiomics:
    input:
        ct="<results>/participants/{participant}/ct.nii.gz",
        vertebrae="<results>/participants/{participant}/vertebrae.nii.gz",
        bodies="<results>/participants/{participant}/bodies.nii.gz",
        segmentation="<results>/participants/{participant}/segmentation.json",
        density="<results>/participants/{participant}/density.tsv",
        compiled="<results>/cache/radiomics.json",
    output:
        radiomics="<results>/participants/{participant}/radiomics.tsv",
    log:
        "<logs>/participants/{participant}/measure_radiomics.log",
    benchmark:
        "<benchmarks>/participants/{participant}/measure_radiomics.tsv"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        levels=config["measure"]["levels"],
        radiomics={
            key: value for key, value in config["measure"]["radiomics"].items() if key != "enabled"
        },
        cache=RADIOMICS_CACHE,
        code=code_digest(
            "images.py",
            "measure/scan.py",
            "measure/frame.py",
            "measure/density.py",
            "measure/radiomics.py",
            "measure/radiomics_names.py",
            "measure/tables.py",
        ),
    message:
        "Computing the radiomics of {wildcards.participant}"
    script:
        "../scripts/measure_radiomics.py"
