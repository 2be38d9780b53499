"""What the header of a scan says of contrast medium in the blood: whether, which phase, how late.

Headers contradict themselves and each other ("this information is commonly extracted from the CT
metadata, which is often wrong": Baldini et al., Invest Radiol 2024). So everything they say is
read, and what told it is kept beside the result.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset

from bonecast.dicom.contrast_words import ContrastWord, agent_word, contrast_words
from bonecast.dicom.headers import DAMAGE, as_float
from bonecast.phases import phases_at

WORD_PHASES = {
    ContrastWord.NATIVE: "none",
    ContrastWord.GIVEN: "contrast",
    ContrastWord.ARTERIAL: "arterial",
    ContrastWord.PORTAL: "portal",
    ContrastWord.LATE: "late",
}

USAGE_PHASES = {
    "PRE_CONTRAST": "none",
    "POST_CONTRAST": "contrast",
    "IMMEDIATE": "contrast",
    "DYNAMIC": "contrast",
    "STEADY_STATE": "contrast",
    "CAPILLARY": "contrast",
    "ARTERIAL": "arterial",
    "VENOUS": "portal",
    "PORTAL_VENOUS": "portal",
    "DELAYED": "late",
}
"""(0018,9344) Contrast/Bolus Agent Phase of enhanced CT, PS3.3 C.8.15.3."""

DELAY_S = (10.0, 1200.0)
"""A delay below the first has brought nothing to the abdomen; one above the second is no delay but
an earlier examination, a forgotten entry or a wrong clock."""

DAY_S = 86400.0

TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2}(?:\.\d*)?)?")


@dataclass(frozen=True)
class HeaderContrast:
    """What a header says.

    Attributes:
        phase: one of `bonecast.phases.PHASE_WORDS`; None where the header says nothing, or
            contradicts itself in whether there is contrast.
        delay_s: from the start of injection to the scan; None where unknown or implausible.
        evidence: what was read, in the words of this module; `conflict` where it contradicts
            itself.
    """

    phase: str | None = None
    delay_s: float | None = None
    evidence: tuple[str, ...] = ()

    @property
    def given(self) -> bool | None:
        """Whether contrast medium is in the blood; None where the header does not say."""
        return None if self.phase is None else self.phase != "none"

    def facts(self) -> dict[str, object]:
        """For `acquisition` of ct.json."""
        return {
            "contrast_header": self.given,
            "contrast_phase_header": self.phase,
            "contrast_header_evidence": " ".join(self.evidence) or None,
            "contrast_delay_s": self.delay_s,
        }


def read_contrast(dataset: Dataset) -> HeaderContrast:
    """Read a header, classic or enhanced, of any file of the series.

    The description of the series is asked before the name of its protocol, which is that of all
    its series; the description of the study is not asked.
    """
    votes: dict[str, str] = {}
    evidence = []
    agent, route = _agent(dataset)
    said = agent_word(agent, route)
    if said is ContrastWord.ORAL:
        evidence.append("oral_agent")
    elif said is not None:
        votes["agent" if said is ContrastWord.GIVEN else "no_agent"] = WORD_PHASES[said]
    elif any((as_float(text) or 0) > 0 for text in _amounts(dataset)):
        votes["amount"] = "contrast"
    for name, key in (("SeriesDescription", "description"), ("ProtocolName", "protocol")):
        words = contrast_words(_text(dataset, name))
        if ContrastWord.ORAL in words:
            evidence.append(f"oral_{key}")
        phases = {WORD_PHASES[word] for word in words - {ContrastWord.ORAL}}
        phases -= {"contrast"} if len(phases) > 1 else set()
        for phase in sorted(phases):
            votes[f"{key}_{phase}"] = phase
        if phases:
            break
    votes |= {f"usage_{phase}": phase for phase in _usage(dataset)}
    delay = delay_s(dataset)
    phase, conflict = _agree(set(votes.values()), delay)
    evidence += [*votes, *(["delay"] if delay is not None else []), *(["conflict"] * conflict)]
    return HeaderContrast(phase, delay, tuple(evidence))


def _agree(said: set[str], delay: float | None) -> tuple[str | None, bool]:
    """The phase that all of it allows, and whether it contradicts itself."""
    told = said - {"contrast"}
    if told == {"none"} and (said != told or delay is not None):
        return None, True
    if len(told) > 1:
        return None if "none" in told else "contrast", True
    if delay is None:
        return next(iter(told or said), None), False
    if not told:
        return phases_at(delay)[0], False
    (phase,) = told
    return (phase, False) if phase in phases_at(delay) else ("contrast", True)


def delay_s(dataset: Dataset) -> float | None:
    """Seconds from the start of injection to the scan, also over midnight.

    The start is (0018,1042), else the stop (0018,1043) less the duration (0018,1047) of the flow.
    Of several injections, as with a test bolus, the last before the scan counts. The scan's time is
    that of its acquisition: when an image was made, (0008,0033), may be hours later.

    Returns:
        None where a time is missing or the delay lies outside `DELAY_S`.
    """
    scan = next(
        (time for time in map(seconds_of_day, _scan_times(dataset)) if time is not None), None
    )
    if scan is None:
        return None
    delays = [(scan - start) % DAY_S for start in _starts(dataset)]
    plausible = [delay for delay in delays if DELAY_S[0] <= delay <= DELAY_S[1]]
    return round(min(plausible), 1) if plausible else None


def seconds_of_day(text: str) -> float | None:
    """A DICOM time (`140352.457`, `1403`, the old `14:03:52`); None where it is none."""
    match = TIME.fullmatch(text.strip())
    if not match:
        return None
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds if hours < 24 and minutes < 60 else None


def _scan_times(dataset: Dataset) -> Iterator[str]:
    """Texts of the time at which a scan was made, the surest first."""
    yield _text(dataset, "AcquisitionTime")
    yield _text(dataset, "AcquisitionDateTime")[8:].partition("+")[0].partition("-")[0]
    for frame in _items(dataset, "PerFrameFunctionalGroupsSequence")[:1]:
        for content in _items(frame, "FrameContentSequence"):
            text = _text(content, "FrameAcquisitionDateTime")
            yield text[8:].partition("+")[0].partition("-")[0]


def _starts(dataset: Dataset) -> Iterator[float]:
    """Start of each injection, seconds of the day."""
    for item in _injections(dataset):
        starts = [seconds_of_day(text) for text in _texts(item, "ContrastBolusStartTime")]
        if not any(start is not None for start in starts):
            stops = [seconds_of_day(text) for text in _texts(item, "ContrastBolusStopTime")]
            flows = [as_float(text) for text in _texts(item, "ContrastFlowDuration")]
            if len(stops) == 1 and stops[0] is not None and flows and None not in flows:
                starts = [stops[0] - sum(flows)]
        yield from (start for start in starts if start is not None)


def _injections(dataset: Dataset) -> list[Dataset]:
    """Data sets that may hold the times and amounts of an injection, intravenous or untold."""
    found = [dataset]
    for item in _items(dataset, "ContrastBolusAgentSequence"):
        if agent_word(_meanings(item) or "x", _route(item)) is not ContrastWord.ORAL:
            found += _items(item, "ContrastAdministrationProfileSequence")
    return found


def _agent(dataset: Dataset) -> tuple[str, str]:
    """Names of the agents and of their routes."""
    items = _items(dataset, "ContrastBolusAgentSequence")
    agents = [_text(dataset, "ContrastBolusAgent"), *(_meanings(item) for item in items)]
    routes = [_text(dataset, "ContrastBolusRoute"), *(_route(item) for item in items)]
    routes += [
        _meanings(way) for way in _items(dataset, "ContrastBolusAdministrationRouteSequence")
    ]
    return " ".join(filter(None, agents)), " ".join(filter(None, routes))


def _amounts(dataset: Dataset) -> Iterator[str]:
    for item in _injections(dataset):
        for name in ("ContrastBolusVolume", "ContrastBolusTotalDose"):
            yield from _texts(item, name)


def _usage(dataset: Dataset) -> Iterator[str]:
    """Phases by (0018,9341), the use of agents in the first frame of an enhanced object."""
    oral = {
        _text(item, "ContrastBolusAgentNumber")
        for item in _items(dataset, "ContrastBolusAgentSequence")
        if agent_word(_meanings(item) or "x", _route(item)) is ContrastWord.ORAL
    }
    groups = _items(dataset, "PerFrameFunctionalGroupsSequence")[:1]
    for group in [*groups, *_items(dataset, "SharedFunctionalGroupsSequence")]:
        for item in _items(group, "ContrastBolusUsageSequence"):
            if _text(item, "ContrastBolusAgentNumber") in oral:
                continue
            administered = _text(item, "ContrastBolusAgentAdministered").upper()
            phase = USAGE_PHASES.get(_text(item, "ContrastBolusAgentPhase").upper())
            if administered == "NO":
                yield "none"
            elif phase or administered == "YES":
                yield phase or "contrast"


def _route(item: Dataset) -> str:
    ways = _items(item, "ContrastBolusAdministrationRouteSequence")
    return " ".join(_meanings(way) for way in ways)


def _meanings(item: Dataset) -> str:
    return _text(item, "CodeMeaning") or _text(item, "CodeValue")


def _text(dataset: Dataset, name: str) -> str:
    return " ".join(_texts(dataset, name))


def _texts(dataset: Dataset, name: str) -> list[str]:
    """Values of an element as text; none where it is missing or damaged."""
    try:
        value = dataset.get(name)
        values = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else value
        return [str(one).strip() for one in values if one is not None]
    except DAMAGE:
        return []


def _items(dataset: Dataset, name: str) -> list[Dataset]:
    """Items of a sequence; none where it is missing or damaged."""
    try:
        return [item for item in dataset.get(name) or [] if isinstance(item, Dataset)]
    except DAMAGE:
        return []
