# From a PACS export to participants.tsv. No outputs: what this writes identifies patients and lies
# in export.private, where Snakemake must neither record nor delete it. So it runs whenever it is
# asked for; a benchmark would count as an output.


rule participants:
    log:
        "<logs>/participants.log",
    # On a cluster too: its folder is for one user's eyes, and the export may be mounted here only.
    localrule: True
    threads: config["export"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        settings={key: value for key, value in config["export"].items() if key != "threads"},
        code=code_digest(
            "cohort.py",
            "dicom/contrast_words.py",
            "dicom/elements.py",
            "dicom/export",
            "dicom/geometry.py",
            "dicom/grouping.py",
            "dicom/headers.py",
            "dicom/index.py",
            "dicom/listing.py",
            "dicom/nifti.py",
            "dicom/patients.py",
            "dicom/scan.py",
            "dicom/vocabulary.py",
            "sessions.py",
        ),
    message:
        "Making participants.tsv from the export"
    script:
        "../scripts/participants.py"
