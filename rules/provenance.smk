# What results came from, with checksums to compare a rerun by.


rule write_provenance:
    input:
        results=RESULTS_TOLD,
        # Made by the demo's own rule; other tables of the input are told by their digests below.
        clinical=config["cohort"]["clinical"] if IS_DEMO and HAS_CLINICAL else [],
    output:
        "<results>/provenance.json",
    log:
        "<logs>/write_provenance.log",
    benchmark:
        "<benchmarks>/write_provenance.tsv"
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        cohort=config["cohort"]["name"],
        config=without_paths(config),
        scans=PARTICIPANTS,
        inputs=lambda wildcards: input_states(),
        corrections={name: found.digests() for name, found in CORRECTIONS.items()},
        code=code_digest("provenance", "versions.py"),
    message:
        "Recording where the results come from"
    script:
        "../scripts/write_provenance.py"
