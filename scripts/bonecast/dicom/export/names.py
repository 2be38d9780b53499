"""When two ways of writing a patient's identity in a header mean the same person."""

import difflib
import re
import unicodedata
from dataclasses import dataclass

from pydicom import charset

from bonecast.dicom.headers import quiet_pydicom

SIMILAR_NAMES = 0.85
"""Names at least this alike (difflib's ratio) are one name with a slip of the pen."""

SPELLINGS = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "ı": "i"})
"""Letters that are not made of a base letter and an accent."""


@dataclass(frozen=True, order=True)
class Identity:
    """What a header says of the patient, as it stands there, in Unicode."""

    patient_id: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""


def decode(text: str, character_set: str) -> str:
    """Text whose bytes were read one by one (Latin-1), by the header's own character set.

    Without a character set UTF-8 is tried first: it is hardly ever valid by chance.
    """
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        return text.strip()  # decoded before
    if raw.isascii() and b"\x1b" not in raw:
        return text.strip()
    if not character_set:
        try:
            return raw.decode("utf-8").strip()
        except UnicodeDecodeError:
            return text.strip()
    with quiet_pydicom():
        encodings = charset.convert_encodings(character_set.split("\\"))
        return charset.decode_bytes(raw, encodings, {"^", "="}).strip()


def fold(text: str) -> str:
    """A name without case, accents, signs and order of its parts: `Müller^Eva` is `eva muller`.

    Of the spellings of a name in several scripts the first counts. Umlauts written as two
    letters (`Mueller`) are the same as one.
    """
    first = next(filter(None, text.split("=")), "")
    plain = unicodedata.normalize("NFKD", first).casefold().translate(SPELLINGS)
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    plain = re.sub(r"([aou])e", r"\1", plain)
    return " ".join(sorted(re.findall(r"[^\W_]+", plain)))


NO_NAME = {
    fold(words)
    for words in (
        *("anon", "anonym", "anonymous", "anonymized", "anonymised", "anonymisiert", "removed"),
        *("deidentified", "de identified", "no name", "noname", "none", "null", "nil", "hidden"),
        *("unknown", "unnamed", "unbekannt", "patient", "blank", "test", "na", "n a", "xxx"),
    )
}
"""What stands in headers in place of a name or an id, as `fold` gives it."""


def fold_id(patient_id: str) -> str:
    """An id without case, blanks, signs and leading zeros."""
    return re.sub(r"[\W_]", "", patient_id).casefold().lstrip("0")


def known_name(name: str) -> str:
    """A folded name, empty where it is only a placeholder."""
    folded = fold(name)
    return "" if folded in NO_NAME else folded


def names_a_patient(patient_id: str) -> bool:
    """Whether an id is more than a placeholder that many patients may share."""
    return bool(fold_id(patient_id)) and fold(patient_id) not in NO_NAME


def same_person(one: Identity, other: Identity) -> bool:
    """Whether two identities under the same patient id can be one person.

    Two birth dates differ: two persons. With one birth date a part of the name may change (by
    marriage); without, the names have to be alike but for parts that one leaves out. With neither
    name nor birth date to compare, the sex must not differ.
    """
    if len({one.birth_date, other.birth_date} - {""}) > 1:
        return False
    same_birth = bool(one.birth_date and other.birth_date)
    a, b = known_name(one.name), known_name(other.name)
    if not a or not b:
        return same_birth or {one.sex, other.sex} != {"F", "M"}
    parts, others = set(a.split()), set(b.split())
    if parts <= others or others <= parts:
        return True
    if same_birth and any(len(part) > 1 for part in parts & others):
        return True
    return difflib.SequenceMatcher(None, a, b).ratio() >= SIMILAR_NAMES
