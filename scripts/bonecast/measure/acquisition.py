"""How a scan was made, as far as it changes what HU mean: tube voltage and contrast medium.

The policy: HU stay as measured, at whatever voltage and phase. Classes by HU thresholds are given
at 120 kV alone, which the thresholds assume (Garner, AJR 2017). A correction for contrast is made
only where the config asks for one, and stands beside the value it corrects.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bonecast.measure.contrast import CONFLICTS, Decision, decide
from bonecast.measure.contrast_model import ModelPhase
from bonecast.measure.enhancement import Enhancement
from bonecast.reasons import Reason

THRESHOLD_KVP = 120.0
"""Tube voltage that published HU thresholds were found at."""

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
        contrast: what is believed of contrast medium.
        measured, model: what vessels and organs and TotalSegmentator's model say of it.
        voltage_differs: the participants table, which is believed, gives another tube voltage than
            the header.
    """

    kvp: float | None = None
    contrast: Decision = Decision()
    measured: Enhancement = Enhancement()
    model: ModelPhase = ModelPhase()
    voltage_differs: bool = False

    @property
    def phase(self) -> str:
        """One of `bonecast.measure.contrast.PHASES`."""
        return self.contrast.phase

    @property
    def has_contrast(self) -> bool | None:
        """Whether contrast medium is in the blood; None where not known."""
        return None if self.phase == "unknown" else self.phase != "none"

    @property
    def phase_to_correct(self) -> str:
        """The phase a density is corrected for; one of low confidence is as good as unknown."""
        return "unknown" if self.contrast.confidence == "low" else self.phase

    @property
    def conflicts(self) -> tuple[str, ...]:
        """Those of `bonecast.measure.contrast.CONFLICTS` that were found, in that order."""
        found = {*self.contrast.conflicts, *(["kvp"] if self.voltage_differs else [])}
        return tuple(name for name in CONFLICTS if name in found)

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
            "contrast_phase_source": " ".join(self.contrast.sources) or None,
            "contrast_phase_confidence": self.contrast.confidence,
            "contrast_phase_measured": self.measured.phase,
            **self.model.facts(),
            **self.measured.facts(),
            "acquisition_conflicts": " ".join(self.conflicts) or None,
        }


def describe(
    facts: Mapping,
    phase: str = "",
    measured: Enhancement | None = None,
    model: ModelPhase | None = None,
    kvp: float | None = None,
) -> Acquisition:
    """Voltage and phase from all that is known.

    Args:
        facts: `acquisition` of ct.json; keys kvp, contrast_phase_header and
            contrast_header_evidence.
        phase: that of the participants table, empty where not given.
        measured: attenuation of vessels and organs.
        model: what TotalSegmentator's model says.
        kvp: that of the participants table, believed before the header's; None where not given.
    """
    measured, model = measured or Enhancement(), model or ModelPhase()
    said = {
        "participants_table": _words("" if phase == "unknown" else phase),
        "measured": _words(measured.phase),
        "model": model.phases,
        "header": _words(facts.get("contrast_phase_header")),
    }
    evidence = (facts.get("contrast_header_evidence") or "").split()
    header_kvp = facts.get("kvp")
    return Acquisition(
        kvp=header_kvp if kvp is None else kvp,
        contrast=decide(said, "conflict" in evidence),
        measured=measured,
        model=model,
        voltage_differs=kvp is not None and header_kvp is not None and kvp != header_kvp,
    )


def _words(phase: str | None) -> tuple[str, ...]:
    return (phase,) if phase else ()


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
