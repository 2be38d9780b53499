"""Which series lie in a participant's input: headers read, files grouped, geometry measured."""

import dataclasses
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bonecast.dicom import geometry, vocabulary
from bonecast.dicom.headers import FileKind, Header, as_float, quiet_pydicom, read_header
from bonecast.dicom.listing import is_nifti, list_files, listing_digest
from bonecast.dicom.vocabulary import DescriptionClass
from bonecast.reasons import Reason

COSINE_TOLERANCE = 2e-3
"""Direction cosines of one stack agree within this; scanners round them differently per slice."""


@dataclass
class Series:
    """One series, or the part of one that forms a stack.

    Attributes:
        files: indices into the sorted listing, ascending.
        slices: images, counting the frames of multi-frame objects.
        stack: geometry of the slices; None where positions or orientation are missing.
        n_damaged: files whose pixel data are missing or cut short.
        n_copies: files left out because they hold an image a second time.
        syntax: name of the transfer syntax, `several` where files differ, empty where unknown.
        body_part: one of vocabulary's words for the part of the body, empty where unknown.
        study: number of its study in the input, in order of date.
        days: from the first study of the input; None without dates.
        patient_number: which of the patients in the input, in order of appearance.
        patient: patient identifier, to tell patients apart; never written.
        sort_key: order of the series in the study; never written.
    """

    description_class: DescriptionClass
    modality: str
    files: list[int]
    slices: int
    rows: int = 0
    columns: int = 0
    pixel_mm: float | None = None
    thickness_mm: float | None = None
    kvp: float | None = None
    kernel: str = ""
    contrast: bool | None = None
    orientation: str = ""
    image_type: str = ""
    stack: geometry.Stack | None = None
    n_damaged: int = 0
    n_copies: int = 0
    syntax: str = ""
    body_part: str = ""
    manufacturer: str = ""
    model: str = ""
    study: int = 1
    days: int | None = None
    patient_number: int = 1
    defect: Reason | None = None
    defect_detail: str = ""
    patient: str = field(default="", repr=False)
    sort_key: tuple = field(default=(), repr=False)

    @property
    def spacing_mm(self) -> float | None:
        """Distance between slices."""
        if self.stack is None or not np.isfinite(self.stack.spacing_mm):
            return None
        return self.stack.spacing_mm


@dataclass
class Index:
    """What a participant's input holds.

    Attributes:
        series: in a fixed order; the n-th is called S<n>.
        others: files that belong to no series, by kind.
        listing: digest of the listing that the file indices refer to.
        missing: NO_INPUT or EMPTY_FOLDER where there is nothing at all.
    """

    series: list[Series]
    others: dict[FileKind, list[int]]
    listing: str
    missing: Reason | None = None


def index_source(source: str | Path) -> Index:
    """Read every header of a folder (any nesting, any mix) or of one NIfTI file.

    Raises:
        OSError: a folder cannot be read.
    """
    files = list_files(source)
    if not files:
        return Index([], {}, "", Reason.NO_INPUT if files is None else Reason.EMPTY_FOLDER)
    headers: list[Header] = []
    others: dict[FileKind, list[int]] = defaultdict(list)
    nifti: list[int] = []
    with quiet_pydicom():
        for number, path in enumerate(files):
            if is_nifti(path):
                nifti.append(number)
                continue
            found = read_header(path, number)
            if isinstance(found, FileKind):
                others[found].append(number)
            else:
                headers.append(found)
    series = [part for group in _group(headers) for part in _split(group)]
    series.sort(key=lambda one: one.sort_key)
    for number in nifti:
        series.append(_index_nifti(files[number], number))
    return Index(series, dict(others), listing_digest(source, files))


def _group(headers: list[Header]) -> list[list[Header]]:
    """Headers that share a series identifier, matrix, voxel size and orientation.

    Damaged files that say no more than their series join its largest group.
    """
    exact: dict[tuple, list[Header]] = defaultdict(list)
    stumps: list[Header] = []
    for header in headers:
        if header.is_ct and not header.is_image:
            stumps.append(header)
            continue
        text = header.text
        flavour = text["image_type"].upper().split("\\")
        pixel = header.pixel_mm and tuple(round(mm, 4) for mm in header.pixel_mm)
        localizer = "LOCALIZER" in flavour
        key = (text["study_uid"], text["series_uid"], text["modality"], text["sop_class"])
        key += (header.numbers["rows"], header.numbers["columns"], pixel)
        key += (flavour[0], localizer, text["patient_id"])
        exact[key].append(header)
    groups = [part for members in exact.values() for part in _by_orientation(members)]
    for stump in stumps:
        same = [g for g in groups if g[0].text["series_uid"] == stump.text["series_uid"]]
        if same:
            max(same, key=len).append(stump)
        else:
            groups.append([stump])
    return groups


def _by_orientation(headers: list[Header]) -> list[list[Header]]:
    """Split where direction cosines differ by more than rounding."""
    groups = []
    bare = [header for header in headers if header.orientation is None]
    rest = [header for header in headers if header.orientation is not None]
    while rest:
        cosines = np.array([header.orientation for header in rest])
        close = np.abs(cosines - cosines[0]).max(axis=1) < COSINE_TOLERANCE
        groups.append([header for header, same in zip(rest, close, strict=True) if same])
        rest = [header for header, same in zip(rest, close, strict=True) if not same]
    return groups + ([bare] if bare else [])


def _split(group: list[Header]) -> list[Series]:
    """Describe a group; where positions repeat, its acquisitions may be the stacks."""
    unique, copies = _without_copies(group)
    whole = _describe(unique, copies)
    if whole.stack is None or whole.stack.n_duplicates == 0:
        return [whole]
    acquisitions: dict[str, list[Header]] = defaultdict(list)
    for header in unique:
        acquisitions[header.text["acquisition"]].append(header)
    parts = [_describe(members, 0) for members in acquisitions.values()]
    disjoint = all(part.stack and part.stack.n_duplicates == 0 for part in parts)
    # One slice per acquisition is one place watched over time, not several stacks.
    return parts if disjoint and max(part.slices for part in parts) > 1 else [whole]


def _without_copies(group: list[Header]) -> tuple[list[Header], int]:
    """Keep one file per image: exports often hold the same image under two names."""
    kept, seen = [], set()
    for header in group:
        instance = header.text["sop_uid"]
        if instance and instance in seen:
            continue
        seen.add(instance)
        kept.append(header)
    return kept, len(group) - len(kept)


def _describe(group: list[Header], copies: int) -> Series:
    first = group[0]
    text = first.text
    placed = all(h.positions_mm is not None for h in group if h.is_image) and first.is_image
    plane = geometry.plane_name(first.orientation)
    stack = None
    if placed and plane:
        images = [header for header in group if header.is_image]
        positions = np.concatenate([header.positions_mm for header in images])
        stack = geometry.measure_stack(positions, first.orientation)
    words = f"{text['description']} {text['protocol']}"
    return Series(
        description_class=vocabulary.description_class(
            text["image_type"], words, text["modality"], first.is_ct, plane if placed else ""
        ),
        modality=vocabulary.modality_code(text["modality"]),
        files=sorted(header.file for header in group),
        slices=sum(header.numbers["frames"] for header in group if header.is_image),
        rows=first.numbers["rows"],
        columns=first.numbers["columns"],
        pixel_mm=None if first.pixel_mm is None else first.pixel_mm[1],
        thickness_mm=as_float(text["thickness_mm"]),
        kvp=as_float(text["kvp"]),
        kernel=vocabulary.kernel_name(text["kernel"]),
        contrast=vocabulary.has_contrast(text["contrast_agent"], words),
        orientation=plane,
        image_type=text["image_type"].upper(),
        stack=stack,
        n_damaged=sum(not header.complete for header in group),
        n_copies=copies,
        patient=text["patient_id"],
        sort_key=_sort_key(first),
    )


def _sort_key(header: Header) -> tuple:
    text = header.text
    number = as_float(text["series_number"])
    number = float("inf") if number is None else number
    return (text["study_date"], text["study_uid"], number, text["series_uid"], header.file)


def _index_nifti(path: Path, number: int) -> Series:
    """Describe a NIfTI file by its header."""
    from bonecast.dicom import nifti

    shape, spacing_mm, defect = nifti.read_geometry(path)
    series = Series(
        description_class=DescriptionClass.NIFTI_VOLUME,
        modality="",
        files=[number],
        slices=shape[2] if shape else 0,
        defect=defect[0] if defect else None,
        defect_detail=defect[1] if defect else "",
    )
    if not shape:
        return series
    steps = geometry.Stack(
        order=np.arange(shape[2]),
        spacing_mm=spacing_mm[2],
        n_duplicates=0,
        n_uneven=0,
        n_missing=0,
        shear_mm=0.0,
        coverage_mm=spacing_mm[2] * (shape[2] - 1),
        smallest_gap_mm=spacing_mm[2],
        largest_gap_mm=spacing_mm[2],
    )
    return dataclasses.replace(
        series,
        rows=shape[1],
        columns=shape[0],
        pixel_mm=spacing_mm[0],
        orientation="axial",
        stack=steps,
    )
