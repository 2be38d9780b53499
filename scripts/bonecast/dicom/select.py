"""Which of a participant's series is measured, and why none of the others is.

A series is first held against what measuring needs; the first need it does not meet is
its reason. Among those that meet all, `PREFERENCES` decide, one after the other: the
first in which two series differ is what the loser is told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bonecast.dicom.geometry import MAX_SHEAR_MM
from bonecast.dicom.index import Index, Series
from bonecast.dicom.vocabulary import DescriptionClass, kernel_is_soft
from bonecast.reasons import Excluded, Reason

FULL_COVERAGE = 0.6
"""A series that covers this share of the longest candidate is not short."""


@dataclass(frozen=True)
class Settings:
    """The `ingest` part of the configuration.

    Attributes:
        min_slices: fewer are not measured.
        min_coverage_mm: extent along the body axis below which no vertebra fits.
        max_thickness_mm: thicker slices, or slices further apart, are not measured.
        preferred_thickness_mm: range of thickness that is chosen before others.
    """

    min_slices: int = 10
    min_coverage_mm: float = 30.0
    max_thickness_mm: float = 6.0
    preferred_thickness_mm: tuple[float, float] = (0.5, 3.0)
    preferred_kvp: float = 120.0
    study: str = "best"
    weights: Mapping[str, float] = field(default_factory=dict)
    resample: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What was decided on one series: `reason` is None for the chosen one."""

    series: Series
    chosen: bool
    reason: Reason | None
    detail: str


def select_series(index: Index, settings: Settings) -> list[Decision]:
    """Decide on every series: one chosen at most, each other with a reason.

    Returns:
        Decisions in the order of `index.series`.
    """
    decided: dict[int, Decision] = {}
    candidates: list[int] = []
    for number, series in enumerate(index.series):
        try:
            check_suited(series, settings)
            candidates.append(number)
        except Excluded as error:
            decided[number] = Decision(series, False, error.reason, error.detail)
    whole = _refuse_whole_input([index.series[number] for number in candidates], index.series)
    if whole:
        for number in candidates:
            decided[number] = Decision(index.series[number], False, *whole)
    elif candidates:
        longest = max(_coverage_mm(index.series[number]) for number in candidates)
        ranks = {
            number: [p.rank(index.series[number], settings, longest) for p in PREFERENCES]
            for number in candidates
        }
        # min() keeps the first of equals: the earliest series of the earliest study.
        best = min(candidates, key=ranks.__getitem__)
        others = len(candidates) - 1
        words = f"best of {others + 1} suited series" if others else "the only suited series"
        for number in candidates:
            series = index.series[number]
            if number == best:
                decided[number] = Decision(series, True, None, words)
            else:
                detail = _lost_on(ranks[number], ranks[best], best)
                decided[number] = Decision(series, False, Reason.NOT_PREFERRED, detail)
    return [decided[number] for number in range(len(index.series))]


def check_suited(series: Series, settings: Settings) -> None:
    """Hold a series against what measuring needs.

    Raises:
        Excluded: the first need that is not met.
    """
    kind = series.description_class
    if series.defect:
        raise Excluded(series.defect, series.defect_detail)
    if kind in NOT_MEASURED:
        reason, detail = NOT_MEASURED[kind]
        raise Excluded(reason, detail or f"modality {series.modality or 'missing'}")
    if series.n_damaged:
        total = len(series.files)
        raise Excluded(
            Reason.CORRUPT_PIXELS, f"{series.n_damaged} of {total} files without all their pixels"
        )
    stack = series.stack
    if kind is DescriptionClass.NO_GEOMETRY or stack is None or series.pixel_mm is None:
        raise Excluded(Reason.NO_GEOMETRY, "positions, orientation or pixel spacing missing")
    if kind is DescriptionClass.REFORMAT:
        raise Excluded(Reason.NOT_AXIAL, f"{series.orientation} slices")
    if series.slices < settings.min_slices:
        raise Excluded(
            Reason.TOO_FEW_SLICES, f"{series.slices} slices, at least {settings.min_slices} needed"
        )
    if stack.n_duplicates:
        raise Excluded(
            Reason.DUPLICATE_SLICES,
            f"{stack.n_duplicates} of {series.slices} slices at a position taken by another",
        )
    if stack.n_uneven:
        raise Excluded(
            Reason.UNEVEN_SLICES,
            f"{stack.n_uneven} of {series.slices - 1} distances differ from "
            f"{stack.spacing_mm:.2f} mm; room for {stack.n_missing} missing slices",
        )
    if stack.shear_mm > MAX_SHEAR_MM:
        raise Excluded(
            Reason.GANTRY_TILT,
            f"slices shifted by {stack.shear_mm:.1f} mm over the stack "
            f"({stack.tilt_degrees:.1f} degrees)",
        )
    thickness = _thickness_mm(series)
    if thickness > settings.max_thickness_mm:
        raise Excluded(
            Reason.TOO_THICK, f"{thickness:.1f} mm, at most {settings.max_thickness_mm:.1f} wanted"
        )
    if _coverage_mm(series) < settings.min_coverage_mm:
        raise Excluded(
            Reason.TOO_LITTLE_COVERAGE,
            f"{_coverage_mm(series):.0f} mm, at least {settings.min_coverage_mm:.0f} needed",
        )


NOT_MEASURED: dict[DescriptionClass, tuple[Reason, str]] = {
    DescriptionClass.OTHER_MODALITY: (Reason.NOT_CT, ""),
    DescriptionClass.SECONDARY: (Reason.NOT_CT, "not stored as CT images"),
    DescriptionClass.LOCALIZER: (Reason.LOCALIZER, "named so in its header"),
    DescriptionClass.PROJECTION: (Reason.PROJECTION, "named so in its header"),
    DescriptionClass.FUNCTIONAL_MAP: (Reason.NOT_HU, "a map computed from several acquisitions"),
}
"""Classes that are never measured."""


@dataclass(frozen=True)
class Preference:
    """One criterion of choice: the lowest rank wins.

    Attributes:
        words: what the preferred series has over another, as a phrase.
        rank: of a series, given the settings and the longest coverage among candidates.
    """

    words: str
    rank: Callable[[Series, Settings, float], float]


def _thickness_mm(series: Series) -> float:
    """The larger of slice thickness and slice distance: both blur along the axis."""
    return max(series.thickness_mm or 0.0, series.spacing_mm or 0.0)


def _coverage_mm(series: Series) -> float:
    stack = series.stack
    return stack.coverage_mm + (series.spacing_mm or 0.0) if stack else 0.0


def _outside_preferred(series: Series, settings: Settings, _: float) -> float:
    low, high = settings.preferred_thickness_mm
    thickness = _thickness_mm(series)
    return max(low - thickness, thickness - high, 0.0)


def _kernel_rank(series: Series, *_) -> float:
    return {True: 0, None: 1, False: 2}[kernel_is_soft(series.kernel)]


PREFERENCES = (
    Preference(
        "original, not derived, images",
        lambda series, *_: not series.image_type.startswith("ORIGINAL"),
    ),
    Preference(
        "longer coverage",
        lambda series, _, longest: _coverage_mm(series) < FULL_COVERAGE * longest,
    ),
    Preference("a slice thickness nearer to the preferred range", _outside_preferred),
    Preference("a softer kernel", _kernel_rank),
    Preference("thinner slices", lambda series, *_: round(_thickness_mm(series), 2)),
    Preference("no contrast medium", lambda series, *_: bool(series.contrast)),
    Preference("more slices", lambda series, *_: -series.slices),
)
"""Criteria in order of weight. Contrast shifts trabecular HU less than thickness and kernel
change what can be measured at all, so it comes late."""


def _lost_on(own: list[float], best: list[float], winner: int) -> str:
    for preference, mine, its in zip(PREFERENCES, own, best, strict=True):
        if mine != its:
            return f"{series_id(winner)} has {preference.words}"
    return f"{series_id(winner)} is equal and comes first"


def _refuse_whole_input(
    candidates: list[Series], series: list[Series]
) -> tuple[Reason, str] | None:
    """Reasons that concern all candidates at once.

    A second patient counts even where none of their axial CT is suited: whose scan the folder
    is meant to hold cannot be known.
    """
    axial = [s for s in series if s.description_class is DescriptionClass.AXIAL_CT]
    patients = {s.patient for s in [*candidates, *axial]} - {""}
    if len(patients) > 1:
        return Reason.MIXED_PATIENTS, f"{len(patients)} patient identifiers among axial CT series"
    nifti = [s for s in candidates if s.description_class is DescriptionClass.NIFTI_VOLUME]
    if nifti and len(candidates) > 1:
        return Reason.AMBIGUOUS_INPUT, f"{len(nifti)} NIfTI files among {len(candidates)} images"
    return None


def series_id(number: int) -> str:
    """The pseudonym of the n-th series, counted from 0: S01, S02, ..."""
    return f"S{number + 1:02d}"
