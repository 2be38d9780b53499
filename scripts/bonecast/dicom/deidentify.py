"""The chosen series as DICOM files that may be shared: PS3.15 Basic Profile.

The profile's table (DICOM PS3.15 table E.1-1, edition 2026c) and its actions are those of the
dicom-anonymizer library. The library acts on the top level of a data set and makes random
identifiers. Here it is led through nested sequences too, identifiers become keyed digests, so
that a second export gives the same files. The profile leaves some free text, such as kernel and
software: it is removed, or replaced by a word of `vocabulary`'s lists. What still holds a word of
the patient's names and numbers is removed too.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
from dicomanonymizer.simpledicomanonymizer import anonymize_dataset, initialize_actions, keep
from pydicom import uid
from pydicom.datadict import dictionary_has_tag, repeater_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from bonecast.dicom import vocabulary
from bonecast.dicom.chosen import chosen_files
from bonecast.dicom.headers import DAMAGE, quiet_pydicom, raise_storage_fault
from bonecast.dicom.table import read_choice
from bonecast.reasons import Excluded, Reason

EDITION = "dicomfields_2026c"
"""Edition of table E.1-1 in the library's words."""

METHOD = "DICOM PS3.15 2026c Basic Profile"
"""At most 64 characters (LO)."""

BASIC_PROFILE = ("113100", "DCM", "Basic Application Confidentiality Profile")
"""Code of PS3.16 CID 7050."""

IDENTITY = (
    *("PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthName"),
    *("PatientMotherBirthName", "PatientAddress", "PatientTelephoneNumbers", "AccessionNumber"),
    *("IssuerOfPatientID", "ReferringPhysicianName", "DeviceSerialNumber"),
)
"""Attributes whose words may be nowhere in what is written."""

MIN_WORD = 4
"""Shorter words of a name or number are found anywhere by chance."""

TEXT = ("AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT", "UN")
"""Kinds of value (VR) that may hold words."""

FREE_TEXT = ("LO", "LT", "SH", "ST", "UC", "UN", "UT")
"""Those of them that people type."""

CODES = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
"""Free text by its kind that stays: without it a sequence of codes says nothing."""

WORDS = {
    "Manufacturer": vocabulary.manufacturer_name,
    "ManufacturerModelName": vocabulary.model_name,
    "ConvolutionKernel": lambda text: vocabulary.kernel_name(text).replace("/", "\\"),
}
"""Free text that stays in our own words."""

GRAPHICS = (0x5000, 0x6000)
"""Groups of curves and overlays (50xx, 60xx)."""

STANDARD_UIDS = "1.2.840.10008."
"""Identifiers of the standard itself: they say what a thing is, not whose."""


def export_scan(
    name: str,
    source: str | Path,
    series_table: str | Path,
    facts: Mapping[str, object],
    key: bytes,
    folder: Path,
) -> dict[str, object]:
    """Write the chosen series of a scan that was converted; of another nothing.

    Args:
        name: the scan's pseudonym.
        source: its folder, list of files or NIfTI file.
        series_table: series.tsv of the same source.
        facts: content of its ct.json.
        key, folder: as of `deidentify_series`.

    Returns:
        The content of about.json: status, reason and detail as in ct.json, what was written.

    Raises:
        RuntimeError: the source changed after it was indexed.
        OSError: the disk is at fault.
    """
    about = {key: facts[key] for key in ("participant_id", "status", "reason", "detail")}
    if about["status"] != "ok":
        return about
    choice = read_choice(series_table)
    if choice.is_nifti:
        return about | {
            "status": "excluded",
            "reason": str(Reason.NOT_CT),
            "detail": "the source is NIfTI: there is no DICOM to export",
        }
    files = chosen_files(source, choice)
    try:
        deidentify_series(files, name, key, folder)
    except Excluded as error:
        return about | {
            "status": "excluded",
            "reason": str(error.reason),
            "detail": error.detail,
        }
    return about | {"series": choice.series, "files": len(files), "method": METHOD}


def deidentify_series(files: list[Path], name: str, key: bytes, folder: Path) -> None:
    """Write the files of a series as 00001.dcm and so on.

    Args:
        files: of one scan, in any order that is the same every time.
        name: the scan's pseudonym, which becomes the patient's name and id.
        key: bytes that nobody else has; identifiers are digests keyed by it.
        folder: exists and is empty.

    Raises:
        Excluded: CORRUPT_PIXELS, a file cannot be read or cleaned; the folder is empty then.
        OSError: the disk is at fault.
    """
    with quiet_pydicom():
        for number, path in enumerate(files, start=1):
            try:
                dataset = pydicom.dcmread(path, force=True)
                _complete(dataset, f"{name} {number}")
                clean = deidentify(dataset, name, key)
                clean.save_as(folder / f"{number:05d}.dcm", enforce_file_format=True)
            except DAMAGE as error:
                for written in folder.iterdir():
                    written.unlink()
                raise_storage_fault(error)
                raise Excluded(
                    Reason.CORRUPT_PIXELS,
                    f"file {number} of {len(files)} of the series: {type(error).__name__}",
                ) from None


def deidentify(dataset: Dataset, name: str, key: bytes) -> Dataset:
    """A data set without what identifies; pixels and geometry stay as they are.

    Args:
        dataset: is changed.
        name, key: as of `deidentify_series`.

    Raises:
        one of DAMAGE: a value cannot be read, or is of a kind that the library cannot clean.
    """
    if "PixelData" not in dataset:
        raise ValueError("no pixels")
    words = identity_words(dataset)
    syntax = dataset.file_meta.get("TransferSyntaxUID", uid.ImplicitVRLittleEndian)
    _clear_overlay_bits(dataset, syntax)
    _clean(dataset, key, words)
    dataset.PatientName = dataset.PatientID = name
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "REMOVED"
    dataset.DeidentificationMethod = METHOD
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = BASIC_PROFILE
    dataset.DeidentificationMethodCodeSequence = Sequence([code])
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    dataset.file_meta = meta
    dataset.preamble = b"\0" * 128
    return dataset


def identity_words(dataset: Dataset) -> set[str]:
    """Words of the patient's names and numbers, in small letters."""
    values = " ".join(str(dataset.get(name, "")) for name in IDENTITY)
    return {word for word in re.findall(r"[^\W_]+", values.casefold()) if len(word) >= MIN_WORD}


def _complete(dataset: Dataset, substitute: str) -> None:
    """Fill class and identifier of an image where only the file's meta header has them, or none."""
    for name, meta, default in (
        ("SOPClassUID", "MediaStorageSOPClassUID", uid.CTImageStorage),
        ("SOPInstanceUID", "MediaStorageSOPInstanceUID", substitute),
    ):
        if not dataset.get(name):
            setattr(dataset, name, dataset.file_meta.get(meta) or default)


def _clear_overlay_bits(dataset: Dataset, syntax: str) -> None:
    """Clear overlays that lie in unused bits of the pixels (retired in 2004): they may be text.

    Raises:
        ValueError: in values that are not 16 bits.
    """
    stored = range(dataset.HighBit + 1 - dataset.BitsStored, dataset.HighBit + 1)
    groups = [tag.group for tag in list(dataset.keys()) if tag.group & 0xFF00 == GRAPHICS[1]]
    bits = {
        int(dataset[group, 0x0102].value)
        for group in dict.fromkeys(groups)
        if (group, 0x0102) in dataset and (group, 0x3000) not in dataset
    } - {*stored}
    if not bits:
        return
    if dataset.BitsAllocated != 16 or uid.UID(syntax).is_compressed:
        raise ValueError("an overlay within pixels of another size than 16 bits")
    order = ">" if syntax == uid.ExplicitVRBigEndian else "<"
    pixels = np.frombuffer(dataset.PixelData, f"{order}u2")
    unused = np.array(0xFFFF ^ sum(1 << bit for bit in bits), pixels.dtype)
    dataset.PixelData = (pixels & unused).astype(pixels.dtype).tobytes()


def _clean(dataset: Dataset, key: bytes, words: set[str]) -> None:
    """Apply the profile to a data set and to those nested in it."""
    for tag in [tag for tag in list(dataset.keys()) if _is_unknown(tag)]:
        del dataset[tag]
    for element in _elements(dataset):
        if element.VR == "SQ":
            for item in element.value:
                _clean(item, key, words)
        elif element.VR == "UI" and element.value:
            element.value = _keyed(element.value, key)
    _clean_text(dataset)
    present = {(element.tag.group, element.tag.element) for element in dataset}
    rules = {tag: rule for tag, rule in _profile().items() if len(tag) > 2 or tag in present}
    anonymize_dataset(dataset, base_rules_gen=lambda: rules)
    for element in _elements(dataset):
        if element.VR in TEXT and any(word in _text(element) for word in words):
            del dataset[element.tag]


def _clean_text(dataset: Dataset) -> None:
    """Take out free text that the profile would leave, or put it in our own words."""
    for element in _elements(dataset):
        if element.keyword in WORDS and element.value:
            parts = element.value if isinstance(element.value, MultiValue) else [element.value]
            said = WORDS[element.keyword]("\\".join(map(str, parts)))
            element.value = "" if said == "other" else said
            continue
        listed = element.keyword in CODES or (element.tag.group, element.tag.element) in _profile()
        if element.VR in FREE_TEXT and element.keyword not in WORDS and not listed:
            del dataset[element.tag]


def _is_unknown(tag: BaseTag) -> bool:
    """Whether an element is of no use for a CT and outside the profile's table.

    Of overlays and curves the table removes the data and the comments, not labels and descriptions
    typed beside them. A public element that the standard's dictionary lacks may be anything.
    """
    if tag.is_private:
        return False  # the profile removes it
    return tag.group & 0xFF00 in GRAPHICS or not (dictionary_has_tag(tag) or repeater_has_tag(tag))


def _elements(dataset: Dataset) -> Iterator[DataElement]:
    """The elements of a data set, which may be deleted on the way."""
    for tag in list(dataset.keys()):
        yield dataset[tag]


def _text(element: DataElement) -> str:
    value = element.value
    return (value.decode("latin-1") if isinstance(value, bytes) else str(value)).casefold()


def _keyed(value: str | MultiValue, key: bytes) -> str | list[str]:
    """The same new identifiers for the same old ones; those of the standard stay."""
    if isinstance(value, MultiValue):
        return [_keyed(one, key) for one in value]
    if value.startswith(STANDARD_UIDS):
        return value
    return uid.generate_uid(prefix="2.25.", entropy_srcs=[key.hex(), value])


@cache
def _profile() -> dict:
    """The library's rules by tag, but for identifiers, which are keyed here."""
    rules = initialize_actions(EDITION)
    return {
        tag: keep if action.__name__ == "replace_UID" else action for tag, action in rules.items()
    }
