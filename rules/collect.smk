rule collect_measurements:
    input:
        # Every file that is read, not one of each job: what was made again with the same content
        # does not count, and which of a job's files has other content is not known before.
        ct=everyones("ct.json"),
        segmentation=everyones("segmentation.json"),
        density=everyones("density.tsv"),
        morphometry=everyones("morphometry.tsv"),
        strength=everyones("strength.tsv"),
        calibration=everyones("calibration.json"),
        composition=everyones("composition.tsv"),
        radiomics=everyones("radiomics.tsv") if HAS_RADIOMICS else [],
    output:
        vertebrae="<results>/tables/vertebrae.parquet",
        scans="<results>/tables/scans.parquet",
        text=["<results>/tables/vertebrae.tsv", "<results>/tables/scans.tsv"],
        exclusions=report(
            "<results>/tables/exclusions.tsv",
            caption="captions/exclusions.rst",
            category="Tables",
            labels={"table": "exclusions"},
        ),
        dictionary=report(
            "<results>/tables/data_dictionary.csv",
            caption="captions/data_dictionary.rst",
            category="Tables",
            labels={"table": "data dictionary"},
        ),
        sensitivity="<results>/tables/level_sensitivity.tsv",
    log:
        "<logs>/collect_measurements.log",
    benchmark:
        "<benchmarks>/collect_measurements.tsv"
    resources:
        # Eight small files a scan: 6 ms of CPU, and as many waits for a network drive.
        mem_mb=growing(1000, per_scan=0.02),
        runtime=growing(10, per_scan=0.01),
    params:
        participants=participants_table,
        settings={
            "rois": config["measure"]["density"]["rois"],
            "summary_levels": config["measure"]["summary_levels"],
            "min_levels": config["measure"]["min_levels"],
            "level_shift": config["measure"]["level_shift"],
            "level_shift_scans": config["measure"]["level_shift_scans"],
        },
        code=code_digest("measure", "levels.py", "level_states.py", "phases.py", "sessions.py"),
    message:
        "Collecting the measurements of every participant"
    script:
        "../scripts/collect_measurements.py"


rule write_ledger:
    input:
        series=everyones("series.tsv"),
        scans="<results>/tables/scans.parquet",
        exclusions="<results>/tables/exclusions.tsv",
        vertebrae="<results>/tables/vertebrae.parquet",
    output:
        ledger=report(
            "<results>/tables/ledger.tsv",
            caption="captions/ledger.rst",
            category="Tables",
            labels={"table": "ledger"},
        ),
        series="<results>/tables/series.tsv",
    log:
        "<logs>/write_ledger.log",
    benchmark:
        "<benchmarks>/write_ledger.tsv"
    resources:
        mem_mb=growing(500, per_scan=0.03),
        runtime=growing(10, per_scan=0.003),
    params:
        roi=config["measure"]["density"]["rois"][0],
        code=code_digest(
            "measure/columns.py",
            "measure/ledger.py",
            "measure/ledger_columns.py",
            "measure/tables.py",
            "dicom/listing.py",
            "levels.py",
            "reasons.py",
            "remedies.py",
            "sessions.py",
        ),
    message:
        "Accounting for every file, series and scan"
    script:
        "../scripts/write_ledger.py"
