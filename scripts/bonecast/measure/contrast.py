"""Which phase of contrast medium a scan was made in: a decision, its sources and its confidence.

Four sources are asked, and what each of them says stands beside the decision. The participants
table is believed. Else HU tell whether there is contrast medium before a model does, and a model
before the header, which may name an agent that was given later. Which phase it is, most of the
sources tell that agree in that; where as many say one as the other, the first of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from bonecast.measure.columns import Column
from bonecast.measure.contrast_model import STATUSES
from bonecast.phases import PHASE_WORDS

PHASES = ("none", "arterial", "portal", "other", "unknown")
"""Phases of contrast; `other`: there is contrast, of a later or an unknown phase. The same words
as in the participants table (bonecast.cohort)."""

SOURCES = ("participants_table", "measured", "model", "header")
"""What tells a phase, the surest first."""

CONFIDENCES = ("high", "moderate", "low")
"""High: the participants table or two sources say it, and none contradicts. Moderate: one source
says it and none contradicts, or more say it than contradict. Low: else, and always where measured
HU contradict whether there is contrast medium."""

CONFLICTS = ("contrast", "phase", "header", "kvp")
"""In what sources contradict each other: whether there is contrast medium, its phase, the header
itself, and the tube voltage of the participants table that of the header."""


@dataclass(frozen=True)
class Decision:
    """What is believed of a scan's contrast medium.

    Attributes:
        phase: one of `PHASES`.
        sources: those of `SOURCES` that say it, in that order; none where nothing tells.
        confidence: one of `CONFIDENCES`; None where nothing tells.
        conflicts: those of `CONFLICTS` found here, in that order.
    """

    phase: str = "unknown"
    sources: tuple[str, ...] = ()
    confidence: str | None = None
    conflicts: tuple[str, ...] = ()


def decide(said: Mapping[str, tuple[str, ...]], header_conflict: bool = False) -> Decision:
    """Decide on a phase.

    Args:
        said: by source, the phase it tells (none, arterial, portal, late, or contrast of an untold
            phase; of the participants table also other) and, after it, those that it does not
            exclude; empty where it says nothing.
        header_conflict: the header contradicts itself.
    """
    header = ("header",) if header_conflict else ()
    heard = {source: said[source] for source in SOURCES if said.get(source)}
    if not heard:
        return Decision(conflicts=header)
    table = heard.get(SOURCES[0])
    phase = table[0] if table else _most_say([words[0] for words in heard.values()])
    agree = tuple(source for source, words in heard.items() if words[0] == phase)
    against = {source: _conflict(phase, words) for source, words in heard.items()}
    against = {source: conflict for source, conflict in against.items() if conflict}
    strong = SOURCES[0] in agree or len(agree) > 1
    if not against:
        confidence = "high" if strong else "moderate"
    elif against.get("measured") != "contrast" and len(agree) > len(against):
        confidence = "moderate"
    else:
        confidence = "low"
    found = {*against.values(), *header}
    conflicts = tuple(name for name in CONFLICTS if name in found)
    return Decision(phase if phase in PHASES else "other", agree, confidence, conflicts)


def _most_say(words: list[str]) -> str:
    """The phase of most sources that agree with the first in whether there is contrast medium."""
    if words[0] == "none":
        return "none"
    told = [word for word in words if word not in ("none", "contrast")]
    return max(told, key=told.count) if told else "contrast"


def _conflict(phase: str, words: tuple[str, ...]) -> str:
    """In what a source contradicts a decision; empty where it does not."""
    if (words[0] == "none") != (phase == "none"):
        return "contrast"
    untold = {"contrast", "other"}
    return "" if phase in {*words, *untold} or untold & {*words} else "phase"


def some_of(words: tuple[str, ...]) -> tuple[str, ...]:
    """Every choice of one or more words in their order, separated by blanks."""
    counts = range(1, len(words) + 1)
    return tuple(" ".join(some) for count in counts for some in combinations(words, count))


def _text(name: str, definition: str, words: tuple[str, ...], source: str = "calibration.json"):
    return Column(name, "", definition, source, "text", words=words, block="acquisition")


def _hu(name: str, definition: str) -> Column:
    return Column(name, "HU", definition, "calibration.json", block="acquisition")


CONTRAST_HEADER_COLUMNS = (
    Column(
        "contrast_header",
        "",
        "Whether the header tells of contrast medium in the blood",
        "ct.json",
        "bool",
        block="acquisition",
    ),
    _text(
        "contrast_phase_header",
        "Phase by the header's words and times; contrast: of an untold phase",
        PHASE_WORDS,
        "ct.json",
    ),
    _text(
        "contrast_header_evidence",
        "What of the header told it; conflict: it contradicts itself",
        (),
        "ct.json; docs/contrast.md",
    ),
    Column(
        "contrast_delay_s",
        "s",
        "From the start of injection to the scan, by the header",
        "ct.json",
        low=0,
        block="acquisition",
    ),
)
"""Facts of ct.json that become columns of the scans table."""

CONTRAST_COLUMNS = (
    _text(
        "contrast_phase",
        "Phase of contrast, decided; other: contrast of a later or unknown phase",
        PHASES,
        "calibration.json; docs/contrast.md",
    ),
    _text("contrast_phase_source", "Sources that say so", some_of(SOURCES)),
    _text(
        "contrast_phase_confidence",
        "high: the participants table or two sources say it and none contradicts; moderate: one "
        "says it and none contradicts, or more say it than contradict; low: else",
        CONFIDENCES,
        "docs/contrast.md",
    ),
    _text(
        "contrast_phase_measured",
        "Phase by the HU of aorta, veins, liver and kidneys; contrast: of an untold phase",
        PHASE_WORDS,
        "docs/contrast.md",
    ),
    _text(
        "contrast_phase_model",
        "Phase by TotalSegmentator's model",
        ("none", "arterial", "portal", "late"),
    ),
    Column(
        "contrast_model_s",
        "s",
        "Seconds since injection by TotalSegmentator's model; below 10: native",
        "calibration.json",
        block="acquisition",
    ),
    _text("contrast_model_status", "Whether that model predicted, or why not", STATUSES),
    _hu("aorta_hu", "Median of the aorta, 4 mm within its wall"),
    _hu("vena_cava_hu", "Median of the inferior vena cava, 3 mm within its wall"),
    _hu("portal_vein_hu", "Median of portal and splenic vein, 2 mm within their wall"),
    _hu("liver_hu", "Median of the liver"),
    _hu("kidney_hu", "Median of both kidneys"),
    _hu("kidney_bright_hu", "99th percentile of both kidneys: excreted contrast medium"),
    _text(
        "acquisition_conflicts",
        "In what sources contradict each other: whether there is contrast medium, its phase, the "
        "header itself, or the tube voltage of participants table and header",
        some_of(CONFLICTS),
    ),
)
"""Facts of calibration.json that become columns of the scans table."""
