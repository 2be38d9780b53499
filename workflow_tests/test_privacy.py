"""Nothing that identifies a patient leaves the input folder: planted everywhere, found nowhere.

A cohort is made whose headers, file and folder names and unused columns hold what identifies
people. The whole workflow runs, with a job that crashes, and everything it left is searched, the
scripts of its jobs included: raw, unpacked and in every encoding.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from isal import igzip
from pydicom import Dataset, Sequence, uid
from pydicom.dataset import FileMetaDataset

from bonecast.phantom.anatomy import draw_torso
from bonecast.phantom.demo import true_masks
from bonecast.phantom.torso import Scanner, image_torso


@dataclass(frozen=True)
class Patient:
    """A patient and how their name is written.

    Attributes:
        scan_id: the pseudonym.
        name: as in the header, with its character set and that set's name in Python.
        traces: parts of the name to look for.
        damage: what is wrong with the files, empty for a scan to be measured.
    """

    scan_id: str
    name: str
    character_set: list[str]
    codec: str
    traces: tuple[str, ...]
    damage: str = ""


PATIENTS = (
    Patient("p01", "Grünwälder^Jörg", ["ISO_IR 100"], "latin-1", ("Grünwälder", "Jörg")),
    Patient("p02", "Достоевская^Аглая", ["ISO_IR 144"], "iso8859_5", ("Достоевская", "Аглая")),
    Patient(
        *("p03", "Παπαδοπούλου^Ελένη", ["ISO_IR 126"], "iso8859_7"),
        *(("Παπαδοπούλου", "Ελένη"), "few slices"),
    ),
    Patient(
        *("p04", "Yamadera^Tarousuke=山寺^太郎助", ["", "ISO 2022 IR 87"], "iso2022_jp"),
        *(("Yamadera", "Tarousuke", "山寺", "太郎助"), "cut"),
    ),
    Patient(
        *("p05", "Ouyang^XiaoDongMei=欧阳^小冬梅", ["GB18030"], "gb18030"),
        *(("Ouyang", "XiaoDongMei", "欧阳", "小冬梅"), "cut header"),
    ),
    Patient(
        *("p06", "Łukasiewiczówna^Świętosława", ["ISO_IR 192"], "utf-8"),
        ("Łukasiewiczówna", "Świętosława"),
    ),
    # The files say UTF-8 and hold Latin-1.
    Patient("p07", "Quiñónez^Íñigo", ["ISO_IR 192"], "latin-1", ("Quiñónez", "Íñigo")),
)
CRASHES, IS_NIFTI = "p07", "p06"

TEXTS = {
    "PatientID": "HX7734119",
    "IssuerOfPatientID": "Xyloburg PIX",
    "OtherPatientNames": "Zweigelstein^Quirina",
    "PatientBirthName": "Ochsenkrug",
    "PatientMotherBirthName": "Hagedornius",
    "PatientBirthDate": "19310417",
    "PatientBirthTime": "034217",
    "PatientAge": "093Y",
    "PatientAddress": "Kastanienallee 1147, Xyloburg",
    "PatientTelephoneNumbers": "+49 6221 5558123",
    "EthnicGroup": "Sorbisch-W",
    "Occupation": "Glockengiesser",
    "PatientComments": "neighbour of Vandersloot",
    "AdditionalPatientHistory": "fell in Oktoberwald",
    "CurrentPatientLocation": "Ward Q7 bed 12",
    "AdmissionID": "ADM8840021",
    "MedicalRecordLocator": "MRL-5540-77",
    "InsurancePlanIdentification": "AOK-7788-1",
    "AccessionNumber": "ACC5550123",
    "StudyID": "STU66120",
    "StudyDate": "20230615",
    "SeriesDate": "20230616",
    "AcquisitionDate": "20230617",
    "ContentDate": "20230618",
    "AcquisitionDateTime": "20230617134752.118342",
    "StudyTime": "134752.118",
    "InstitutionName": "Krankenhaus Xyloburg",
    "InstitutionAddress": "Am Steinbruch 3, 99999 Xyloburg",
    "InstitutionalDepartmentName": "Radiologie Nordflügel",
    "StationName": "XYLOCT1",
    "DeviceSerialNumber": "SN-900417",
    "DeviceUID": "1.2.276.0.7230010.3.7.8323329.4710",
    "GantryID": "Gantry-Xylo-2",
    "OperatorsName": "Bertelsmeyer^Utelinde",
    "ReferringPhysicianName": "Vandersloot^Igorius",
    "ReferringPhysicianTelephoneNumbers": "06221-5559944",
    "PerformingPhysicianName": "Szymborska^Wisława",
    "NameOfPhysiciansReadingStudy": "Terwilliger^Annelotte",
    "RequestingPhysician": "Mbeki-Okonkwo^Chidi",
    "RequestingService": "Onkologie Tagesklinik West",
    "StudyDescription": "Zweigelstein follow-up 15.06.2023",
    "SeriesDescription": "Abdomen Zweigelstein 15.06.2023",
    "ProtocolName": "Vandersloot special",
    "RequestedProcedureDescription": "CT fuer Dr. Vandersloot",
    "ImageComments": "Zweigelstein, room 12",
    "ManufacturerModelName": "Xyloburg unit 3",
    "Manufacturer": "SIEMENS for Xyloburg",
    "ConvolutionKernel": "Zweigelkernel",
    "ContrastBolusAgent": "for Zweigelstein",
    "SoftwareVersions": "patched by Terwilliger",
    "StudyInstanceUID": "1.2.276.0.7230010.3.1.2.8323329.4711",
    "SeriesInstanceUID": "1.2.276.0.7230010.3.1.3.8323329.4712",
    "FrameOfReferenceUID": "1.2.276.0.7230010.3.1.4.8323329.4713",
}
"""Elements of every DICOM file. Umlauts and the like are in the sets of those who can hold them."""

ELSEWHERE = {
    "SOPInstanceUID": "1.2.276.0.7230010.3.1.5.8323329",
    "private tag": "Privatissima Oberländer",
    "nested name": "Referent^Nestedius",
    "overlay comment": "Overlay Marginalia 77",
    "source application entity": "AE_XYLOHOST",
    "private information of the file meta": "PRIVINFO-88213",
    "preamble": "preamble of Ochsenmeister",
    "data set trailing padding": "TRAILING-661-Padder",
    "NIfTI descrip": "descrip Fitzwilliam",
    "NIfTI aux_file": "aux-Fitzgerald.txt",
    "NIfTI db_name": "db-Fitzpatrick",
    "NIfTI intent_name": "intent-Fitzroy",
    "NIfTI extension": "extension Fitzsimmons 1931",
    "name of a DICOM folder": "Studie_vom_15-06-2023_Kniebrecht",
    "name of a file": "IM_Hollerbusch",
    "name of another file": "Arztbrief_Immergruen.txt",
    "text of another file": "Dear colleague Winterfeldt",
    "name of a mask": "Maske_Lindwurmer",
    "NIfTI descrip of a mask": "mask by Sauerbier",
    "column of the clinical table": "Frau Rosenquist-Amsel",
    "phone in the clinical table": "0170-5551299",
    "column of the participants table": "calls herself Birdie Nightingale",
    "comment of a listed level": "asked Dr. Pfefferkorn",
    "printed by a library": "printed Abendroth",
    "warned by a library": "warned Morgenstern",
    "printed by C code": "puts Mitternacht",
    "message of an exception": "raised Zwielichter",
}

PARTS = ("Zweigelstein", "Quirina", "Vandersloot", "Xyloburg", "Terwilliger", "7230010", "8323329")
"""Looked for besides the whole texts."""

SHAPE, SPACING_MM = (80, 72, 36), (3.0, 3.0, 3.0)


def traces() -> dict[str, str]:
    """What is looked for: where it was planted, and the text."""
    found = {place: text for place, text in (TEXTS | ELSEWHERE).items() if place != "PatientAge"}
    for place, text in TEXTS.items():
        if place.endswith("Name") and "^" in text:
            found |= {f"{place} {i}": part for i, part in enumerate(text.split("^"))}
        if re.fullmatch(r"(19|20)\d{6}", text):
            y, m, d = text[:4], text[4:6], text[6:]
            found |= {f"{place} in ISO": f"{y}-{m}-{d}", f"{place} in German": f"{d}.{m}.{y}"}
    found |= {f"part {part}": part for part in PARTS}
    for patient in PATIENTS:
        found |= {f"name of {patient.scan_id}: {part}": part for part in patient.traces}
    return found


def patterns() -> list[tuple[str, bytes]]:
    """Every trace in every encoding in which it may be written, ASCII letters in lower case."""
    codecs = ("utf-8", "utf-16-le", "utf-16-be", "latin-1", "cp1252")
    codecs += tuple({patient.codec for patient in PATIENTS})
    found = set()
    for place, text in traces().items():
        decomposed = unicodedata.normalize("NFD", text)
        for form in {text, text.upper(), text.lower(), decomposed, json.dumps(text)[1:-1]}:
            for codec in codecs:
                try:
                    found.add((place, form.encode(codec).lower()))
                except UnicodeEncodeError:
                    continue
            # Bytes of one character set that were read as another.
            found.add((place, form.encode().decode("latin-1").encode().lower()))
    return sorted(found)


class Needles:
    """Many byte strings looked for at once: by their first four bytes, then as a whole."""

    def __init__(self, wanted: list[tuple[str, bytes]]):
        self.by_start: dict[bytes, list[tuple[str, bytes]]] = {}
        for place, pattern in wanted:
            self.by_start.setdefault(pattern[:4], []).append((place, pattern))
        self.starts = [int.from_bytes(start, "little") for start in self.by_start]
        self.begins = np.zeros(1 << 16, dtype=bool)
        self.begins[[start & 0xFFFF for start in self.starts]] = True

    def found_in(self, content: bytes) -> set[str]:
        """What is found in a file, ASCII letters in either case."""
        small = content.lower()
        codes = np.frombuffer(small + b"\0\0\0", np.uint8)
        pairs = codes[:-1].astype(np.uint16) | codes[1:].astype(np.uint16) << 8
        at = np.flatnonzero(self.begins[pairs[:-2]])
        fours = pairs[at] | pairs[at + 2].astype(np.uint32) << 16
        return {
            place
            for start in at[np.isin(fours, self.starts)]
            for place, pattern in self.by_start.get(small[start : start + 4], [])
            if small.startswith(pattern, start)
        }


def layers(name: str, content: bytes, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """A file's bytes as they are and as what they hold when unpacked, with the way there."""
    yield name, content
    if depth == 4:
        return

    def inner(how: str, unpacked: bytes) -> Iterator[tuple[str, bytes]]:
        return layers(f"{name} > {how}", unpacked, depth + 1)

    if content[:2] == b"\x1f\x8b":
        yield from inner("gzip", zlib.decompressobj(31).decompress(content))
    elif content[:4] == b"PK\3\4":
        with zipfile.ZipFile(BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from inner(member, archive.read(member))
    elif content[:4] == b"PAR1":
        table = pd.read_parquet(BytesIO(content))
        yield from inner("table", table.to_csv().encode() + repr(table.attrs).encode())
    elif content[:4] == b"%PDF" or content[:4] == b"\x89PNG":
        for number, unpacked in enumerate(inflated(content)):
            yield from inner(f"zlib stream {number}", unpacked)
    else:
        for run in re.findall(rb"[A-Za-z0-9+/]{24,}", content):
            run = run[:-1] if len(run) % 4 == 1 else run
            yield from inner("base64", base64.b64decode(run + b"=" * (-len(run) % 4)))


def inflated(content: bytes) -> Iterator[bytes]:
    """Every zlib stream of a PDF or a PNG, wherever it begins; a PNG's pixels are in pieces."""
    for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", content):
        try:
            unpacked = zlib.decompressobj().decompress(content[match.start() :])
        except zlib.error:
            continue
        if unpacked:
            yield unpacked


def file_name(path: Path) -> bytes:
    """A path's bytes, and what its parts say as base64, in which Snakemake names its records."""
    decoded = []
    for part in path.parts:
        try:
            decoded.append(base64.b64decode(part.removeprefix("@"), altchars=b"-_"))
        except ValueError:
            continue
    return b"\n".join([os.fsencode(path), *decoded])


def search(folder: Path, printed: dict[str, str]) -> dict[str, list[str]]:
    """Places where something planted is found, by what was planted."""
    wanted, hits = Needles(patterns()), {}

    def look(where: str, content: bytes) -> None:
        for place in wanted.found_in(content):
            hits.setdefault(place, []).append(where)

    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        look(f"name of {relative}", file_name(relative))
        if path.is_symlink():
            look(f"target of {relative}", os.fsencode(path.readlink()))
        elif path.is_file():
            for where, content in layers(str(relative), path.read_bytes()):
                look(where, content)
    for command, text in printed.items():
        look(f"printed by {command}", text.encode(errors="surrogateescape"))
    return hits


def dicom(patient: Patient, plane: np.ndarray, number: int, mm: tuple) -> Dataset:
    """One slice; what a character set cannot write is written without accents."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = uid.CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"{ELSEWHERE['SOPInstanceUID']}.{number + 1}"
    meta.SourceApplicationEntityTitle = ELSEWHERE["source application entity"]
    meta.PrivateInformationCreatorUID = "1.2.276.0.7230010.9"
    meta.PrivateInformation = ELSEWHERE["private information of the file meta"].encode()
    slice_ = Dataset()
    slice_.file_meta = meta
    slice_.preamble = ELSEWHERE["preamble"].encode().ljust(128, b"\0")
    slice_.SpecificCharacterSet = patient.character_set
    for name, text in TEXTS.items():
        try:
            text.encode(patient.codec)
        except UnicodeEncodeError:
            text = unicodedata.normalize("NFKD", text.replace("ł", "l"))
            text = text.encode("ascii", "ignore").decode()
        setattr(slice_, name, text)
    if patient.codec == "latin-1" and patient.character_set == ["ISO_IR 192"]:
        slice_.SpecificCharacterSet = ["ISO_IR 100"]  # until written, see `lie`
    slice_.PatientName = patient.name
    request = Dataset()
    request.RequestedProcedureID = ELSEWHERE["nested name"].partition("^")[2]
    request.RequestingPhysician = ELSEWHERE["nested name"]
    slice_.RequestAttributesSequence = Sequence([request])
    block = slice_.private_block(0x0099, "XYLOBURG PRIVATE", create=True)
    private = ELSEWHERE["private tag"]
    block.add_new(0x01, "LO", private if "latin" in patient.codec else private.replace("ä", "a"))
    slice_.add_new(0x60004000, "LT", ELSEWHERE["overlay comment"])
    slice_.add_new(0xFFFCFFFC, "OB", ELSEWHERE["data set trailing padding"].encode() + b" ")
    slice_.SOPClassUID, slice_.SOPInstanceUID = uid.CTImageStorage, meta.MediaStorageSOPInstanceUID
    slice_.Modality, slice_.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    slice_.SeriesNumber, slice_.InstanceNumber, slice_.KVP = 2, number + 1, 120
    slice_.SliceThickness, slice_.PixelSpacing = SPACING_MM[2], list(SPACING_MM[:2])
    slice_.ImagePositionPatient, slice_.ImageOrientationPatient = list(mm), [1, 0, 0, 0, 1, 0]
    slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
    slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit = 16, 16, 15
    slice_.PixelRepresentation, slice_.RescaleSlope, slice_.RescaleIntercept = 1, 1, 0
    slice_.Rows, slice_.Columns = plane.shape
    slice_.PixelData = plane.astype("<i2").tobytes()
    return slice_


def plain_name(patient: Patient) -> str:
    """The name as a folder is called after it."""
    return patient.name.replace("^", "_").replace("=", " ") + " 19310417"


def write_dicom(patient: Patient, folder: Path, hu: np.ndarray, first_mm) -> None:
    """A patient's study; `hu` in DICOM's order, shape (slices, rows, columns)."""
    below = folder / plain_name(patient) / ELSEWHERE["name of a DICOM folder"]
    below.mkdir(parents=True)
    (below / ELSEWHERE["name of another file"]).write_text(ELSEWHERE["text of another file"])
    slices = hu[:5] if patient.damage == "few slices" else hu
    for number, plane in enumerate(slices):
        mm = (first_mm[0], first_mm[1], first_mm[2] + number * SPACING_MM[2])
        family = patient.name.partition("^")[0]
        path = below / f"{ELSEWHERE['name of a file']}_{family}_{number:03d}.dcm"
        dicom(patient, plane, number, mm).save_as(path, enforce_file_format=True)
        content = path.read_bytes()
        if patient.damage and number in (7, 8):
            content = content[: 600 if patient.damage == "cut header" else -4000]
        if patient.scan_id == CRASHES:
            content = content.replace(b"ISO_IR 100", b"ISO_IR 192")
        path.write_bytes(content)


def write_nifti(path: Path, volume, descrip: str) -> None:
    """A NIfTI file that says in its header whose it is."""
    image = nib.Nifti1Image(volume.data, volume.affine)
    header = image.header
    header["descrip"], header["aux_file"] = descrip, ELSEWHERE["NIfTI aux_file"]
    header["db_name"], header["intent_name"] = (
        ELSEWHERE["NIfTI db_name"],
        ELSEWHERE["NIfTI intent_name"],
    )
    extension = nib.nifti1.Nifti1Extension("comment", ELSEWHERE["NIfTI extension"].encode())
    header.extensions.append(extension)
    nib.save(image, path)


def write_cohort(folder: Path) -> dict:
    """Scans, masks and tables of a hospital; the configuration that a user would write."""
    scans, masks = folder / "scans", folder / "masks"
    scans.mkdir(parents=True)
    masks.mkdir()
    rng = np.random.default_rng(5)
    torso = draw_torso(rng, trabecular_hu=130, scale=1.0, texture_hu=5)
    scanner = Scanner(SHAPE, SPACING_MM, tuple(torso.vertebra("L2").centre), 10, 0.6)
    ct, label = image_torso(torso, scanner, rng)
    whole = ct.like(true_masks(label)[1])
    corner = ct.affine @ [SHAPE[0] - 1, SHAPE[1] - 1, 0, 1]
    first_mm = (-corner[0], -corner[1], corner[2])
    table = ["participant_id\tsite\tpath\tmask\tremarks"]
    for index, patient in enumerate(PATIENTS):
        own = ct.like(ct.data + np.int16(index))
        mask = f"{ELSEWHERE['name of a mask']}_{plain_name(patient)}.nii"
        write_nifti(masks / mask, whole, ELSEWHERE["NIfTI descrip of a mask"])
        path = plain_name(patient)
        if patient.scan_id == IS_NIFTI:
            path += ".nii"
            write_nifti(scans / path, own, ELSEWHERE["NIfTI descrip"])
        else:
            write_dicom(patient, scans, own.data[::-1, ::-1].transpose(2, 1, 0), first_mm)
        remark = ELSEWHERE["column of the participants table"]
        site = "North" if index % 2 else "South"
        table.append(f"{patient.scan_id}\t{site}\t{path}\t{masks / mask}\t{remark}")
    (folder / "participants.tsv").write_text("\n".join(table), encoding="utf-8")
    clinical = ["participant_id,age_years,sex,time_years,event,full_name,phone"]
    clinical += [
        f"{patient.scan_id},{60 + index},F,{index + 1},{index % 2},"
        f"{ELSEWHERE['column of the clinical table']},{ELSEWHERE['phone in the clinical table']}"
        for index, patient in enumerate(PATIENTS)
    ]
    (folder / "clinical.csv").write_text("\n".join(clinical), encoding="utf-8")
    (folder / "levels.tsv").write_text(
        "participant_id\tlevel\treason\tcomment\n"
        f"p01\tL3\timplant\t{ELSEWHERE['comment of a listed level']}\n"
    )
    (folder / "scanners.tsv").write_text(
        "scanner\tkvp\tfirst_date\tslope\tintercept\tstandard\n"
        f"{TEXTS['DeviceSerialNumber']}\t120\t2022-06-15\t0.8\t0\tk2hpo4\n"
    )
    return {
        "cohort": {
            "name": "study",
            "input": str(scans),
            "participants": str(folder / "participants.tsv"),
            "clinical": str(folder / "clinical.csv"),
            "exclude_levels": str(folder / "levels.tsv"),
            "calibration": str(folder / "scanners.tsv"),
        },
        "segment": {"backend": "masks"},
        "measure": {"radiomics": {"enabled": False}, "summary_levels": ["L1", "L2", "L3"]},
        "model": {
            "blocks": ["clinical", "hu"],
            "block_columns": {"clinical": ["age_years"]},
            "learners": ["penalised"],
            "folds": 2,
            "inner_folds": 2,
            "repeats": 1,
            "bootstrap": 20,
            "curve_bootstrap": 20,
            "optimism_bootstrap": 5,
            "stability_bootstrap": 5,
        },
    }


CRASH = '''

_index_source = index_source


def index_source(source, *more, **options):
    """As before; of one input it fails as no code foresees."""
    import os, warnings
    from pathlib import Path
    if MARK.is_file() and MARK.read_text() in str(source):
        print(PRINTED)
        warnings.warn(WARNED)
        os.write(2, PUT.encode())
        return {}[f"{RAISED} in {next(Path(source).rglob('*.dcm'))}"]
    return _index_source(source, *more, **options)
'''


def copy_that_crashes(repo: Path, copy: Path, mark: Path) -> None:
    """A copy of the project in which indexing fails for the input that a file names."""
    copy.mkdir()
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(repo / name, copy / name)
    for name in ("rules", "scripts", "resources", "profiles"):
        shutil.copytree(repo / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    names = {
        "PRINTED": ELSEWHERE["printed by a library"],
        "WARNED": ELSEWHERE["warned by a library"],
        "PUT": ELSEWHERE["printed by C code"],
        "RAISED": ELSEWHERE["message of an exception"],
    }
    lines = [f"{name} = {text!r}" for name, text in names.items()]
    lines.append(f"from pathlib import Path as _Path; MARK = _Path({str(mark)!r})")
    index = copy / "scripts" / "bonecast" / "dicom" / "index.py"
    index.write_text(index.read_text() + "\n" + "\n".join(lines) + CRASH)


@dataclass(frozen=True)
class Haul:
    """What the workflow left behind.

    Attributes:
        given: the hospital's folder.
        left: the folder it ran in.
        printed: what each command wrote to the terminal.
        codes: what each command returned.
    """

    given: Path
    left: Path
    printed: dict[str, str]
    codes: dict[str, int]


COMMANDS = {
    "the run that crashes": ["--skip-script-cleanup"],
    "the run": ["--skip-script-cleanup"],
    "a dry run": ["--dry-run", "--forceall"],
    "--summary": ["--detailed-summary"],
    "--report": ["--report", "snakemake_report.html"],
    "a run without table": ["--dry-run"],
}


@pytest.fixture(scope="module")
def haul(tmp_path_factory, repo) -> Haul:
    """The whole workflow run on the planted cohort, once with a crash, then to the end."""
    folder = tmp_path_factory.mktemp("privacy")
    given, left, project = folder / "given", folder / "left", folder / "project"
    config = write_cohort(given)
    mark = folder / "crash"
    mark.write_text(plain_name(next(p for p in PATIENTS if p.scan_id == CRASHES)))
    copy_that_crashes(repo, project, mark)
    (left / "tmp").mkdir(parents=True)
    without = {"cohort": {"name": "other", "input": config["cohort"]["input"]}}
    (folder / "study.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "other.yaml").write_text(yaml.safe_dump(without), encoding="utf-8")
    environment = os.environ | {"XDG_CACHE_HOME": str(left / ".cache"), "TMPDIR": str(left / "tmp")}
    printed, codes = {}, {}
    for name, arguments in COMMANDS.items():
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(project / "Snakefile")]
        study = folder / ("other.yaml" if "without" in name else "study.yaml")
        command += ["--directory", str(left), "--configfile", str(study)]
        done = subprocess.run(
            [*command, "--cores", "2", *arguments],
            capture_output=True,
            text=True,
            errors="surrogateescape",
            env=environment,
            timeout=600,
        )
        printed[name], codes[name] = done.stdout + done.stderr, done.returncode
        mark.unlink(missing_ok=True)
    return Haul(given, left, printed, codes)


def test_the_cohort_holds_what_identifies_and_the_search_sees_it(haul):
    found = search(haul.given, {})
    planted = TEXTS.keys() - {"PatientAge"} | ELSEWHERE.keys()
    planted |= {f"name of {p.scan_id}: {part}" for p in PATIENTS for part in p.traces}
    spoken = {place for place in planted if "printed" in place or "warned" in place}
    planted -= spoken | {"message of an exception"}
    assert len(planted) >= 40
    assert sorted(planted - found.keys()) == []


def test_the_workflow_came_to_its_end(haul):
    codes = dict(haul.codes)
    assert codes.pop("the run that crashes") == 1
    assert codes.pop("a run without table") == 1
    assert set(codes.values()) == {0}, haul.printed
    results = haul.left / "results/study"
    scans = pd.read_parquet(results / "tables/scans.parquet").set_index("participant_id")
    assert set(scans.index[scans.status == "ok"]) == {"p01", "p02", "p06", "p07"}
    assert (scans[scans.status == "ok"].n_levels_hu >= 2).all()
    assert (results / "report.html").is_file() and (haul.left / "snakemake_report.html").is_file()


def test_folders_that_are_no_pseudonyms_are_refused_without_naming_them(haul):
    printed = haul.printed["a run without table"]
    assert "entry 1 by name: participant_id must be letters" in printed


def test_a_crash_is_told_without_a_quotation(haul):
    printed = haul.printed["the run that crashes"]
    assert "index_series participant=p07: KeyError; its message is not shown" in printed
    assert "in index_source" in printed


def test_nothing_planted_is_found(haul):
    found = search(haul.left, haul.printed)
    assert found == {}, json.dumps(found, indent=1, ensure_ascii=False)


@pytest.mark.parametrize("kind", ["gzip", "zip", "png", "pdf", "parquet", "name", "base64"])
def test_the_search_finds_what_is_hidden(tmp_path, kind):
    text = PATIENTS[1].traces[0]
    if kind == "gzip":
        (tmp_path / "a.nii.gz").write_bytes(igzip.compress(text.encode("iso8859_5")))
    elif kind == "zip":
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.json", json.dumps(text))
    elif kind == "png":
        chunk = b"iTXtAuthor\0\1\0\0\0" + zlib.compress(text.encode())
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    elif kind == "pdf":
        content = b"%PDF-1.4\nstream\n" + zlib.compress(text.encode("utf-16-be")) + b"\nendstream"
        (tmp_path / "a.pdf").write_bytes(content)
    elif kind == "parquet":
        pd.DataFrame({"name": [text]}).to_parquet(tmp_path / "a.parquet", compression="zstd")
    elif kind == "name":
        (tmp_path / base64.urlsafe_b64encode(f"scans/{text}".encode()).decode()).touch()
    else:
        data = base64.b64encode(igzip.compress(f"padding and more of it {text}".encode()))
        (tmp_path / "a.html").write_bytes(b'<img src="data:application/gzip;base64,' + data + b'">')
    assert f"name of p02: {text}" in search(tmp_path, {})
