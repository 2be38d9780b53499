# From a scan to named vertebrae. The network runs over a batch of scans in one process and
# leaves its classes in a cache; naming, corrections and pictures are per participant, on CPU.


rule fetch_weights:
    output:
        "<results>/segmentation/weights.json",
    log:
        "<logs>/segmentation/fetch_weights.log",
    benchmark:
        "<benchmarks>/segmentation/fetch_weights.tsv"
    localrule: True
    resources:
        mem_mb=growing(2000),
        runtime=growing(120),
    params:
        weights_dir=config["segment"]["weights_dir"],
        options=config["segment"]["totalsegmentator"],
        code=code_digest("segment/totalsegmentator_weights.py", "segment/model_folder.py"),
    message:
        "Fetching the weights of TotalSegmentator, where they are not there yet"
    script:
        "../scripts/fetch_weights.py"


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
        mem_mb=SEGMENTATION_MB,
        runtime=growing(60 + 3 * config["segment"]["batch_size"]),
        gpu=0 if config["segment"]["device"] == "cpu" else 1,
    params:
        participants=lambda wildcards: BATCHES[wildcards.batch],
        settings=engine_settings(),
        code=code_digest(
            "segment/backends.py",
            "segment/batch.py",
            "segment/device.py",
            "segment/grid.py",
            "segment/model_folder.py",
            "segment/nnunet.py",
            "segment/pipeline.py",
            "segment/raw.py",
            "segment/totalsegmentator.py",
            "segment/totalsegmentator_weights.py",
            "segment/worker.py",
        ),
    message:
        f"Segmenting batch {{wildcards.batch}} of {len(BATCHES)}"
    script:
        "../scripts/segment_batch.py"


rule label_vertebrae:
    input:
        batch=[] if HAS_MASKS else batch_of_scan,
        labels=mask_labels_input() if HAS_MASKS else [],
        correction=correction_input("mask"),
        corrected_bodies=correction_input("bodies"),
        tissue_labels=tissue_labels_input(),
        ct=SCAN_OF_MASKS,
        facts="<results>/participants/{participant}/ct.json",
    output:
        vertebrae="<results>/participants/{participant}/vertebrae.nii.gz",
        bodies="<results>/participants/{participant}/bodies.nii.gz",
        tissue="<results>/participants/{participant}/tissue.nii.gz",
        about="<results>/participants/{participant}/segmentation.json",
    log:
        "<logs>/participants/{participant}/label_vertebrae.log",
    benchmark:
        "<benchmarks>/participants/{participant}/label_vertebrae.tsv"
    group:
        with_batch("scan")
    resources:
        # A thousand slices of 512 x 512 take 4 GB, four hundred 1.4 GB.
        mem_mb=growing(5000),
        runtime=growing(15),
    params:
        backend=config["segment"]["backend"],
        model=located(config["segment"]["model"]),
        mask_labels=config["segment"]["mask_labels"],
        tissue_labels=config["segment"]["tissue_labels"],
        count_from=config["segment"]["count_from"],
        told=told_of_masks,
        code=code_digest(
            "corrections.py",
            "segment/corrections.py",
            "segment/label.py",
            "segment/instances.py",
            "segment/spine.py",
            "segment/naming.py",
            "segment/sequence.py",
            "segment/organs.py",
            "segment/review.py",
            "level_states.py",
            "segment/bodies.py",
            "segment/labelmaps.py",
            "segment/supplied.py",
            "segment/tissues.py",
            "segment/totalsegmentator_labels.py",
            "measure/frame.py",
            "images.py",
        ),
    message:
        "Naming the vertebrae of {wildcards.participant}"
    script:
        "../scripts/label_vertebrae.py"
