# What people judge segmentations by, and the way back for what they correct.


rule draw_qc:
    input:
        ct="<results>/participants/{participant}/ct.nii.gz",
        vertebrae="<results>/participants/{participant}/vertebrae.nii.gz",
        bodies="<results>/participants/{participant}/bodies.nii.gz",
        segmentation="<results>/participants/{participant}/segmentation.json",
    output:
        picture=report(
            "<results>/participants/{participant}/qc.png",
            category="Segmentation QC",
            labels={"participant": "{participant}"},
            caption="captions/qc.rst",
        ),
    log:
        "<logs>/participants/{participant}/draw_qc.log",
    benchmark:
        "<benchmarks>/participants/{participant}/draw_qc.tsv"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        levels=config["measure"]["levels"],
        density=config["measure"]["density"],
        code=code_digest(
            "images.py",
            "measure/frame.py",
            "measure/density.py",
            "measure/scan.py",
            "report/palette.py",
            "report/qc.py",
            "report/qc_page.py",
        ),
    message:
        "Drawing the segmentation of {wildcards.participant}"
    script:
        "../scripts/draw_qc.py"


# Not part of `all`: `snakemake results/<cohort>/editing/<participant_id>` asks for one.
rule export_for_editing:
    input:
        ct="<results>/participants/{participant}/ct.nii.gz",
        vertebrae="<results>/participants/{participant}/vertebrae.nii.gz",
        bodies="<results>/participants/{participant}/bodies.nii.gz",
    output:
        folder=directory("<results>/editing/{participant}"),
    log:
        "<logs>/participants/{participant}/export_for_editing.log",
    benchmark:
        "<benchmarks>/participants/{participant}/export_for_editing.tsv"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        corrections=CORRECTIONS_FOLDER,
        code=code_digest("segment/editing.py", "report/palette.py"),
    message:
        "Copying the masks of {wildcards.participant} for editing"
    script:
        "../scripts/export_for_editing.py"
