"""How a scan was made, from its header, with nothing that says whose it is."""

import hashlib
from statistics import median

from pydicom.dataset import Dataset

from bonecast.dicom import vocabulary
from bonecast.dicom.contrast import HeaderContrast, read_contrast
from bonecast.dicom.headers import DAMAGE, FrameGroups, as_float

AGE_CAP_YEARS = 90
"""Ages of 90 and more identify (45 CFR 164.514(b)(2)(i)(C)): they are all given as 90."""

AGE_UNITS_PER_YEAR = {"Y": 1.0, "M": 12.0, "W": 365.25 / 7, "D": 365.25}

EMPTY: dict[str, object] = (
    dict.fromkeys(
        (
            *("manufacturer", "model", "kvp", "tube_current_ma", "kernel", "slice_thickness_mm"),
            *("pixel_spacing_mm", "reconstruction_fov_mm", "table_height_mm"),
            *("patient_age_years", "patient_sex", "scanner_key", "pixel_fov_mm"),
            *("slice_spacing_mm", "days_offset"),
        )
    )
    | HeaderContrast().facts()
)
"""Facts of a scan whose source says none: a NIfTI file."""


def acquisition_facts(
    dataset: Dataset, tube_currents_ma: list[float], secret: bytes = b""
) -> dict[str, object]:
    """Technical facts of a series; None where the header does not say.

    Args:
        dataset: header of the first file.
        tube_currents_ma: of every file; the median is given, since most scans modulate it.
        secret: mixed into the scanner's key.
    """
    groups = FrameGroups(dataset)

    def number(name: str, sequence: str = "", item: int | None = None) -> float | None:
        value = groups.value(0, sequence, name) if sequence else None
        value = element(dataset, name) if value is None else value
        if item is not None and value is not None:
            value = value[item]
        return as_float(str(value)) if value is not None else None

    def text(name: str) -> str:
        value = element(dataset, name)
        return "" if value is None else str(value)

    kernel = groups.value(0, "CTReconstructionSequence", "ConvolutionKernel")
    kernel = element(dataset, "ConvolutionKernel") if kernel is None else kernel
    parts = kernel if isinstance(kernel, str) else "\\".join(str(part) for part in kernel or [])
    sex = text("PatientSex").upper()
    pixel_mm = number("PixelSpacing", "PixelMeasuresSequence", item=1)
    columns = number("Columns")
    return EMPTY | {
        "scanner_key": scanner_key(dataset, secret),
        "manufacturer": vocabulary.manufacturer_name(text("Manufacturer")) or None,
        "model": vocabulary.model_name(text("ManufacturerModelName")) or None,
        "kvp": number("KVP", "CTXRayDetailsSequence"),
        "tube_current_ma": median(tube_currents_ma) if tube_currents_ma else None,
        "kernel": vocabulary.kernel_name(parts) or None,
        "slice_thickness_mm": number("SliceThickness", "PixelMeasuresSequence"),
        "pixel_spacing_mm": pixel_mm,
        "pixel_fov_mm": round(pixel_mm * columns, 3) if pixel_mm and columns else None,
        "reconstruction_fov_mm": number("ReconstructionDiameter", "CTReconstructionSequence"),
        "table_height_mm": number("TableHeight"),
        "patient_age_years": age_years(text("PatientAge")),
        "patient_sex": sex if sex in ("F", "M") else None,
        **read_contrast(dataset).facts(),
    }


NO_MACHINE = {"ANONYMIZED", "ANONYMISED", "REMOVED", "UNKNOWN", "NONE"}
"""What stands for a serial number or a station in de-identified files."""


def scanner_key(dataset: Dataset, secret: bytes) -> str | None:
    """A pseudonym of the scanner: the same for the same machine, and no way back without `secret`.

    Returns:
        `SC-` and 8 hexadecimal digits of a keyed BLAKE2b; None where the header has neither
        serial number nor station name, for make and model alone are no machine.
    """
    serial, station, *make = (
        "" if (value := element(dataset, name)) is None else str(value).strip().upper()
        for name in ("DeviceSerialNumber", "StationName", "Manufacturer", "ManufacturerModelName")
    )
    serial, station = ("" if name in NO_MACHINE else name for name in (serial, station))
    if not serial and not station:
        return None
    key = hashlib.blake2b(secret, digest_size=32).digest()
    # A station that is renamed is the same machine.
    words = "\0".join([serial or station, *make])
    return "SC-" + hashlib.blake2b(words.encode(), key=key, digest_size=4).hexdigest()


def element(dataset: Dataset, name: str) -> object | None:
    """An element's value; None where it is missing or damaged: no fact is worth a scan."""
    try:
        return dataset.get(name)
    except DAMAGE:
        return None


def age_years(text: str) -> float | None:
    """An age string (`067Y`, `018M`) in years, at most AGE_CAP_YEARS; None where it is none."""
    text = text.strip().upper()
    if len(text) < 2 or not text[:-1].isdigit() or text[-1] not in AGE_UNITS_PER_YEAR:
        return None
    return min(round(int(text[:-1]) / AGE_UNITS_PER_YEAR[text[-1]], 1), float(AGE_CAP_YEARS))
