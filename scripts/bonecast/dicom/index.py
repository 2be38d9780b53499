"""Which series lie in a participant's input: headers read, files grouped, geometry measured."""

import dataclasses
import datetime
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bonecast.dicom import geometry, vocabulary
from bonecast.dicom.grouping import Group, group_headers, measure
from bonecast.dicom.headers import FileKind, Header, as_float
from bonecast.dicom.listing import holds_one_person, is_nifti, list_files, listing_digest
from bonecast.dicom.patients import number_patients
from bonecast.dicom.scan import read_headers
from bonecast.dicom.vocabulary import DescriptionClass
from bonecast.reasons import Reason

FIRST_CT_YEAR = 1971
"""No patient was scanned earlier; such dates are placeholders."""


@dataclass
class Series:
    """One series, or the part of one that forms a stack.

    Attributes:
        files: indices into the sorted listing, ascending.
        slices: images, counting the frames of multi-frame objects. Of files that differ by their
            identifier alone one counts, as in `stack`: conversion compares their pixels.
        stack: geometry of the slices; None where positions or orientation are missing.
        n_damaged: files whose pixel data are missing or cut short.
        n_copies: files left out because they hold an image a second time.
        n_twins: files that seem to hold an image of the series under another identifier; they are
            not counted as slices, and compared with it when the series is converted.
        syntax: name of the transfer syntax, `several` where files differ, empty where unknown.
        body_part: vocabulary's words for the parts of the body, empty where unknown.
        study: number of its study in the input, in order of date.
        days: from the first study of the input; None without dates.
        patient_number: which of the patients in the input, in order of appearance.
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
    n_twins: int = 0
    syntax: str = ""
    body_part: str = ""
    manufacturer: str = ""
    model: str = ""
    study: int = 1
    days: int | None = None
    patient_number: int = 1
    defect: Reason | None = None
    defect_detail: str = ""
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
        missing: NO_INPUT or EMPTY_FOLDER where there is nothing at all, SET_ASIDE where nothing
            was looked at.
    """

    series: list[Series]
    others: dict[FileKind, list[int]]
    listing: str
    missing: Reason | None = None


def index_source(source: str | Path, processes: int = 1) -> Index:
    """Read every header of a folder (any nesting, any mix) or of one NIfTI file.

    Args:
        processes: how many read headers at once.

    Raises:
        OSError: a folder cannot be read, or a file has vanished.
    """
    files = list_files(source)
    if not files:
        return Index([], {}, "", Reason.NO_INPUT if files is None else Reason.EMPTY_FOLDER)
    nifti = [number for number, path in enumerate(files) if is_nifti(path)]
    rest = [number for number, path in enumerate(files) if not is_nifti(path)]
    headers: list[Header] = []
    others: dict[FileKind, list[int]] = defaultdict(list)
    read = read_headers([files[number] for number in rest], processes)
    for number, found in zip(rest, read, strict=True):
        if isinstance(found, FileKind):
            others[found].append(number)
        else:
            found.file = number
            headers.append(found)
    one_person = holds_one_person(source)
    series = series_of(headers, [1] * len(headers) if one_person else number_patients(headers))
    for number in nifti:
        series.append(_index_nifti(files[number], number))
    return Index(series, dict(others), listing_digest(source, files))


def series_of(headers: list[Header], patients: list[int]) -> list[Series]:
    """The series that headers form, in the order of S01, S02 and so on.

    Args:
        headers: of one input, each with its own `file`.
        patients: number of each header's patient.
    """
    of = dict(zip((header.file for header in headers), patients, strict=True))
    studies = _number_studies(headers)
    series = [
        _describe(group, of[group.headers[0].file], *studies[_study_key(group.headers[0])])
        for group in group_headers(headers, patients)
    ]
    return sorted(series, key=lambda one: one.sort_key)


def _study_key(header: Header) -> str:
    return header.text["study_uid"] or header.text["study_date"]


def _number_studies(headers: list[Header]) -> dict[str, tuple[int, int | None]]:
    """Number and days from the first study, by `_study_key`: in order of date, undated last."""
    members: dict[str, list[Header]] = defaultdict(list)
    for header in headers:
        members[_study_key(header)].append(header)
    dates: dict[str, datetime.date | None] = {}
    order: dict[str, tuple] = {}
    for key, own in members.items():
        found = [_date(h.text["study_date"]) or _date(h.text["acquisition_date"]) for h in own]
        dates[key] = min(filter(None, found), default=None)
        times = [h.text["acquisition_time"] for h in own if h.text["acquisition_time"]]
        order[key] = (dates[key] or datetime.date.max, min(times, default="~"), key)
    first = min(filter(None, dates.values()), default=None)
    ranked = sorted(members, key=order.__getitem__)
    return {
        key: (number, None if dates[key] is None else (dates[key] - first).days)
        for number, key in enumerate(ranked, start=1)
    }


def _date(text: str) -> datetime.date | None:
    """A date as DICOM writes it, or wrote it before 1993 (2024.02.29); None for placeholders."""
    match = re.fullmatch(r"(\d{4})\.?(\d\d)\.?(\d\d)", text, re.ASCII)
    try:
        date = datetime.date(*map(int, match.groups())) if match else None
    except ValueError:
        return None
    return date if date and date.year >= FIRST_CT_YEAR else None


def _describe(group: Group, patient: int, study: int, days: int | None) -> Series:
    headers = group.headers
    first = headers[0]
    text = first.text
    stack = measure(headers)
    words = f"{text['description']} {text['protocol']}"
    syntaxes = {vocabulary.syntax_name(header.text["syntax"]) for header in headers}
    modality = "CT" if first.is_ct else text["modality"]
    plane = geometry.plane_name(first.orientation)
    return Series(
        description_class=vocabulary.description_class(
            text["image_type"], words, modality, first.is_ct, plane if stack else ""
        ),
        modality=vocabulary.modality_code(modality),
        files=sorted(header.file for header in (*headers, *group.twins)),
        slices=sum(header.numbers["frames"] for header in headers if header.is_image),
        rows=first.numbers["rows"],
        columns=first.numbers["columns"],
        pixel_mm=None if first.pixel_mm is None else first.pixel_mm[1],
        thickness_mm=_positive(text["thickness_mm"]),
        kvp=_positive(text["kvp"]),
        kernel=vocabulary.kernel_name(text["kernel"]),
        contrast=vocabulary.has_contrast(text["contrast_agent"], words),
        orientation=plane,
        image_type=text["image_type"].upper(),
        stack=stack,
        n_damaged=sum(not header.complete for header in (*headers, *group.twins)),
        n_copies=group.n_copies,
        n_twins=len(group.twins),
        syntax=syntaxes.pop() if len(syntaxes) == 1 else "several",
        body_part=vocabulary.body_part_words(text["body_part"], words),
        manufacturer=vocabulary.manufacturer_name(text["manufacturer"]),
        model=vocabulary.model_name(text["model"]),
        study=study,
        days=days,
        patient_number=patient,
        sort_key=_sort_key(first, study),
    )


def _positive(text: str) -> float | None:
    value = as_float(text)
    return value if value is not None and value > 0 else None


def _sort_key(header: Header, study: int) -> tuple:
    number = as_float(header.text["series_number"])
    number = float("inf") if number is None else number
    return (study, number, header.text["series_uid"], header.file)


def _index_nifti(path: Path, number: int) -> Series:
    """Describe a NIfTI file by its header."""
    from bonecast.dicom import nifti

    shape, spacing_mm, stack, defect = nifti.read_geometry(path)
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
    return dataclasses.replace(
        series,
        rows=shape[1],
        columns=shape[0],
        pixel_mm=spacing_mm[0],
        orientation="axial",
        stack=stack,
    )
