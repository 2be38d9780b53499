"""A hospital's folder: scans, masks and tables that hold what identifies people."""

import unicodedata
from pathlib import Path

import nibabel as nib
import numpy as np
from planted import CRASHES, ELSEWHERE, IS_NIFTI, PATIENTS, TEXTS, Patient, plain_name
from pydicom import Dataset, Sequence, uid
from pydicom.dataset import FileMetaDataset

from bonecast.phantom.anatomy import draw_torso
from bonecast.phantom.demo import true_masks
from bonecast.phantom.torso import Scanner, image_torso

SHAPE, SPACING_MM = (80, 72, 36), (3.0, 3.0, 3.0)


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
    (folder / "secret").write_bytes(bytes(range(32)))
    return {
        "cohort": {
            "name": "study",
            "secret": str(folder / "secret"),
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
