"""The calibration of one scan by the method the config asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bonecast.images import Volume
from bonecast.measure.acquisition import Acquisition
from bonecast.measure.calibration.internal import DECISIVE, calibrate_tissues
from bonecast.measure.calibration.model import Calibration, not_calibrated
from bonecast.measure.calibration.phantom import calibrate_rods
from bonecast.measure.calibration.tissues import sample_tissues, usable_hu
from bonecast.measure.frame import Body
from bonecast.reasons import Reason


@dataclass(frozen=True)
class CalibrationSettings:
    """How HU become densities.

    Attributes:
        method: none, phantom, table or internal.
        standard: k2hpo4 or caha.
        internal_model: michalski2020 or linear.
        internal_tissues: those looked for; air and cortical bone, where listed, must be found.
    """

    method: str = "none"
    standard: str = "k2hpo4"
    internal_model: str = "michalski2020"
    internal_tissues: tuple[str, ...] = ("air", "adipose", "muscle", "blood", "cortical_bone")


def calibrate(
    ct: Volume,
    vertebrae: Volume,
    bodies: Mapping[str, Body | None],
    tissue: Volume | None,
    settings: CalibrationSettings,
    acquisition: Acquisition,
    rods: Sequence[dict] = (),
    row: Mapping | None = None,
) -> Calibration:
    """Calibrate one scan; a scan that cannot be has the reason.

    Args:
        ct, vertebrae, tissue: on one grid, HU and codes; tissue may be None.
        bodies: as from `find_bodies`.
        rods: of method `phantom`, as from `tables.read_rods`.
        row: of method `table`, as from `tables.row_facts`.

    Raises:
        ValueError: no such method.
    """
    if settings.method == "none":
        return not_calibrated(Reason.NOT_CALIBRATED)
    if settings.method == "phantom":
        return calibrate_rods(ct, rods, settings.standard)
    if settings.method == "table":
        return _from_row(row or {"reason": Reason.CALIBRATION_NO_SCANNER})
    if settings.method != "internal":
        raise ValueError(f"unknown method {settings.method}")
    samples = sample_tissues(ct, vertebrae, bodies, tissue, bool(acquisition.has_contrast))
    samples = {name: samples[name] for name in settings.internal_tissues}
    found = calibrate_tissues(
        usable_hu(samples),
        settings.standard,
        settings.internal_model,
        [name for name in DECISIVE if name in samples],
    )
    facts = {name: sample.facts() for name, sample in samples.items()}
    found.quality["tissues"] = facts
    return found


def _from_row(row: Mapping) -> Calibration:
    if row["reason"]:
        return not_calibrated(Reason(row["reason"]), "table")
    quality = {"table_row": row["row"]}
    quality |= {name: row[name] for name in ("r2", "drift_hu_per_year", "drift_beyond_limit")}
    return Calibration("table", row["standard"], row["slope"], row["intercept"], quality=quality)
