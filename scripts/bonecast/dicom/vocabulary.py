"""Free text of DICOM headers turned into words of our own.

Descriptions, manufacturers and kernels are typed by people; names and dates have been
found in all of them. Only words of the lists below leave this module.
"""

import re
from enum import StrEnum

from bonecast.dicom.contrast_words import ENHANCED, ContrastWord, agent_word, contrast_words


class DescriptionClass(StrEnum):
    """What a series is, in our own words."""

    AXIAL_CT = "axial_ct"
    DERIVED_CT = "derived_ct"
    REFORMAT = "reformat"
    LOCALIZER = "localizer"
    PROJECTION = "projection"
    FUNCTIONAL_MAP = "functional_map"
    SECONDARY = "secondary"
    NO_GEOMETRY = "no_geometry"
    OTHER_MODALITY = "other_modality"
    NIFTI_VOLUME = "nifti_volume"
    NO_INPUT = "no_input"
    EMPTY_FOLDER = "empty_folder"
    SET_ASIDE = "set_aside"


LOCALIZER_WORDS = re.compile(
    r"(\b|_)(localizer|localiser|scouts?|topogram\w*|topo|surview|scanogram)(\b|_)", re.I
)

PROJECTION_WORDS = re.compile(
    r"(\b|_)((?:thin|slab|ax|cor|sag)?_?(?:m|min)ips?\d*|max_?ip|min_ip|m(ax|in)imum|"
    r"max\w*.intensity.proj\w*|volren|volume_?render\w*|vrt|"
    r"3d_?render\w*)(\b|_)",
    re.I,
)
"""Maximum and minimum intensity projections and renderings: not attenuation of a slice."""

FUNCTIONAL_WORDS = re.compile(
    r"(\b|_)(perfusion|r?cb[fv]|mtt|ttp|tmax|pbv|iodine(?!.?contrast)\w*|jod.?(karte|map|bild)\w*|"
    r"vnca?|virtual.?(non|un|nativ)\w*|z.?eff(ective)?|rho|electron.?density|uric.?acid|"
    r"water.?\(hap\)|mono(_?e|chrom\w*|energ\w*)(nergetic)?|vmi.?\d*|(mono\w*.?)?\d+.?kev|"
    r"ca.?supp\w*|calcium.?suppress\w*|subtract(ion|ed)|subtraktion|bone.?(remov|subtract)\w*|"
    r"knochen.?(entfern|subtra)\w*|"
    r"mat_(specific|removed|fractional|value_based|modified)|eff_atomic_num)(\b|_|(?<=\)))|\[hu\*",
    re.I,
)
"""Maps computed from several energies or times, differences of acquisitions, images with bone taken
out: their values are not HU at the tube voltage. Philips marks such units with an asterisk; the
words from `mat_` on are of image type value 4 of multi-energy CT (PS3.3 C.8.2.1.1.1)."""

SHARP_WORDS = re.compile(r"(bone|lung|edge|sharp|detail|ultra|hires|chst)", re.I)
SOFT_WORDS = re.compile(r"(standard|soft|smooth|body|abdomen)", re.I)
SOFT_CODES = {"STND", "A", "B", "C"}
SHARP_CODES = {"D", "E", "F", "L", "YA", "YB", "YC", "YD"}
"""Whole names: Philips' A to C are smooth to standard, D to F, L (lung) and YA to YD sharpen."""

SIEMENS = re.compile(r"[BHIQJDTUS][A-Za-z]?(\d{2})(?!\d)")
"""B30f, Br36d, Hr40, Qr40, J30f, D30f, T20f, U90u: letters, then the sharpness."""

KERNEL = re.compile(r"[A-Za-z]{0,3}\d{1,3}[A-Za-z]{0,2}(/\d{1,2})?|[A-Z]{1,2}")
"""A kernel's designation: B30f, Br38f/3, FC08, UB, 11."""

KERNEL_WORDS = {
    *("STANDARD", "STND", "SOFT", "DETAIL", "BONE", "BONEPLUS", "LUNG", "EDGE", "CHST", "ULTRA"),
    *("SMOOTH", "SHARP", "BODY SHARP", "BODY STANDARD", "HD STANDARD", "HD BONE", "HD LUNG"),
    *("STANDARD+", "SOFT+", "BONE+", "HD SOFT", "HD DETAIL", "B_SOFT_A", "B_SOFT_B", "B_SOFT_C"),
    *("B_VSOFT_A", "B_VSOFT_B", "B_VSOFT_C", "B_SHARP_A", "B_SHARP_B", "B_SHARP_C", "LUNG_A"),
    *("LUNG_B", "LUNG_C", "BODY SOFT", "BODY"),
}

SIEMENS_SOFT_LIMIT = 45
"""Siemens body kernels B10-B45, Br36, I30 are smooth to medium; 46 and more sharpen edges."""

CANON_SOFT_LIMIT = 30
"""Toshiba/Canon kernels FC01-FC29 are body kernels; FC30 and more are for bone and lung."""

MANUFACTURERS = {
    "siemens": "Siemens",
    "ge medical": "GE",
    "ge healthcare": "GE",
    "general electric": "GE",
    "philips": "Philips",
    "marconi": "Philips",
    "picker": "Philips",
    "toshiba": "Canon",
    "canon": "Canon",
    "hitachi": "Fujifilm",
    "fuji": "Fujifilm",
    "neusoft": "Neusoft",
    "united imaging": "United Imaging",
    "uih": "United Imaging",
}
"""Beginning or part of (0008,0070), lower case, to one name per maker (and its successor)."""

MODEL = re.compile(
    r"(lightspeed|optima|revolution|discovery|brightspeed|hispeed|somatom|sensation|emotion|"
    r"biograph|definition|naeotom|volume zoom|brilliance|ingenuity|icon|incisive|iqon|gemini|"
    r"aquilion|asteion|alexion|activion|scenaria|supria|eclos|neuviz|\buct|\bumi)[\w +./-]*",
    re.I,
)
"""Product lines of CT scanners; the rest of the name follows."""

MODEL_LENGTH = 32
"""Characters of a model's name that are passed on."""

MODALITIES = {
    *("AU", "CR", "CT", "DX", "ECG", "ES", "KO", "MG", "MR", "NM", "OT", "PR", "PT", "PX", "REG"),
    *("RF", "RTDOSE", "RTIMAGE", "RTPLAN", "RTRECORD", "RTSTRUCT", "SC", "SEG", "SR", "US", "XA"),
}
"""Codes of (0008,0060) that are passed on."""


def modality_code(text: str) -> str:
    """A modality's code; `other` where it is none of the standard's common ones."""
    return text if text in MODALITIES or not text else "other"


def kernel_name(text: str) -> str:
    """A reconstruction kernel as written, if it looks like one; `other` if not, empty if missing.

    Args:
        text: (0018,1210), values separated by backslashes.
    """
    text = text.strip(" []'").replace("\\", "/").replace("', '", "/")
    if not text:
        return ""
    return text if KERNEL.fullmatch(text) or text.upper() in KERNEL_WORDS else "other"


def kernel_is_soft(kernel: str) -> bool | None:
    """Whether a kernel of `kernel_name` keeps edges unsharpened; None where that is unknown."""
    name = kernel.upper()
    if SHARP_WORDS.search(kernel) or name in SHARP_CODES:
        return False
    if SOFT_WORDS.search(kernel) or name in SOFT_CODES:
        return True
    if match := re.match(r"FC(\d{2})", kernel, re.I):
        return int(match[1]) < CANON_SOFT_LIMIT
    if match := SIEMENS.match(kernel):
        return int(match[1]) <= SIEMENS_SOFT_LIMIT
    return None


def manufacturer_name(text: str) -> str:
    """The maker of a scanner; `other` where it is none of the known ones, empty if missing."""
    lower = text.lower().strip()
    if not lower:
        return ""
    known = (name for part, name in MANUFACTURERS.items() if part in lower)
    return next(known, "GE" if lower == "ge" else "other")


def model_name(text: str) -> str:
    """A scanner's model from its product line on; `other` where the line is unknown."""
    text = text.strip()
    if not text:
        return ""
    match = MODEL.search(text)
    return match[0].strip()[:MODEL_LENGTH] if match else "other"


IMAGE_TYPE_WORDS = {
    **{"ORIGINAL": "original", "DERIVED": "derived", "PRIMARY": "primary"},
    **{"SECONDARY": "secondary", "AXIAL": "axial", "LOCALIZER": "localizer", "MPR": "mpr"},
    **{"REFORMATTED": "mpr", "MIP": "mip", "MINIP": "minip", "MIN_IP": "minip"},
    **{"AVERAGE": "average", "RESAMPLED": "resampled", "VOLUME": "volume", "HELICAL": "helical"},
    **{"HELIX": "helical", "SPI": "helical", "SEQ": "sequential", "PROJECTION": "projection"},
    **{"DOSE": "dose", "DOSE_INFO": "dose", "PERFUSION": "perfusion", "VRT": "rendering"},
    **{"VOLREN": "rendering", "SUBTRACTION": "subtraction", "SCREEN": "screen"},
}
"""Parts of (0008,0008), in capitals, and our word for each."""


def image_type_words(image_type: str) -> str:
    """What an image type says, in our own words, separated by blanks; others are left out.

    Args:
        image_type: (0008,0008), values separated by backslashes.
    """
    values = re.split(r"[\\\s]+", image_type.upper())
    return " ".join(dict.fromkeys(IMAGE_TYPE_WORDS[v] for v in values if v in IMAGE_TYPE_WORDS))


def has_contrast(agent: str, description: str = "") -> bool | None:
    """Whether contrast medium was given, from the header; None where it says nothing.

    Args:
        agent: (0018,0010) contrast agent.
        description: series description and protocol name.

    Returns:
        None also where the agent and the description contradict each other.
    """
    said = contrast_words(description) | {agent_word(agent)}
    given, native = bool(said & ENHANCED), ContrastWord.NATIVE in said
    return None if given == native else given


def description_class(
    image_type: str, description: str, modality: str, is_ct: bool, plane: str
) -> DescriptionClass:
    """What a series is.

    Args:
        image_type: (0008,0008), values separated by backslashes.
        description: series description and protocol name.
        modality: (0008,0060).
        is_ct: stored as a CT image object.
        plane: `axial`, `coronal`, `sagittal`, `oblique` or empty where unknown.
    """
    words = f"{image_type} {description}".replace("\\", " ")
    if modality != "CT":
        return DescriptionClass.OTHER_MODALITY
    if not is_ct:
        return DescriptionClass.SECONDARY
    if "LOCALIZER" in image_type.upper() or LOCALIZER_WORDS.search(words):
        return DescriptionClass.LOCALIZER
    if PROJECTION_WORDS.search(words):
        return DescriptionClass.PROJECTION
    if FUNCTIONAL_WORDS.search(words):
        return DescriptionClass.FUNCTIONAL_MAP
    if not plane:
        return DescriptionClass.NO_GEOMETRY
    if plane != "axial":
        return DescriptionClass.REFORMAT
    derived = image_type.upper().startswith("DERIVED")
    return DescriptionClass.DERIVED_CT if derived else DescriptionClass.AXIAL_CT


BODY_PARTS = {
    "whole_body": r"whole.?body|ganzk\w+|corps.?entier|polytrauma\w*",
    "spine": (
        r"[ctl]?.?spine|spin(al)?|lumbar\w*|vertebra\w*|\w*wirbel\w*|[bhl]ws|rachis|columna|colonna|"
        r"sacrum|cervicothoracic|thoracolumbar"
    ),
    "head": (
        r"head|skull|brain|crani\w+|face|facial|orbit\w*|sinus\w*|ear|jaw|maxilla|mandible|iac|kopf|"
        r"sch[^a-z]{0,3}a?e?del|nnh|t[eê]te|crane|cabeza|cerebral|hoofd|testa|dental"
    ),
    "neck": r"neck|carotid\w*|larynx|thyroid|hals|cou|cuello|collo|nek",
    "chest": (
        r"chest\w*|thorax\w*|thorac\w+|thx|lungs?|lungen\w*|heart|cardiac|coronar\w*|aorta|t[oó]rax|"
        r"torace|poumons?|sternum|ribs?|breast|trunk|torso|tap|cap|ctpa"
    ),
    "abdomen": (
        r"abdo?|abd[oô]m\w*|liver|kidneys?|renal|pancreas|kub|\w*bauch|buik|addome|urogra\w*|uro|"
        r"leber|nieren?|foie|reins|h[ií]gado|fegato|colon|colono\w*|trunk|torso|tap|cap"
    ),
    "pelvis": (
        r"pelvis|pelvic|pelve?|pelvien(ne)?|becken|bassin|bacino|bekken|bladder|prostate|hips?|"
        r"h[uü]fte|tap|cap"
    ),
    "limb": (
        r"extremit\w*|limb|arm|forearm|elbow|wrist|hand|finger|shoulder|clavicle|leg|thigh|femur|"
        r"knee|calf|ankle|foot|heel|toes?|humerus|tibia|knie|fu(ss|ß)|schulter"
    ),
}
"""Our words for parts of the body, and how (0018,0015) and people write them: English, German and
some of the French, Spanish, Italian and Dutch."""

JOINED_PARTS = re.compile(
    r"(chest|thorax|abdomen|abdo|abd|pelvis|pelv|neck|head|(?<=[a-z])spine|heart|brain)", re.I
)
"""Words of the standard's defined terms, which are written without blanks: CHESTABDPELVIS."""


def body_part_words(examined: str, description: str = "") -> str:
    """The parts of the body in view, in our own words, separated by blanks; empty if unknown.

    Args:
        examined: (0018,0015) body part examined.
        description: series description and protocol name, asked if that says nothing known.
    """
    for text in (JOINED_PARTS.sub(r" \1 ", examined), description):
        words = f" {re.sub(r'[\W_]+', ' ', text.lower())} "
        found = [part for part, ways in BODY_PARTS.items() if re.search(rf"[ \d]({ways}) ", words)]
        if found:
            return " ".join(found)
    return ""


SYNTAXES = {
    "": "",
    "1.2.840.10008.1.2": "implicit_le",
    "1.2.840.10008.1.2.1": "explicit_le",
    "1.2.840.10008.1.2.1.98": "encapsulated_le",
    "1.2.840.10008.1.2.1.99": "deflated",
    "1.2.840.10008.1.2.2": "big_endian",
    "1.2.840.10008.1.2.4.50": "jpeg_baseline",
    "1.2.840.10008.1.2.4.51": "jpeg_extended",
    "1.2.840.10008.1.2.4.57": "jpeg_lossless",
    "1.2.840.10008.1.2.4.70": "jpeg_lossless",
    "1.2.840.10008.1.2.4.80": "jpeg_ls",
    "1.2.840.10008.1.2.4.81": "jpeg_ls_lossy",
    "1.2.840.10008.1.2.4.90": "jpeg_2000",
    "1.2.840.10008.1.2.4.91": "jpeg_2000_lossy",
    "1.2.840.10008.1.2.4.92": "jpeg_2000",
    "1.2.840.10008.1.2.4.93": "jpeg_2000_lossy",
    "1.2.840.10008.1.2.4.110": "jpeg_xl",
    "1.2.840.10008.1.2.4.111": "jpeg_xl",
    "1.2.840.10008.1.2.4.112": "jpeg_xl_lossy",
    "1.2.840.10008.1.2.4.201": "htj2k",
    "1.2.840.10008.1.2.4.202": "htj2k",
    "1.2.840.10008.1.2.4.203": "htj2k_lossy",
    "1.2.840.10008.1.2.5": "rle",
    "1.2.840.10008.1.2.8.1": "deflated_frames",
    **{f"1.2.840.10008.1.2.4.{n}": "referenced" for n in (94, 95, 204, 205)},
    **{f"1.2.840.10008.1.2.4.{n}": "video" for n in range(100, 109)},
    **{f"1.2.840.10008.1.2.4.{n}.1": "video" for n in range(100, 107)},
    **{f"1.2.840.10008.1.2.7.{n}": "video" for n in range(1, 4)},
}
"""Transfer syntaxes (PS3.6, table A-1) and our word for each."""


def syntax_name(identifier: str) -> str:
    """The name of a transfer syntax; `other` for private and retired ones, empty if missing."""
    return SYNTAXES.get(identifier, "other")
