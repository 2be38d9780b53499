# Figures of measurements that are drawn from tables.


rule draw_flow_diagram:
    input:
        scans="<results>/tables/scans.parquet" if not IS_TABULAR else [],
        exclusions="<results>/tables/exclusions.tsv" if not IS_TABULAR else [],
        ledger="<results>/tables/ledger.tsv" if not IS_TABULAR else [],
        analysis_set=ANALYSIS_SET,
        model_exclusions=MODEL_EXCLUSIONS,
    output:
        pdf="<results>/figures/flow_diagram.pdf",
        svg="<results>/figures/flow_diagram.svg",
        png=report(
            "<results>/figures/flow_diagram.png",
            caption="captions/flow_diagram.rst",
            category="Cohort",
            labels={"figure": "flow diagram"},
        ),
        csv="<results>/figures/flow_diagram.csv",
    log:
        "<logs>/figures/draw_flow_diagram.log",
    benchmark:
        "<benchmarks>/figures/draw_flow_diagram.tsv"
    resources:
        mem_mb=growing(1000, per_scan=0.05),
        runtime=growing(10),
    params:
        dpi=lookup("figures/dpi", within=config),
        code=code_digest(
            "report/figures_flow.py",
            "report/palette.py",
            "report/style.py",
            "report/tables.py",
            "reasons.py",
            "sessions.py",
        ),
    message:
        "Drawing the flow diagram"
    script:
        "../scripts/draw_flow_diagram.py"


rule draw_deformities_by_level:
    input:
        vertebrae="<results>/tables/vertebrae.parquet",
    output:
        pdf="<results>/figures/deformities_by_level.pdf",
        svg="<results>/figures/deformities_by_level.svg",
        png=report(
            "<results>/figures/deformities_by_level.png",
            caption="captions/deformities_by_level.rst",
            category="Measurements",
            labels={"figure": "deformities by level"},
        ),
        csv="<results>/figures/deformities_by_level.csv",
    log:
        "<logs>/figures/draw_deformities_by_level.log",
    benchmark:
        "<benchmarks>/figures/draw_deformities_by_level.tsv"
    resources:
        mem_mb=growing(1000, per_scan=0.05),
        runtime=growing(10),
    params:
        dpi=lookup("figures/dpi", within=config),
        code=code_digest(
            "report/figures_shape.py",
            "report/palette.py",
            "report/style.py",
            "sessions.py",
        ),
    message:
        "Drawing vertebral deformities by level"
    script:
        "../scripts/draw_deformities_by_level.py"


rule draw_hu_by_level_and_age:
    input:
        vertebrae="<results>/tables/vertebrae.parquet",
        scans="<results>/tables/scans.parquet",
        analysis_set=ANALYSIS_SET,
    output:
        pdf="<results>/figures/hu_by_level_and_age.pdf",
        svg="<results>/figures/hu_by_level_and_age.svg",
        png=report(
            "<results>/figures/hu_by_level_and_age.png",
            caption="captions/hu_by_level_and_age.rst",
            category="Measurements",
            labels={"figure": "attenuation by level and age"},
        ),
        csv="<results>/figures/hu_by_level_and_age.csv",
    log:
        "<logs>/figures/draw_hu_by_level_and_age.log",
    benchmark:
        "<benchmarks>/figures/draw_hu_by_level_and_age.tsv"
    resources:
        mem_mb=growing(1000, per_scan=0.05),
        runtime=growing(10),
    params:
        roi=lookup("measure/density/rois/0", within=config),
        levels=lookup("measure/summary_levels", within=config),
        dpi=lookup("figures/dpi", within=config),
        code=code_digest(
            "report/figures_measure.py",
            "report/palette.py",
            "report/style.py",
            "report/tables.py",
            "sessions.py",
        ),
    message:
        "Drawing attenuation by level and age"
    script:
        "../scripts/draw_hu_by_level_and_age.py"


rule draw_roi_agreement:
    input:
        vertebrae="<results>/tables/vertebrae.parquet",
    output:
        pdf="<results>/figures/roi_agreement.pdf",
        svg="<results>/figures/roi_agreement.svg",
        png=report(
            "<results>/figures/roi_agreement.png",
            caption="captions/roi_agreement.rst",
            category="Measurements",
            labels={"figure": "agreement of regions"},
        ),
        csv="<results>/figures/roi_agreement.csv",
    log:
        "<logs>/figures/draw_roi_agreement.log",
    benchmark:
        "<benchmarks>/figures/draw_roi_agreement.tsv"
    resources:
        mem_mb=growing(1000, per_scan=0.05),
        runtime=growing(10),
    params:
        rois=lookup("measure/density/rois", within=config),
        seed=lookup("model/seed", within=config),
        dpi=lookup("figures/dpi", within=config),
        code=code_digest(
            "measure/agreement.py",
            "report/figures_density.py",
            "report/palette.py",
            "report/style.py",
            "report/tables.py",
            "sessions.py",
        ),
    message:
        "Drawing the agreement of regions"
    script:
        "../scripts/draw_roi_agreement.py"


rule draw_vbmd_by_age:
    input:
        scans="<results>/tables/scans.parquet",
        analysis_set=ANALYSIS_SET,
    output:
        pdf="<results>/figures/vbmd_by_age.pdf",
        svg="<results>/figures/vbmd_by_age.svg",
        png=report(
            "<results>/figures/vbmd_by_age.png",
            caption="captions/vbmd_by_age.rst",
            category="Measurements",
            labels={"figure": "density by age"},
        ),
        csv="<results>/figures/vbmd_by_age.csv",
    log:
        "<logs>/figures/draw_vbmd_by_age.log",
    benchmark:
        "<benchmarks>/figures/draw_vbmd_by_age.tsv"
    resources:
        mem_mb=growing(1000, per_scan=0.05),
        runtime=growing(10),
    params:
        dpi=lookup("figures/dpi", within=config),
        code=code_digest(
            "measure/calibration/vbmd.py",
            "report/figures_measure.py",
            "report/figures_vbmd.py",
            "report/palette.py",
            "report/style.py",
            "report/tables.py",
            "sessions.py",
        ),
    message:
        "Drawing density by age"
    script:
        "../scripts/draw_vbmd_by_age.py"
