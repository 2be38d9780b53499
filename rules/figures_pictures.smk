# Figures that show pictures of scans: kept as they are where the scans are gone.


rule draw_example_segmentations:
    input:
        # Made anew whenever a picture is, of which a few are shown.
        scans="<results>/tables/scans.parquet",
    output:
        pdf="<results>/figures/example_segmentations.pdf",
        svg="<results>/figures/example_segmentations.svg",
        png=report(
            "<results>/figures/example_segmentations.png",
            caption="captions/example_segmentations.rst",
            category="Measurements",
            labels={"figure": "example segmentations"},
        ),
        csv="<results>/figures/example_segmentations.csv",
    log:
        "<logs>/figures/draw_example_segmentations.log",
    benchmark:
        "<benchmarks>/figures/draw_example_segmentations.tsv"
    resources:
        mem_mb=growing(1000, per_scan=0.05),
        runtime=growing(10),
    params:
        roi=lookup("measure/density/rois/0", within=config),
        levels=lookup("measure/summary_levels", within=config),
        participants=PARTICIPANTS,
        dpi=lookup("figures/dpi", within=config),
        code=code_digest(
            "report/figures_measure.py",
            "report/palette.py",
            "report/qc.py",
            "report/qc_page.py",
            "report/style.py",
            "report/tables.py",
            "results.py",
            "sessions.py",
        ),
    message:
        "Drawing example segmentations"
    script:
        "../scripts/draw_example_segmentations.py"


rule draw_body_composition:
    input:
        # Made anew whenever a picture is, of which one is shown.
        scans="<results>/tables/scans.parquet",
        analysis_set=ANALYSIS_SET,
    output:
        pdf="<results>/figures/body_composition.pdf",
        svg="<results>/figures/body_composition.svg",
        png=report(
            "<results>/figures/body_composition.png",
            caption="captions/body_composition.rst",
            category="Measurements",
            labels={"figure": "body composition"},
        ),
        csv="<results>/figures/body_composition.csv",
    log:
        "<logs>/figures/draw_body_composition.log",
    benchmark:
        "<benchmarks>/figures/draw_body_composition.tsv"
    resources:
        mem_mb=growing(1000, per_scan=0.05),
        runtime=growing(10),
    params:
        participants=PARTICIPANTS,
        dpi=lookup("figures/dpi", within=config),
        code=code_digest(
            "measure/composition/picture.py",
            "report/figures_composition.py",
            "report/figures_measure.py",
            "report/palette.py",
            "report/style.py",
            "report/tables.py",
            "results.py",
            "sessions.py",
        ),
    message:
        "Drawing body composition"
    script:
        "../scripts/draw_body_composition.py"
