# From masks to numbers: one table per participant and family, and the picture by which a person
# judges the masks. The scan is read and cropped once.

# Where numba keeps compiled kernels, for all cohorts; NUMBA_CACHE_DIR overrides it.
RADIOMICS_CACHE = "results/.kernels"


# Only with a table of scanners. Scanner and day of a scan are compared here and written nowhere.
rule match_calibration:
    input:
        source=SOURCE_MADE_HERE,
        series="<results>/participants/{participant}/series.tsv",
        table=calibration_table_input(),
    output:
        row="<results>/participants/{participant}/calibration_row.json",
    log:
        "<logs>/participants/{participant}/match_calibration.log",
    benchmark:
        "<benchmarks>/participants/{participant}/match_calibration.tsv"
    group:
        with_batch("ingest")
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        source=source_state,
        standard=config["measure"]["calibration"]["standard"],
        drift_limit_hu_per_year=config["measure"]["calibration"]["drift_limit_hu_per_year"],
        row=lambda wildcards: participant_row(wildcards).calibration,
        code=code_digest(
            "cohort.py",
            "dicom",
            "measure/calibration/match.py",
            "measure/calibration/tables.py",
            "phases.py",
        ),
    message:
        "Finding the calibration of {wildcards.participant}"
    script:
        "../scripts/match_calibration.py"


rule measure_scan:
    input:
        ct=SCAN_OF_MASKS,
        vertebrae="<results>/participants/{participant}/vertebrae.nii.gz",
        bodies="<results>/participants/{participant}/bodies.nii.gz",
        tissue="<results>/participants/{participant}/tissue.nii.gz",
        segmentation="<results>/participants/{participant}/segmentation.json",
        facts="<results>/participants/{participant}/ct.json",
        calibration_row=(
            "<results>/participants/{participant}/calibration_row.json"
            if CALIBRATION_METHOD == "table"
            else []
        ),
        # Read by the library itself: named so that a correction of it is not missed.
        attenuation=ATTENUATION_TABLE if CALIBRATION_METHOD == "internal" else [],
        compiled="<results>/cache/radiomics.json" if HAS_RADIOMICS else [],
    output:
        density="<results>/participants/{participant}/density.tsv",
        morphometry="<results>/participants/{participant}/morphometry.tsv",
        strength="<results>/participants/{participant}/strength.tsv",
        composition="<results>/participants/{participant}/composition.tsv",
        slice="<results>/participants/{participant}/composition.png",
        calibration="<results>/participants/{participant}/calibration.json",
        radiomics="<results>/participants/{participant}/radiomics.tsv" if HAS_RADIOMICS else [],
        picture=report(
            "<results>/participants/{participant}/qc.png",
            category="Segmentation QC",
            labels={"participant": "{participant}"},
            caption="captions/qc.rst",
        ),
    log:
        "<logs>/participants/{participant}/measure_scan.log",
    benchmark:
        "<benchmarks>/participants/{participant}/measure_scan.tsv"
    group:
        with_batch("scan")
    resources:
        # A thousand slices of 512 x 512 with masks of tissue take 1.7 GB.
        mem_mb=growing(2500),
        runtime=growing(10),
    params:
        levels=config["measure"]["levels"],
        density=config["measure"]["density"],
        known=known_of,
        calibration=calibration_settings(),
        contrast_correction=config["measure"]["contrast"]["correction"],
        strength_law=config["measure"]["strength"]["law"],
        radiomics=RADIOMICS if HAS_RADIOMICS else None,
        cache=RADIOMICS_CACHE,
        code=code_digest(
            "images.py",
            "measure/acquisition.py",
            "measure/bodies.py",
            "measure/calibration",
            "measure/columns.py",
            "measure/composition",
            "measure/contrast.py",
            "measure/contrast_model.py",
            "measure/density.py",
            "measure/enhancement.py",
            "measure/frame.py",
            "measure/inclusion.py",
            "measure/morphometry",
            "measure/plates.py",
            "measure/radiomics/features.py",
            "measure/radiomics/filters.py",
            "measure/radiomics/grid.py",
            "measure/radiomics/measure.py",
            "measure/radiomics/names.py",
            "measure/radiomics/settings.py",
            "measure/scan.py",
            "measure/strength.py",
            "measure/tables.py",
            "phases.py",
            "report/qc.py",
            "report/qc_page.py",
            "segment/tissues.py",
        ),
    message:
        "Measuring the vertebrae of {wildcards.participant}"
    script:
        "../scripts/measure_scan.py"


rule compile_radiomics:
    output:
        "<results>/cache/radiomics.json",
    log:
        "<logs>/compile_radiomics.log",
    benchmark:
        "<benchmarks>/compile_radiomics.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(15),
    params:
        radiomics=RADIOMICS,
        cache=RADIOMICS_CACHE,
    message:
        "Compiling the radiomics kernels (once per machine)"
    script:
        "../scripts/compile_radiomics.py"
