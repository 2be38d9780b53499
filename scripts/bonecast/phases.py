"""Phases of contrast medium: the words of every source, and when they begin."""

PHASE_WORDS = ("none", "arterial", "portal", "late", "contrast")
"""What a header, measured HU or a model can tell; `contrast`: there is some, of an untold phase."""

PHASE_STARTS_S = (("arterial", 0.0), ("portal", 60.0), ("late", 100.0))
"""Seconds after the start of injection at which phases begin: those of TotalSegmentator 2.18.0
(totalseg_get_phase.py: portal venous from 60 s, delayed from 100 s)."""

BLURRED_S = 10.0
"""So near to a limit, a delay agrees with the phases on both sides: circulation times differ."""


def phases_at(delay_s: float) -> tuple[str, ...]:
    """Phases that a time since injection agrees with, the likeliest first."""
    starts = [*(start for _, start in PHASE_STARTS_S[1:]), float("inf")]
    spans = [(name, start, end) for (name, start), end in zip(PHASE_STARTS_S, starts, strict=True)]
    nominal = [name for name, start, end in spans if start <= delay_s < end]
    near = [name for name, start, end in spans if start - BLURRED_S <= delay_s < end + BLURRED_S]
    return (*nominal, *(name for name in near if name not in nominal))
