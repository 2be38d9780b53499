# What measuring is told: calibration, lists of the user, settings of radiomics. No rules here.
from bonecast.cohort import draw_participants
from bonecast.excluded_levels import read_excluded_levels
from bonecast.measure.calibration.tables import (
    check_row_numbers,
    read_rods,
    read_scanner_table,
)
from bonecast.measure.radiomics.settings import settings_of

ATTENUATION_TABLE = os.path.join(WORKFLOW_HOME, "resources/calibration/mass_attenuation.csv")


def calibration_table_input():
    """The user's table of rods or scanners as rule input; nothing where there is none."""
    return located(config["cohort"]["calibration"]) or []


def calibration_method():
    """How HU are calibrated: `table` without a table is none."""
    method, table = config["measure"]["calibration"]["method"], calibration_table_input()
    if IS_TABULAR or (method == "table" and not table):
        return "none"
    if method == "phantom" and not table:
        raise WorkflowError("measure.calibration.method phantom needs cohort.calibration: no table")
    return method


CALIBRATION_METHOD = calibration_method()


def check_calibration_table():
    """Rods by participant; stops with every problem of either table, before any job starts."""
    standard = config["measure"]["calibration"]["standard"]
    try:
        if CALIBRATION_METHOD == "phantom":
            return read_rods(calibration_table_input(), standard, PARTICIPANTS)
        if CALIBRATION_METHOD == "table" and workflow.is_main_process:
            rows = read_scanner_table(calibration_table_input(), standard)
            check_row_numbers(rows, {name: row.calibration for name, row in COHORT.items()})
    except CohortError as error:
        raise WorkflowError(str(error)) from None
    return {}


RODS = check_calibration_table()


def calibration_settings():
    """What measuring needs of measure.calibration, for params."""
    names = ("standard", "internal_model", "internal_tissues")
    options = config["measure"]["calibration"]
    return {"method": CALIBRATION_METHOD} | {name: options[name] for name in names}


def excluded_levels_of_cohort():
    """Levels a person wants left out, by participant; stops with every problem of the list."""
    table = located(config["cohort"]["exclude_levels"])
    if not table or IS_TABULAR:
        return {}
    try:
        return read_excluded_levels(table, PARTICIPANTS)
    except CohortError as error:
        raise WorkflowError(str(error)) from None


EXCLUDED_LEVELS = excluded_levels_of_cohort()


def known_of(wildcards):
    """What the user's tables say of one scan, for params: an edit reruns who changed."""
    row = participant_row(wildcards)
    return {
        "contrast_phase": row.contrast_phase,
        "kvp": row.kvp,
        "excluded": EXCLUDED_LEVELS.get(row.scan_id, {}),
        "rods": RODS.get(row.scan_id, []),
    }


# What radiomics are computed with: a change of any of it measures the scans anew.
RADIOMICS = {
    key: value
    for key, value in config["measure"]["radiomics"].items()
    if key not in ("enabled", "robustness")
}
HAS_RADIOMICS = config["measure"]["radiomics"]["enabled"]
try:
    settings_of(RADIOMICS)
except ValueError as error:
    raise WorkflowError(str(error)) from None

# Whose vertebrae are perturbed, in their baseline scan: the same whatever order the cohort has.
ROBUSTNESS = config["measure"]["radiomics"]["robustness"]
ROBUSTNESS_PARTICIPANTS = draw_participants(
    [name for name, row in COHORT.items() if row.baseline],
    ROBUSTNESS["participants"],
    ROBUSTNESS["seed"],
)
