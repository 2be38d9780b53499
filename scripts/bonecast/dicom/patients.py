"""Which headers are of the same patient, though names are spelled in many ways."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bonecast.dicom.headers import Header

NAME_PARTS = 2
"""Components of a name that are compared: family and given name, not titles."""


@dataclass
class _Patient:
    """What is known of a patient; an empty field is not known.

    Attributes:
        identifier: in lower case, without blanks around.
        words: of the name, in lower case.
        birth: digits of the date of birth.
    """

    identifier: str
    words: frozenset[str]
    birth: str

    @property
    def n_known(self) -> int:
        return sum(map(bool, (self.identifier, self.words, self.birth)))

    def agrees(self, other: "_Patient") -> bool:
        """Whether no known field contradicts; a name may say more than another."""
        for mine, its in ((self.identifier, other.identifier), (self.birth, other.birth)):
            if mine and its and mine != its:
                return False
        return self.words <= other.words or self.words >= other.words

    def add(self, other: "_Patient") -> None:
        self.identifier = self.identifier or other.identifier
        self.birth = self.birth or other.birth
        self.words |= other.words


def number_patients(headers: Sequence[Header]) -> list[int]:
    """Number the patients of many headers from 1, in order of appearance.

    Two headers are of one patient unless identifier, name or date of birth are known of both
    and differ. Case, separators, titles and further names make no difference; of letters
    outside ASCII, which may be coded in several ways, the rest of the name decides.

    Returns:
        A number per header.
    """
    texts = [
        tuple(header.text[name] for name in ("patient_id", "patient_name", "birth_date"))
        for header in headers
    ]
    identities = {text: _identity(*text) for text in dict.fromkeys(texts)}
    patients: list[_Patient] = []
    of: dict[tuple[str, str, str], int] = {}
    # Who says most comes first: a header that says nothing joins another's patient.
    for text, identity in sorted(identities.items(), key=lambda item: -item[1].n_known):
        number = next((n for n, one in enumerate(patients) if one.agrees(identity)), None)
        if number is None:
            number = len(patients)
            patients.append(identity)
        else:
            patients[number].add(identity)
        of[text] = number
    appearance = list(dict.fromkeys(of[text] for text in texts))
    return [appearance.index(of[text]) + 1 for text in texts]


def _identity(identifier: str, name: str, birth: str) -> _Patient:
    return _Patient(
        identifier.strip().casefold(), _words(name), "".join(re.findall(r"\d", birth, re.ASCII))
    )


def _words(name: str) -> frozenset[str]:
    """Words of a person name (PS3.5 6.2.1.1): `DOE^JANE^^DR` gives doe and jane."""
    alphabetic = next(filter(None, name.split("=")), "")
    parts = " ".join(alphabetic.split("^")[:NAME_PARTS])
    plain = parts.encode("ascii", errors="ignore").decode().casefold()
    words = re.findall(r"[a-z]+", plain) if "\x1b" not in parts else []
    # A name without any Latin letter is compared as it stands.
    return frozenset(words or parts.split())
