"""Whether a scan is called what its DICOM header calls the patient.

Ids go into the names of results, tables and reports. One that is the record number or holds the
name is no pseudonym; public collections, whose headers hold pseudonyms already, do the same.
"""

import re
import unicodedata
from itertools import islice
from pathlib import Path

import pydicom

from bonecast.dicom.headers import DAMAGE, quiet_pydicom, raise_storage_fault
from bonecast.dicom.listing import is_nifti, list_files

ELEMENTS = ("PatientID", "OtherPatientIDs", "AccessionNumber", "PatientName", "PatientBirthName")

SHORTEST = 4
"""Letters and digits from which a header's word counts when it is but a part of an id."""

FILES_TRIED, FILES_READ = 50, 3
"""Files that are opened at most, and DICOM files among them that are believed."""


def id_in_header(scan_id: str, source: str | Path) -> bool:
    """Whether an id is, or holds, a word by which the headers of a source name the patient.

    Args:
        scan_id: as in the names of results.
        source: the participant's folder or file; of a NIfTI file nothing can be said: false.

    Raises:
        OSError: the disk or the permissions are at fault.
    """
    # Whoever opens a pipe waits for ever.
    files = (path for path in list_files(source) or [] if path.is_file() and not is_nifti(path))
    with quiet_pydicom():
        found = (words for path in islice(files, FILES_TRIED) if (words := _words(path)))
        return any(names(scan_id, words) for words in islice(found, FILES_READ))


def names(scan_id: str, words: set[str]) -> bool:
    """Whether an id equals one of a header's words or holds it, whatever the case and accents."""
    plain = _plain(scan_id)
    # A session or a prefix may have been added: its parts count too.
    parts = {plain, *(_plain(part) for part in re.split(r"[._-]", scan_id))}
    own = {_plain(word) for word in words} - {""}
    return bool(parts & own) or any(len(word) >= SHORTEST and word in plain for word in own)


def _words(path: Path) -> set[str]:
    """What a file calls its patient; empty where it is no DICOM file or does not say."""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(ELEMENTS))
        values = [str(header.get(name) or "") for name in ELEMENTS]
    except DAMAGE as error:
        raise_storage_fault(error)
        return set()
    # Of a name every part: family and given names in each script.
    return {word for value in values for word in (value, *re.split(r"[\^=\\\s,]+", value)) if word}


def _plain(text: str) -> str:
    """Letters and digits alone, without case and accents."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(sign for sign in decomposed if sign.isalnum())
