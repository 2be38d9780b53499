"""What measuring needs of a series, and what any volume needs.

The first need that a series does not meet is the reason why it is not measured.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bonecast.dicom.geometry import MAX_SHEAR_MM, MAX_TILT_DEGREES
from bonecast.dicom.index import Series
from bonecast.dicom.nifti import MAX_VOXELS
from bonecast.dicom.scoring import Settings, coverage_mm, thickness_mm
from bonecast.dicom.vocabulary import DescriptionClass
from bonecast.reasons import Excluded, Reason

VOLUME_SLICES = 3
"""Fewer make no volume, whoever asks for it; the schema allows no smaller ingest.min_slices."""

NOT_CT = {
    DescriptionClass.OTHER_MODALITY: "",
    DescriptionClass.SECONDARY: "not stored as CT images",
}
"""Classes without attenuation values."""

NOT_SLICES: dict[DescriptionClass, tuple[Reason, str]] = {
    DescriptionClass.LOCALIZER: (Reason.LOCALIZER, "named so in its header"),
    DescriptionClass.PROJECTION: (Reason.PROJECTION, "named so in its header"),
    DescriptionClass.FUNCTIONAL_MAP: (
        Reason.NOT_HU,
        "a map or difference of acquisitions by its header",
    ),
}
"""Classes that words of the header tell."""


def check_suited(series: Series, settings: Settings) -> None:
    """Hold a series against what measuring needs.

    Raises:
        Excluded: the first need that is not met.
    """
    for need in NEEDS:
        need.check(series, settings)


def check_volume(series: Series, settings: Settings) -> None:
    """Hold a series against what a volume needs at all; limits of preference are not asked.

    Raises:
        Excluded: the first such need that is not met.
    """
    for need in NEEDS:
        if need.of_any_volume:
            need.check(series, settings)


@dataclass(frozen=True)
class Need:
    """One requirement.

    Attributes:
        check: raises Excluded where a series does not meet it, given the settings.
        of_any_volume: it holds for a series that the user names, too.
    """

    check: Callable[[Series, Settings], None]
    of_any_volume: bool = True


def _readable(series: Series, _: Settings) -> None:
    if series.defect:
        raise Excluded(series.defect, series.defect_detail)


def _of_ct(series: Series, _: Settings) -> None:
    if series.description_class in NOT_CT:
        detail = NOT_CT[series.description_class] or f"modality {series.modality or 'missing'}"
        raise Excluded(Reason.NOT_CT, detail)


def _of_slices(series: Series, _: Settings) -> None:
    if series.description_class in NOT_SLICES:
        raise Excluded(*NOT_SLICES[series.description_class])


def _complete(series: Series, _: Settings) -> None:
    if series.n_damaged:
        raise Excluded(
            Reason.CORRUPT_PIXELS,
            f"{series.n_damaged} of {len(series.files)} files without all their pixels",
        )


def _placed(series: Series, _: Settings) -> None:
    unplaced = series.description_class is DescriptionClass.NO_GEOMETRY or series.stack is None
    if unplaced or series.pixel_mm is None:
        raise Excluded(Reason.NO_GEOMETRY, "positions, orientation or pixel spacing missing")


def _of_size(series: Series, _: Settings) -> None:
    voxels = series.slices * series.rows * series.columns
    if voxels > MAX_VOXELS:
        raise Excluded(Reason.NOT_A_VOLUME, f"its headers tell of {voxels:.1e} voxels: too many")


def _axial(series: Series, _: Settings) -> None:
    if series.description_class is DescriptionClass.REFORMAT:
        raise Excluded(Reason.NOT_AXIAL, f"{series.orientation} slices")


def _at_least(series: Series, slices: int) -> None:
    if series.slices < slices:
        raise Excluded(Reason.TOO_FEW_SLICES, f"{series.slices} slices, at least {slices} needed")


def _single(series: Series, _: Settings) -> None:
    stack = series.stack
    if stack.n_duplicates:
        raise Excluded(
            Reason.DUPLICATE_SLICES,
            f"{stack.n_duplicates} of {series.slices} slices at a position taken by another",
        )


def _even(series: Series, settings: Settings) -> None:
    stack, resample = series.stack, settings.resample
    if not stack.n_uneven:
        return
    found = (
        f"{stack.n_uneven} of {series.slices - 1} distances differ from "
        f"{stack.spacing_mm:.2f} mm; room for {stack.n_missing} missing slices"
    )
    if not resample.get("uneven"):
        found += "; ingest.resample.uneven is off"
        raise Excluded(Reason.UNEVEN_SLICES, found)
    limit, widest = resample["max_gap_mm"], stack.largest_gap_mm
    if widest > limit:
        found += f"; the widest is {widest:.2f} mm, ingest.resample.max_gap_mm is {limit:g}"
        raise Excluded(Reason.UNEVEN_SLICES, found)


def _upright(series: Series, settings: Settings) -> None:
    stack = series.stack
    if not stack.is_tilted:
        return
    if stack.bend_mm > MAX_SHEAR_MM:
        raise Excluded(
            Reason.NO_GEOMETRY,
            f"slices lie up to {stack.bend_mm:.1f} mm beside a straight stack: no tilt does that",
        )
    found = (
        f"slices shifted by {stack.shear_mm:.1f} mm over the stack "
        f"({stack.tilt_degrees:.1f} degrees)"
    )
    if not settings.resample.get("tilt"):
        raise Excluded(Reason.GANTRY_TILT, f"{found}; ingest.resample.tilt is off")
    if stack.tilt_degrees > MAX_TILT_DEGREES:
        raise Excluded(Reason.GANTRY_TILT, f"{found}, more than any gantry tilts")


def _thin_enough(series: Series, settings: Settings) -> None:
    thickness, limit = thickness_mm(series), settings.max_thickness_mm
    if thickness > limit:
        raise Excluded(Reason.TOO_THICK, f"{thickness:.1f} mm, at most {limit:.1f} wanted")


def _long_enough(series: Series, settings: Settings) -> None:
    coverage, needed = coverage_mm(series), settings.min_coverage_mm
    if coverage < needed:
        raise Excluded(
            Reason.TOO_LITTLE_COVERAGE, f"{coverage:.0f} mm, at least {needed:.0f} needed"
        )


NEEDS = (
    Need(_readable),
    Need(_of_ct),
    Need(_of_slices, of_any_volume=False),
    Need(_complete),
    Need(_placed),
    Need(_of_size),
    Need(_axial, of_any_volume=False),
    Need(lambda series, settings: _at_least(series, settings.min_slices), of_any_volume=False),
    Need(lambda series, settings: _at_least(series, min(settings.min_slices, VOLUME_SLICES))),
    Need(_single),
    Need(_even),
    Need(_upright),
    Need(_thin_enough, of_any_volume=False),
    Need(_long_enough, of_any_volume=False),
)
"""In the order in which they are asked: what comes first is told first."""
