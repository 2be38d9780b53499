# What the stages share: the checked configuration, the cohort, input functions.
# No rules here; the work behind these few lines is in scripts/bonecast/cohort.py.
import gc
import os
import sys
from functools import cache

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

sys.path.insert(0, os.path.join(WORKFLOW_FOLDER, "scripts"))

from bonecast.cohort import (
    CohortError,
    PARTICIPANT_PATTERN,
    batches,
    locate,
    read_cohort,
)
from bonecast.corrections import Correction, find_corrections
from bonecast.digest import code_digest
from bonecast.dicom.export import private_folder
from bonecast.frozen import forget_input, frozen_cohort
from bonecast.inputs import check_scans, cohort_secret, input_state, secret_state
from bonecast.model.config_checks import model_problems

# What Snakemake makes of a large cohort lives to the end: as Python sets its collector of garbage,
# it looks through all of it again and again, a seventh of the time that planning takes.
gc.set_threshold(50_000, 20, 20)

validate(config, "schemas/config.schema.yaml")

# Nothing is measured: tables and analysis sets are taken as they are.
IS_FROZEN = config["cohort"]["frozen"]
if IS_FROZEN:
    forget_input(config)

DEMO_COHORT = {
    "name": "demo",
    "input": "demo/dicom",
    "participants": "resources/demo/participants.tsv",
    "clinical": "demo/clinical.csv",
    "calibration": "resources/demo/calibration.tsv",
}

# The target that makes the table of participants needs none. Snakemake knows the targets only
# after this file is read; the command line of a job of its own names the rule as well.
MAKES_PARTICIPANTS = any(word.partition(":")[0] == "participants" for word in sys.argv)

# An export is the cohort, unless a cohort of its own is named beside it.
HAS_EXPORT = config["export"]["input"] is not None
EXPORT_FOLDER = private_folder(**{k: config["export"][k] for k in ("input", "private")})
if HAS_EXPORT and config["cohort"]["input"] == DEMO_COHORT["input"]:
    config["cohort"]["input"] = EXPORT_FOLDER
    if config["cohort"]["participants"] in (None, DEMO_COHORT["participants"]):
        config["cohort"]["participants"] = os.path.join(EXPORT_FOLDER, "participants.tsv")
    if config["cohort"]["secret"] is None:
        config["cohort"]["secret"] = os.path.join(EXPORT_FOLDER, "secret")

# The demo's scans are made by rules, so they need not exist when the DAG is built.
IS_DEMO = config["cohort"]["input"] == DEMO_COHORT["input"]

# Modelling alone, on a table the user already has: no images, no participants.
# So is a saved model and a table of new patients, with nothing to learn from.
PREDICTS_ONLY = (
    IS_DEMO
    and config["model"]["table"] is None
    and all(config["predict"][key] for key in ("model", "table"))
)
IS_TABULAR = config["model"]["table"] is not None or PREDICTS_ONLY or MAKES_PARTICIPANTS

# A cohort that names its own input inherits nothing of the demo from config.yaml.
if not IS_DEMO:
    for key in ("participants", "clinical", "calibration"):
        if config["cohort"][key] == DEMO_COHORT[key]:
            config["cohort"][key] = None
if config["cohort"]["name"] == DEMO_COHORT["name"] and (IS_TABULAR or not IS_DEMO):
    raise WorkflowError(
        "cohort.name is still 'demo': give your cohort a name of its own, "
        "so that its results do not mix with the demo's."
    )


def growing(base, per_thread=0, per_scan=0):
    """A resource (MB or minutes) that grows with each attempt: a cluster kills what takes more.

    `per_scan` is for jobs that take the whole cohort: docs/collecting.md says what was measured.
    """

    def amount(wildcards, threads, attempt):
        return int(base + per_thread * threads + per_scan * len(PARTICIPANTS)) * attempt

    return amount


# Whether CTs stay on the disk after the last job that reads them.
KEEPS_SCANS = config["disk"]["keep"] == "all"


def passing(path):
    """An output that goes away when no job of the run needs it any more, if disk.keep says so."""
    return path if KEEPS_SCANS else temp(path)


def made_by_demo(path):
    """Whether a rule of the demo makes this file or folder."""
    return IS_DEMO and (
        path.startswith(f"{DEMO_COHORT['input']}/") or path == DEMO_COHORT["clinical"]
    )


def located(path):
    """A path from the working directory or, where not there, from the workflow's own folder."""
    # The demo is made in the working directory, though another may lie in the workflow's folder.
    return path if not path or made_by_demo(path) else locate(path, [WORKFLOW_HOME])


def participants_of_cohort():
    """The cohort's scans; stops with every problem of the table at once."""
    cohort = config["cohort"]
    if IS_FROZEN:
        try:
            return frozen_cohort(f"results/{cohort['name']}", IS_TABULAR)
        except CohortError as error:
            raise WorkflowError(str(error)) from None
    if IS_TABULAR:
        return []
    if HAS_EXPORT and not os.path.exists(cohort["participants"] or cohort["input"]):
        raise WorkflowError(
            f"cohort.participants: {cohort['participants']} is not there yet. "
            "`snakemake participants --configfile ...` makes it from export.input."
        )
    try:
        return read_cohort(
            cohort["input"], located(cohort["participants"]), WORKFLOW_HOME, cohort["baseline"]
        )
    except CohortError as error:
        raise WorkflowError(str(error)) from None


def has_outcome():
    """Whether the clinical table has an outcome to model: patients who are predicted may not."""
    path = located(config["cohort"]["clinical"])
    if not config["predict"]["model"] or not os.path.exists(path):
        return True
    with open(path, encoding="utf-8-sig", errors="replace") as table:
        separator = "\t" if path.endswith(".tsv") else ","
        header = {name.strip().strip('"') for name in table.readline().split(separator)}
    outcomes = ("time", "event", "osteoporosis", "dxa_t_score", "bmd")
    return not header.isdisjoint(config["model"]["columns"][name] for name in outcomes)


# By scan, which is what the wildcard `participant` names: one of a participant may be one of several.
COHORT = {participant.scan_id: participant for participant in participants_of_cohort()}
PARTICIPANTS = list(COHORT)
SITES = sorted({participant.site for participant in COHORT.values()} - {""})
HAS_CLINICAL = config["cohort"]["clinical"] is not None and not IS_TABULAR
HAS_MODELS = (HAS_CLINICAL and has_outcome()) or config["model"]["table"] is not None
if IS_FROZEN:
    HAS_MODELS = os.path.isdir(f"results/{config['cohort']['name']}/models")
BATCHES = batches(PARTICIPANTS, config["segment"]["batch_size"])
BATCH_OF = {participant: batch for batch, members in BATCHES.items() for participant in members}
ENDPOINTS = config["model"]["endpoints"]
# What is told of a cohort as a whole, such as the flow diagram, is told for the first.
ENDPOINT = ENDPOINTS[0]

if HAS_CLINICAL and not IS_DEMO and not os.path.exists(located(config["cohort"]["clinical"])):
    raise WorkflowError(f"cohort.clinical: {config['cohort']['clinical']} not found.")


wildcard_constraints:
    # A pattern, not a list of ids: ten thousand alternatives would be tried for every file.
    # Ids outside the cohort are refused by `participant_row`.
    participant=PARTICIPANT_PATTERN,
    batch=r"\d\d\d+",
    endpoint="|".join(ENDPOINTS),


SET_ASIDE = frozenset(config["cohort"]["set_aside"])
if not IS_TABULAR and (unknown := sorted(SET_ASIDE - COHORT.keys())):
    raise WorkflowError(f"cohort.set_aside: not in the cohort: {', '.join(unknown)}.")


def participant_row(wildcards):
    """The cohort's row of a participant; a mistyped id stops the run before any job starts."""
    try:
        return COHORT[wildcards.participant]
    except KeyError:
        raise WorkflowError(
            f"participant {wildcards.participant} is not in cohort {config['cohort']['name']} "
            f"({config['cohort']['participants'] or config['cohort']['input']})"
        ) from None


def existing(path):
    """A path as rule input; nothing where it is missing, so that the job can record that."""
    return path if path and (made_by_demo(path) or os.path.exists(path)) else []


def everyones(*files):
    """Files of every scan as an input function: in a cohort of thousands only the job that takes
    them spends the time to list them, not every job that reads the rules."""

    def paths(wildcards):
        folder = f"results/{config['cohort']['name']}/participants"
        return [f"{folder}/{name}/{file}" for file in files for name in PARTICIPANTS]

    return paths


def told_of_scan(wildcards):
    """What the participants table says that decides how a scan is ingested, for params."""
    row = participant_row(wildcards)
    return {"series": row.series, "days": row.days}


def secret_of_cohort():
    """What is mixed into pseudonyms and digests; without scans there are none."""
    if IS_TABULAR:
        return b""
    try:
        return cohort_secret(config["cohort"])
    except CohortError as error:
        raise WorkflowError(str(error)) from None


COHORT_SECRET = secret_of_cohort()


def demo_scan(wildcards):
    """The demo's scan as an input."""
    path = participant_row(wildcards).path
    return path if made_by_demo(path) else []


# Other scans are no inputs, for their paths name patients.
SOURCE_MADE_HERE = demo_scan if IS_DEMO else []


def state_of(path):
    """A digest for params: an input that comes, goes or changes reruns what was made of it."""
    # What the demo makes is an input, whose date counts; a digest would change while it is made.
    if made_by_demo(path):
        return ""
    return input_state(path, config["cohort"]["input"], COHORT_SECRET)


def is_compared():
    """Whether this run makes results anew where params changed; told once, by the main process."""
    triggers = {trigger.name for trigger in workflow.rerun_triggers}
    return workflow.is_main_process and "PARAMS" in triggers


def scans_in_use():
    """The rows of all scans but those set aside, whose files may be gone."""
    return [row for name, row in COHORT.items() if name not in SET_ASIDE]


@cache
def check_scans_are_there():
    """Stop where scans are gone that have results, which would be lost, or where all are gone."""
    if IS_DEMO or not is_compared():
        return
    folder = f"results/{config['cohort']['name']}/participants"
    try:
        check_scans(scans_in_use(), folder)
    except CohortError as error:
        raise WorkflowError(str(error)) from None


def source_state(wildcards):
    """Tells a participant's DICOM folder or NIfTI file from another or an earlier one."""
    check_scans_are_there()
    row = participant_row(wildcards)
    return "set aside" if row.scan_id in SET_ASIDE else state_of(row.path)


CORRECTIONS_FOLDER = config["cohort"]["corrections"] or f"corrections/{config['cohort']['name']}"


def corrections_of_cohort():
    """Masks corrected by hand, by participant; stops with every misnamed file at once."""
    if config["cohort"]["corrections"] and not os.path.isdir(CORRECTIONS_FOLDER):
        raise WorkflowError(f"cohort.corrections: {CORRECTIONS_FOLDER} not found.")
    try:
        return find_corrections(CORRECTIONS_FOLDER, PARTICIPANTS) if not IS_TABULAR else {}
    except CohortError as error:
        raise WorkflowError(str(error)) from None


CORRECTIONS = corrections_of_cohort()


def correction_of(wildcards):
    """The correction of a participant; one without files where there is none."""
    return CORRECTIONS.get(wildcards.participant, Correction())


def correction_input(kind):
    """The corrected mask of a participant. Its content counts, not its date: see params."""

    def path(wildcards):
        found = getattr(correction_of(wildcards), kind)
        return ancient(found) if found else []

    # A function would be called for every scan of a cohort that has no corrections.
    return path if CORRECTIONS else []


SCAN = "<results>/participants/{participant}/ct.nii.gz"
# For a job that comes later: where CTs go away, one that no batch waits for.
SCAN_AGAIN = SCAN if KEEPS_SCANS else "<results>/again/{participant}/ct.nii.gz"


def scan_of(wildcards):
    """The CT of a participant. That of a correction must not bring its whole batch with it."""
    folder = "again" if wildcards.participant in CORRECTIONS else "participants"
    return f"results/{config['cohort']['name']}/{folder}/{wildcards.participant}/ct.nii.gz"


# A function would be called for every scan, also where it has nothing to decide.
SCAN_OF_MASKS = scan_of if CORRECTIONS and not KEEPS_SCANS else SCAN


def mark_planned():
    """Have the next start make what this one plans and does not come to, as if it were half written.

    Snakemake alone forgets a job that failed: its outputs are taken away, but its new parameters are
    recorded, and what was made of the earlier outputs looks up to date. So that is marked; for jobs
    that have a reason of their own to run it is still there if they never began.
    """
    if not workflow.is_main_process:
        return
    for job in workflow.dag.needrun_jobs():
        if workflow.dag.reason(job).updated_input_run and any(map(os.path.exists, job.output)):
            workflow.persistence.started(job)


def tell_failures(logs):
    """Print what failed in this run, each with its reason, and what to type next."""
    from bonecast.run.status import end_text  # only where needed: each job reads this file

    for log in logs:
        print(end_text(log), file=sys.stderr)


def participants_table(wildcards):
    """What is known of every scan of the cohort as plain lists, for params."""
    columns = ("participant_id", "session_id", "days", "baseline")
    columns += ("site", "sex", "height_m", "weight_kg")
    return {
        column: [getattr(participant, column) for participant in COHORT.values()]
        for column in columns
    }


ROBUST_ONLY = config["model"]["min_robustness"] is not None
if ROBUST_ONLY and (IS_TABULAR or not config["measure"]["radiomics"]["enabled"]):
    raise WorkflowError("model.min_robustness: no radiomics are measured in this run.")


def check_models():
    """Stop on options of the models that cannot go together, before any scan is segmented."""
    made = f"results/{config['cohort']['name']}/"
    problems = model_problems(
        config,
        SITES,
        lambda path: IS_FROZEN or path.startswith(made) or os.path.exists(located(path)),
    )
    if problems:
        raise WorkflowError("\n".join(problems))


if not PREDICTS_ONLY and not MAKES_PARTICIPANTS:
    check_models()


def check_clinical_table():
    """Stop on a clinical table with mistakes, now rather than after the scans are segmented."""
    from bonecast.model.clinical import check_clinical  # pandas: a second, so only where needed

    try:
        check_clinical(located(config["cohort"]["clinical"]), config["model"])
    except CohortError as error:
        raise WorkflowError(str(error)) from None


def check_vertebra_columns():
    """Stop on columns that no table of vertebrae will have, now rather than after measuring."""
    from bonecast.measure.dictionary import vertebra_columns
    from bonecast.model.clinical import flat

    declared = vertebra_columns(config["measure"]["density"]["rois"], [])
    known = {column.name for column in declared if column.kind in ("float", "int")}
    named = flat(config["model"]["vertebra_columns"])
    # Those of radiomics are known only once they are measured.
    unknown = [name for name in named if name not in known and not name.startswith("rad_")]
    if unknown:
        raise WorkflowError(
            f"model.vertebra_columns: {', '.join(unknown)}: no column of numbers in the table of "
            "vertebrae; data_dictionary.csv lists those there are."
        )


# Once, not again in each job of a cluster.
if HAS_CLINICAL and HAS_MODELS and workflow.is_main_process:
    if not IS_DEMO:
        check_clinical_table()
    if config["model"]["vertebra_columns"]:
        check_vertebra_columns()


TABLES = [
    "vertebrae.parquet",
    "vertebrae.tsv",
    "scans.parquet",
    "scans.tsv",
    "exclusions.tsv",
    "series.tsv",
    "ledger.tsv",
    "level_sensitivity.tsv",
    "data_dictionary.csv",
    "segmentation_outliers.tsv",
    "segmentation_reference.tsv",
]

# Figures of the scans; those of the models are in common_figures.smk.
IMAGE_FIGURES = [
    "flow_diagram",
    "contact_sheet",
    "example_segmentations",
    "hu_by_level_and_age",
    "roi_agreement",
    "vbmd_by_age",
    "deformities_by_level",
    "body_composition",
]


def own_secret(wildcards):
    """Digest of cohort.secret, which must be set: others lack its bytes, not the cohort's name."""
    if not config["cohort"]["secret"]:
        raise WorkflowError(
            "cohort.secret: not set. De-identified DICOM needs a file of random bytes: "
            "head -c 32 /dev/urandom > /a/folder/of/yours/secret"
        )
    return secret_state(COHORT_SECRET)
