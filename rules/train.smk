# A network like the one that ships in resources/embedded_model. Not part of `all`: an hour on two
# CPU cores. `make train` runs this; copying the result to resources/embedded_model is left to you.


rule train_embedded_model:
    output:
        model=directory("training/embedded_model"),
    log:
        "training/logs/train_embedded_model.log",
    benchmark:
        "training/benchmarks/train_embedded_model.tsv"
    threads: 8
    resources:
        mem_mb=growing(12000),
        runtime=growing(600),
        gpu=0 if config["segment"]["device"] == "cpu" else 1,
    params:
        settings=config["train"],
        device=config["segment"]["device"],
    message:
        "Training the embedded segmentation network on synthetic scans"
    script:
        "../scripts/train_embedded_model.py"
