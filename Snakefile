# Bonecast: fracture forecasting from opportunistic CT. This page is the table of contents.
import os

from snakemake.utils import min_version

min_version("9.25")

# This file's folder, also where Bonecast is run with --directory or as a module.
WORKFLOW_FOLDER = workflow.current_basedir.get_path_or_uri(secret_free=True)
# The same as seen from the working directory: goes into params, so it must not name a machine.
WORKFLOW_HOME = os.path.relpath(WORKFLOW_FOLDER)


configfile: os.path.join(WORKFLOW_FOLDER, "config.yaml")


# Built from envs/bonecast.def; used only with `--software-deployment-method apptainer`.
container: os.path.join(WORKFLOW_FOLDER, "envs", "bonecast.sif")


include: "rules/common.smk"
include: "rules/common_cluster.smk"
include: "rules/common_segment.smk"
include: "rules/common_measure.smk"
include: "rules/common_model.smk"
include: "rules/common_figures.smk"
include: "rules/common_provenance.smk"


pathvars:
    results=f"results/{config['cohort']['name']}",
    logs=f"results/{config['cohort']['name']}/logs",
    benchmarks=f"results/{config['cohort']['name']}/benchmarks",


# What reads scans, masks or the clinical table.
if not IS_FROZEN:

    include: "rules/demo.smk"
    include: "rules/export.smk"
    include: "rules/ingest.smk"
    include: "rules/deidentify.smk"
    include: "rules/segment.smk"
    include: "rules/qc.smk"
    include: "rules/measure.smk"
    include: "rules/robustness.smk"
    include: "rules/collect.smk"
    include: "rules/figures_pictures.smk"
    include: "rules/admit.smk"
    include: "rules/predict.smk"
    include: "rules/provenance.smk"


include: "rules/model.smk"
include: "rules/publication.smk"
include: "rules/figures.smk"
include: "rules/figures_model.smk"
include: "rules/report.smk"
include: "rules/train.smk"


onstart:
    mark_planned()


onerror:
    tell_failures(log)


localrules:
    all,
    segmentations,
    features,
    models,
    predict,
    figures,
    report,
    archive,
    robustness,
    deidentified,


rule segmentations:
    input:
        # The other masks are made with the first, and the picture of all.
        everyones("vertebrae.nii.gz", "qc.png") if not IS_FROZEN else [],


rule features:
    input:
        collect("<results>/tables/{table}", table=[] if IS_TABULAR else TABLES),


rule models:
    input:
        collect(
            "<results>/models/{endpoint}/{file}",
            endpoint=ENDPOINTS if HAS_MODELS else [],
            file=["predictions.parquet", "metrics.tsv", "model.json", "coefficients.tsv"],
        ),


rule predict:
    input:
        collect("<results>/predicted/{endpoint}.tsv", endpoint=predicted_endpoints()),


rule figures:
    input:
        collect(
            "<results>/figures/{figure}.{extension}",
            figure=FIGURES,
            extension=["pdf", "svg", "png", "csv"],
        ),
        collect(
            "<results>/models/{endpoint}/publication/{file}",
            endpoint=ENDPOINTS if HAS_MODELS else [],
            file=PUBLICATION_FILES,
        ),


rule report:
    input:
        [] if PREDICTS_ONLY else ["<results>/report.html", "<results>/summary.txt"],


# Not part of `all`: the study in two files, to be run again in years.
rule archive:
    input:
        collect(
            "<results>/archive/{cohort}_{patients}_patients.tar.gz",
            cohort=config["cohort"]["name"],
            patients=["with", "without"],
        ),


# Not part of `all`: twenty scans, each measured eleven times.
rule robustness:
    input:
        "<results>/tables/radiomics_robustness.tsv",


# Not part of `all`: the chosen series again, to be given to others.
rule deidentified:
    input:
        collect("<results>/deidentified/{participant}", participant=PARTICIPANTS),


rule all:
    default_target: True
    input:
        rules.segmentations.input,
        rules.features.input,
        rules.models.input,
        rules.predict.input,
        rules.figures.input,
        rules.report.input,
        [] if IS_FROZEN else "<results>/provenance.json",
