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
        mem_mb=growing(1000, per_scan=0.02),
        runtime=growing(20, per_scan=0.003),
    params:
        config=without_paths(config),
        scans=PARTICIPANTS,
        inputs=lambda wildcards: input_states(),
        corrections=lambda wildcards: {name: found.digests() for name, found in CORRECTIONS.items()},
        code=code_digest("provenance", "versions.py"),
    message:
        "Recording where the results come from"
    script:
        "../scripts/write_provenance.py"


# Not part of `all`. Its workflow is that of this folder, which must still be that of the results.
rule write_archive:
    input:
        provenance="<results>/provenance.json",
        report=archived_report,
        figures=expand(
            "<results>/figures/{figure}.{extension}",
            figure=FIGURES,
            extension=["pdf", "svg", "png"],
        ),
    output:
        with_patients=f"<results>/archive/{config['cohort']['name']}_with_patients.tar.gz",
        without_patients=f"<results>/archive/{config['cohort']['name']}_without_patients.tar.gz",
    log:
        "<logs>/write_archive.log",
    benchmark:
        "<benchmarks>/write_archive.tsv"
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        config=without_paths(config),
        models=external_models(),
        code=code_digest("provenance", "versions.py"),
    message:
        "Packing the study for later"
    script:
        "../scripts/write_archive.py"
