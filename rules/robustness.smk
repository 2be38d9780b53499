# How far radiomics features depend on what no one chose. Not part of `all`: `snakemake robustness`,
# or `model.min_robustness` in the configuration, which has the models use it.


rule perturb_radiomics:
    input:
        ct=SCAN_AGAIN,
        vertebrae="<results>/participants/{participant}/vertebrae.nii.gz",
        bodies="<results>/participants/{participant}/bodies.nii.gz",
        radiomics="<results>/participants/{participant}/radiomics.tsv",
        compiled="<results>/cache/radiomics.json",
    output:
        perturbed="<results>/participants/{participant}/radiomics_perturbed.tsv",
    log:
        "<logs>/participants/{participant}/perturb_radiomics.log",
    benchmark:
        "<benchmarks>/participants/{participant}/perturb_radiomics.tsv"
    group:
        with_batch("robustness")
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        radiomics=RADIOMICS,
        perturbing={key: value for key, value in ROBUSTNESS.items() if key != "participants"},
        cache=RADIOMICS_CACHE,
        code=code_digest(
            "images.py",
            "measure/bodies.py",
            "measure/columns.py",
            "measure/density.py",
            "measure/frame.py",
            "measure/plates.py",
            "measure/radiomics/features.py",
            "measure/radiomics/filters.py",
            "measure/radiomics/grid.py",
            "measure/radiomics/measure.py",
            "measure/radiomics/names.py",
            "measure/radiomics/perturb.py",
            "measure/radiomics/settings.py",
            "measure/tables.py",
        ),
    message:
        "Perturbing the vertebrae of {wildcards.participant}"
    script:
        "../scripts/perturb_radiomics.py"


rule summarise_robustness:
    input:
        perturbed=expand(
            "<results>/participants/{participant}/radiomics_perturbed.tsv",
            participant=ROBUSTNESS_PARTICIPANTS,
        ),
    output:
        robustness=report(
            "<results>/tables/radiomics_robustness.tsv",
            caption="captions/radiomics_robustness.rst",
            category="Tables",
            labels={"table": "robustness of radiomics"},
        ),
    log:
        "<logs>/summarise_robustness.log",
    benchmark:
        "<benchmarks>/summarise_robustness.tsv"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        participants=ROBUSTNESS_PARTICIPANTS,
        radiomics=RADIOMICS,
        summary_levels=config["measure"]["summary_levels"],
        min_levels=config["measure"]["min_levels"],
        code=code_digest(
            "measure/agreement.py",
            "measure/columns.py",
            "measure/radiomics/names.py",
            "measure/radiomics/robustness.py",
            "measure/radiomics/settings.py",
            "measure/tables.py",
        ),
    message:
        "Robustness of every radiomics feature"
    script:
        "../scripts/summarise_robustness.py"
