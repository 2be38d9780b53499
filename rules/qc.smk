# What people judge segmentations by, and the way back for what they correct.


# Not part of `all`: `snakemake results/<cohort>/editing/<participant_id>` asks for one.
rule export_for_editing:
    input:
        ct=SCAN_AGAIN,
        vertebrae="<results>/participants/{participant}/vertebrae.nii.gz",
        bodies="<results>/participants/{participant}/bodies.nii.gz",
    output:
        folder=directory("<results>/editing/{participant}"),
    log:
        "<logs>/participants/{participant}/export_for_editing.log",
    benchmark:
        "<benchmarks>/participants/{participant}/export_for_editing.tsv"
    group:
        with_batch("editing")
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        corrections=CORRECTIONS_FOLDER,
        code=code_digest("segment/editing.py", "report/palette.py"),
    message:
        "Copying the masks of {wildcards.participant} for editing"
    script:
        "../scripts/export_for_editing.py"


rule find_segmentation_outliers:
    input:
        # Made of the ct.json and segmentation.json of every scan, which are read once more.
        vertebrae="<results>/tables/vertebrae.parquet",
    output:
        outliers=report(
            "<results>/tables/segmentation_outliers.tsv",
            caption="captions/segmentation_outliers.rst",
            category="Segmentation QC",
            labels={"table": "outliers"},
        ),
        reference="<results>/tables/segmentation_reference.tsv",
    log:
        "<logs>/find_segmentation_outliers.log",
    benchmark:
        "<benchmarks>/find_segmentation_outliers.tsv"
    resources:
        # Two small files of every scan are read.
        mem_mb=growing(1000, per_scan=0.05),
        runtime=growing(10, per_scan=0.003),
    params:
        participants=participants_table,
        roi=lookup("measure/density/rois/0", within=config),
        code=code_digest(
            "measure/outliers.py",
            "measure/tables.py",
            "levels.py",
            "results.py",
            "sessions.py",
        ),
    message:
        "Comparing every vertebra with the cohort"
    script:
        "../scripts/find_segmentation_outliers.py"


rule draw_contact_sheet:
    input:
        # Made of segmentation.json, which is read too.
        pictures=everyones("qc.png"),
        outliers="<results>/tables/segmentation_outliers.tsv",
    output:
        pdf="<results>/figures/contact_sheet.pdf",
        svg="<results>/figures/contact_sheet.svg",
        png=report(
            "<results>/figures/contact_sheet.png",
            caption="captions/contact_sheet.rst",
            category="Segmentation QC",
            labels={"figure": "contact sheet, first page"},
        ),
        csv="<results>/figures/contact_sheet.csv",
    log:
        "<logs>/figures/draw_contact_sheet.log",
    benchmark:
        "<benchmarks>/figures/draw_contact_sheet.tsv"
    resources:
        # Each page takes half a second; there are 100 at most.
        mem_mb=growing(1000, per_scan=0.01),
        runtime=growing(20, per_scan=0.002),
    params:
        participants=PARTICIPANTS,
        code=code_digest(
            "report/contact_sheet.py",
            "report/palette.py",
            "report/qc_page.py",
            "results.py",
            "sessions.py",
        ),
    message:
        "Drawing the contact sheet"
    script:
        "../scripts/draw_contact_sheet.py"
