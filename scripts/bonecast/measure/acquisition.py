"""How a scan was made, as far as it changes what HU mean: tube voltage and contrast medium.

The policy: HU stay as measured, at whatever voltage and phase. Classes by HU thresholds are given
at 120 kV alone, which the thresholds assume (Garner, AJR 2017). A correction for contrast is made
only where the config asks for one, and stands beside the value it corrects.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bonecast.images import Volume, bounding_box
from bonecast.reasons import Reason
from bonecast.segment.tissues import Tissue

PHASES = ("none", "arterial", "portal", "other", "unknown")
"""Phases of contrast; `other`: there is contrast, of a later or an unknown phase. The same words
as in the participants table (bonecast.cohort)."""

CONFLICTS = ("contrast", "kvp")
"""In what the participants table can contradict the scan or its header."""

THRESHOLD_KVP = 120.0
"""Tube voltage that published HU thresholds were found at."""

NATIVE_BLOOD_HU = 60.0
"""Unenhanced blood is not denser (20 +- 40 HU, the window of internal calibration)."""

AORTA_EDGE_MM = 4.0
"""Kept away from the wall of the aorta: calcium and blur."""

MIN_AORTA_MM3 = 500.0

RUEHLING = "Ruehling et al., Eur Radiol 2022, 10.1007/s00330-021-08284-z: mean offset, 193 scans"
CORRECTIONS: dict[str, dict[str, dict]] = {
    "none": {},
    "ruehling2022": {
        "arterial": {"slope": 1.0, "intercept": -5.68, "source": RUEHLING},
        "portal": {"slope": 1.0, "intercept": -17.5, "source": RUEHLING},
    },
}
"""Corrections of density in mg/cm3 that are known by name, by phase. The arterial one is
unreliable: enhancement rises steeply in the first 40 s (Eur Radiol Exp 2022;6:8). No offset of HU
is offered: that of Pickhardt (Osteoporos Int 2016;27:147) is +11.2 +- 19.2 HU, a spread larger
than itself."""


@dataclass(frozen=True)
class Acquisition:
    """Tube voltage and phase of one scan.

    Attributes:
        kvp: tube voltage, None where not known.
        phase: one of `PHASES`.
        phase_source: `participants_table`, `aorta_hu`, `header`, or empty where nothing tells.
        aorta_hu: median HU of the aorta, None where it is not segmented.
        conflicts: those of `CONFLICTS` in which the participants table, which is believed,
            contradicts the scan or its header.
    """

    kvp: float | None = None
    phase: str = "unknown"
    phase_source: str = ""
    aorta_hu: float | None = None
    conflicts: tuple[str, ...] = ()

    @property
    def has_contrast(self) -> bool | None:
        """Whether contrast medium is in the blood; None where not known."""
        return None if self.phase == "unknown" else self.phase != "none"

    def why_no_hu_threshold(self) -> Reason | None:
        """Why classes by HU are not given for this scan, if so."""
        if self.kvp is None:
            return Reason.KVP_UNKNOWN
        return None if self.kvp == THRESHOLD_KVP else Reason.KVP_NOT_120

    def facts(self) -> dict:
        """For calibration.json."""
        return {
            "kvp": self.kvp,
            "contrast_phase": self.phase,
            "contrast_phase_source": self.phase_source or None,
            "aorta_hu": None if self.aorta_hu is None else round(self.aorta_hu, 1),
            "acquisition_conflicts": " ".join(self.conflicts) or None,
        }


def describe(
    facts: Mapping, phase: str = "", aorta: float | None = None, kvp: float | None = None
) -> Acquisition:
    """Voltage and phase from what is known, the surest first.

    A phase the user gives is believed before the aorta's HU, and these before the header: a header
    may name a contrast agent that was given later, or drunk. The aorta tells contrast from none;
    which phase it is, HU alone do not tell.

    Args:
        facts: `acquisition` of ct.json; keys kvp and contrast_header.
        phase: that of the participants table, empty where not given.
        aorta: as from `aorta_hu`.
        kvp: that of the participants table, believed before the header's; None where not given.
    """
    conflicts = _conflicts(facts, phase, aorta, kvp)
    source = ""
    if phase and phase != "unknown":
        source = "participants_table"
    elif aorta is not None:
        phase, source = ("other" if aorta > NATIVE_BLOOD_HU else "none"), "aorta_hu"
    elif facts.get("contrast_header") is not None:
        phase, source = ("other" if facts["contrast_header"] else "none"), "header"
    kvp = facts.get("kvp") if kvp is None else kvp
    return Acquisition(kvp, phase or "unknown", source, aorta, conflicts)


def _conflicts(
    facts: Mapping, phase: str, aorta: float | None, kvp: float | None
) -> tuple[str, ...]:
    """In what the participants table contradicts the aorta or the header; args as `describe`."""
    bright = aorta is not None and aorta > NATIVE_BLOOD_HU
    if phase == "none":
        contrast = bright or bool(facts.get("contrast_header"))
    else:
        contrast = phase not in ("", "unknown") and aorta is not None and not bright
    header = facts.get("kvp")
    voltage = kvp is not None and header is not None and kvp != header
    found = zip(CONFLICTS, (contrast, voltage), strict=True)
    return tuple(name for name, contradicts in found if contradicts)


def aorta_hu(ct: Volume, tissue: Volume | None) -> float | None:
    """Median HU of the inner aorta; None where too little of it is segmented.

    Args:
        ct: HU.
        tissue: codes of bonecast.segment.tissues on the same grid.
    """
    if tissue is None:
        return None
    box = bounding_box(tissue.data == Tissue.AORTA)
    if box is None:
        return None
    mask = tissue.data[box] == Tissue.AORTA
    inner = np.zeros(mask.shape, bool)
    for k in range(mask.shape[2]):
        distance = ndimage.distance_transform_edt(
            np.pad(mask[:, :, k], 1), sampling=ct.spacing_mm[:2]
        )
        inner[:, :, k] = distance[1:-1, 1:-1] >= AORTA_EDGE_MM
    if np.count_nonzero(inner) * ct.voxel_mm3 < MIN_AORTA_MM3:
        return None
    return float(np.median(ct.data[box][inner]))


def corrections(setting: str | Mapping[str, Mapping]) -> dict[str, dict]:
    """Corrections by phase from the config: a name of `CORRECTIONS`, or the block itself."""
    if isinstance(setting, str):
        return CORRECTIONS[setting]
    return {phase: dict(values) for phase, values in setting.items()}


def corrected(value: float | None, phase: str, by_phase: Mapping[str, Mapping]) -> float | None:
    """A density without the effect of contrast: slope * value + intercept of the phase.

    A scan without contrast keeps its value. None where nothing is to be corrected by, the phase
    is unknown or has no correction: the value as measured stands beside it in any case.
    """
    if value is None or not by_phase:
        return None
    if phase == "none":
        return value
    if phase not in by_phase:
        return None
    return by_phase[phase]["slope"] * value + by_phase[phase]["intercept"]
