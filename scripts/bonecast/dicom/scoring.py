"""How well a series suits measuring: its merits, weighted and added up to a score.

Each merit is worth 0 to 1 times its weight. A header that does not say is worth half: it is
preferred to one that says the wrong thing, not to one that says the right thing.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bonecast.dicom.index import Series
from bonecast.dicom.vocabulary import kernel_is_soft

WEIGHTS = {
    **{"original": 22, "regular": 18, "coverage": 18, "spine": 14, "thickness": 13},
    **{"soft_kernel": 8, "native": 4, "kvp": 2, "thin": 1},
}
"""Defaults of ingest.weights; together 100. Contrast shifts trabecular HU less than thickness
and kernel change what can be measured at all, so it comes late."""

RESAMPLE = {"tilt": True, "uneven": True, "max_gap_mm": 6.0}
"""Defaults of ingest.resample."""

FULL_COVERAGE = 0.9
"""A series that covers this share of the longest is not short: reconstructions of one
acquisition differ by a slice or two at either end."""

KVP_RANGE = 40.0
"""A tube voltage this far from the preferred one is worth nothing: 80 against 120 kV."""

SPINE_PARTS = {"spine", "chest", "abdomen", "pelvis", "whole_body"}
NO_SPINE_PARTS = {"head", "limb"}
"""Words of `Series.body_part`. A neck is neither: its vertebrae are rarely those wanted."""


@dataclass(frozen=True)
class Settings:
    """The `ingest` part of the configuration.

    Attributes:
        min_slices: fewer are not measured.
        min_coverage_mm: extent along the body axis below which no vertebra fits.
        max_thickness_mm: thicker slices, or slices further apart, are not measured.
        preferred_thickness_mm: range of thickness that scores in full.
        preferred_kvp: tube voltage that scores in full.
        study: first, last or best: which of several studies in one input is measured.
        weights: of the merits, by name.
        resample: tilt, uneven: whether such series are made rectangular; max_gap_mm: the widest
            distance between slices that is bridged.
    """

    min_slices: int = 10
    min_coverage_mm: float = 30.0
    max_thickness_mm: float = 6.0
    preferred_thickness_mm: tuple[float, float] = (0.5, 3.0)
    preferred_kvp: float = 120.0
    study: str = "first"
    weights: Mapping[str, float] = field(default_factory=WEIGHTS.copy)
    resample: Mapping[str, object] = field(default_factory=RESAMPLE.copy)


@dataclass(frozen=True)
class Merit:
    """One criterion of choice.

    Attributes:
        name: its key in ingest.weights.
        words: what a series that has more of it has.
        unknown: the same of a series whose header does not say.
        value: 0 to 1, of a series, given the settings and the longest coverage in mm among
            those it is compared with; None where the header does not say.
    """

    name: str
    words: str
    unknown: str
    value: Callable[[Series, Settings, float], float | None]


@dataclass(frozen=True)
class Score:
    """What a series scores.

    Attributes:
        total: two decimals; what is shown is what decides.
        parts: weighted merits by name.
        unknown: names of merits that the header says nothing of.
    """

    total: float
    parts: Mapping[str, float]
    unknown: frozenset[str]


def thickness_mm(series: Series) -> float:
    """The larger of slice thickness and slice distance: both blur along the axis."""
    return max(series.thickness_mm or 0.0, series.spacing_mm or 0.0)


def coverage_mm(series: Series) -> float:
    """Length along the normal of the slices, their own distance included."""
    return series.stack.coverage_mm + (series.spacing_mm or 0.0) if series.stack else 0.0


def _original(series: Series, *_) -> float | None:
    return float(series.image_type.startswith("ORIGINAL")) if series.image_type else None


def _regular(series: Series, *_) -> float | None:
    stack = series.stack
    return None if stack is None else float(not (stack.n_uneven or stack.is_tilted))


def _coverage(series: Series, _: Settings, longest_mm: float) -> float:
    return min(coverage_mm(series) / (FULL_COVERAGE * longest_mm), 1.0) if longest_mm else 1.0


def _spine(series: Series, *_) -> float | None:
    parts = set(series.body_part.split())
    if parts & SPINE_PARTS:
        return 1.0
    return 0.0 if parts & NO_SPINE_PARTS else None


def _thickness(series: Series, settings: Settings, _: float) -> float:
    """In full within the range; from there down to nothing at 0 and at the limit."""
    low, high = settings.preferred_thickness_mm
    limit, thickness = settings.max_thickness_mm, thickness_mm(series)
    if thickness < low:
        return thickness / low
    if thickness <= high:
        return 1.0
    return max(limit - thickness, 0.0) / (limit - high) if limit > high else 0.0


def _soft_kernel(series: Series, *_) -> float | None:
    soft = kernel_is_soft(series.kernel)
    return None if soft is None else float(soft)


def _native(series: Series, *_) -> float | None:
    return None if series.contrast is None else float(not series.contrast)


def _kvp(series: Series, settings: Settings, _: float) -> float | None:
    if not series.kvp:
        return None
    return max(1.0 - abs(series.kvp - settings.preferred_kvp) / KVP_RANGE, 0.0)


def _thin(series: Series, settings: Settings, _: float) -> float:
    return max(1.0 - thickness_mm(series) / settings.max_thickness_mm, 0.0)


MERITS = (
    Merit(
        "original",
        "original, not derived, images",
        "images that are not said to be derived",
        _original,
    ),
    Merit("regular", "even slices of an upright gantry", "", _regular),
    Merit("coverage", "longer coverage", "", _coverage),
    Merit("spine", "the spine in view", "no head or limb by its header", _spine),
    Merit("thickness", "a slice thickness nearer to the preferred range", "", _thickness),
    Merit(
        "soft_kernel",
        "a softer kernel",
        "a kernel that is not known to sharpen edges",
        _soft_kernel,
    ),
    Merit("native", "no contrast medium", "no contrast medium named in its header", _native),
    Merit(
        "kvp",
        "a tube voltage nearer to the preferred one",
        "a tube voltage that is not known to differ",
        _kvp,
    ),
    Merit("thin", "thinner slices", "", _thin),
)


def score_all(group: Mapping[int, Series], settings: Settings) -> dict[int, Score]:
    """Score series against each other.

    Args:
        group: those that are compared, by number.
    """
    longest_mm = max((coverage_mm(series) for series in group.values()), default=0.0)
    return {number: _score(series, settings, longest_mm) for number, series in group.items()}


def _score(series: Series, settings: Settings, longest_mm: float) -> Score:
    values = {merit.name: merit.value(series, settings, longest_mm) for merit in MERITS}
    unknown = frozenset(name for name, value in values.items() if value is None)
    parts = {
        name: settings.weights.get(name, 0.0) * (0.5 if value is None else value)
        for name, value in values.items()
    }
    return Score(round(math.fsum(parts.values()), 2), parts, unknown)


def compare(name: str, winner: Score, loser: Score) -> str:
    """Why a series lost: both scores, then what each has over the other, the largest first.

    Args:
        name: of the winner.
    """
    gains, losses = [], []
    for merit in MERITS:
        difference = round(winner.parts[merit.name] - loser.parts[merit.name], 2)
        better = winner if difference > 0 else loser
        words = merit.unknown if merit.name in better.unknown else merit.words
        if difference:
            (gains if difference > 0 else losses).append((abs(difference), words))
    against = f"{points(winner.total)} against {points(loser.total)}"
    if winner.total == loser.total:
        against = f"{points(winner.total)} too and comes first"
    text = f"{name} scores {against}"
    if gains:
        text += f": {_listed(gains, '+')}"
    if losses:
        text += f"; this one has {_listed(losses, '-')}"
    return text


def _listed(parts: list[tuple[float, str]], sign: str) -> str:
    ordered = sorted(parts, key=lambda part: -part[0])
    return ", ".join(f"{words} ({sign}{points(value)})" for value, words in ordered)


def points(value: float) -> str:
    """A score or a part of one with as many of two decimals as it needs."""
    return f"{round(value, 2):g}"
