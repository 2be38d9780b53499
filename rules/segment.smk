# From a scan to named vertebrae. The network runs over a batch of scans in one process and
# leaves its classes in a cache; naming, corrections and pictures are per participant, on CPU.


rule segment_batch:
    input:
        scans=batch_scans,
        model=model_files,
    output:
        "<results>/segmentation/batch_{batch}.tsv",
    log:
        "<logs>/segmentation/segment_batch_{batch}.log",
    benchmark:
        "<benchmarks>/segmentation/segment_batch_{batch}.tsv"
    threads: config["segment"]["threads"]
    resources:
        mem_mb=6000,
        runtime=120,
        gpu=0 if config["segment"]["device"] == "cpu" else 1,
    params:
        participants=lambda wildcards: BATCHES[wildcards.batch],
        device=config["segment"]["device"],
        code=code_digest("segment/batch.py", "segment/nnunet.py", "segment/grid.py"),
    message:
        f"Segmenting batch {{wildcards.batch}} of {len(BATCHES)}"
    script:
        "../scripts/segment_batch.py"


rule label_vertebrae:
    input:
        unpack(segmentation_input),
        unpack(correction_input),
        ct="<results>/participants/{participant}/ct.nii.gz",
        facts="<results>/participants/{participant}/ct.json",
    output:
        vertebrae="<results>/participants/{participant}/vertebrae.nii.gz",
        bodies="<results>/participants/{participant}/bodies.nii.gz",
        about="<results>/participants/{participant}/segmentation.json",
    log:
        "<logs>/participants/{participant}/label_vertebrae.log",
    benchmark:
        "<benchmarks>/participants/{participant}/label_vertebrae.tsv"
    resources:
        mem_mb=3000,
        runtime=15,
    params:
        backend=config["segment"]["backend"],
        model=located(config["segment"]["model"]),
        mask_labels=config["segment"]["mask_labels"],
        correction=lambda wildcards: correction_of(wildcards).digests(),
        code=code_digest(
            "corrections.py",
            "segment/corrections.py",
            "segment/label.py",
            "segment/instances.py",
            "segment/bodies.py",
            "segment/labelmaps.py",
            "measure/frame.py",
            "images.py",
        ),
    message:
        "Naming the vertebrae of {wildcards.participant}"
    script:
        "../scripts/label_vertebrae.py"
