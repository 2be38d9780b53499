"""Nothing that identifies a patient leaves the input: planted everywhere, found nowhere."""

import json
import runpy
from types import SimpleNamespace

import nibabel as nib
import pytest
from isal import igzip
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from snakemake.iocontainers import OutputFiles

from bonecast.dicom.select import Settings
from bonecast.reasons import Reason

NAME = "Zweigelstein"
PLANTED = {
    "PatientName": f"{NAME}^Quirina",
    "PatientID": "HX7734119",
    "OtherPatientIDs": "HX7734120",
    "PatientBirthDate": "19310417",
    "PatientAge": "093Y",
    "StudyDate": "20230615",
    "SeriesDate": "20230615",
    "AcquisitionDate": "20230615",
    "AccessionNumber": "ACC5550123",
    "InstitutionName": "Krankenhaus Xyloburg",
    "StationName": "XYLOCT1",
    "ReferringPhysicianName": "Vandersloot^Igor",
    "StudyDescription": f"{NAME} follow-up 15.06.2023",
    "SeriesDescription": f"Abdomen {NAME} 15.06.2023",
    "ProtocolName": "Vandersloot special",
    "ManufacturerModelName": "Xyloburg unit 3",
    "Manufacturer": "SIEMENS for Xyloburg",
    "ConvolutionKernel": NAME,
    "ContrastBolusAgent": f"for {NAME}",
    "ImageComments": f"{NAME}, room 12",
    "DeviceSerialNumber": "SN-900417",
    "StudyInstanceUID": "1.2.276.0.7230010.3.1.2.8323329.4711",
    "SeriesInstanceUID": "1.2.276.0.7230010.3.1.3.8323329.4712",
    "FrameOfReferenceUID": "1.2.276.0.7230010.3.1.4.8323329.4713",
}
CALIBRATION = (
    "scanner\tkvp\tfirst_date\tlast_date\tslope\tintercept\tstandard\n"
    f"{PLANTED['DeviceSerialNumber']}\t120\t2022-06-15\t2023-06-01\t0.8\t0\tk2hpo4\n"
    f"{PLANTED['DeviceSerialNumber']}\t120\t2023-06-02\t\t0.9\t0\tk2hpo4\n"
)
"""The table that a scan is matched with holds what must not leave it."""
TRACES = (
    *("Zweigelstein", "Quirina", "HX77341", "1931", "2023", "0615", "ACC5550123", "Xylo"),
    *("XYLO", "Vandersloot", "room 12", "SN-900417", "7230010", "8323329", "093"),
)


def plant(dataset: Dataset, number: int) -> Dataset:
    dataset.SOPInstanceUID = f"1.2.276.0.7230010.3.1.5.8323329.{number + 1}"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    request = Dataset()
    request.PatientName = PLANTED["PatientName"]
    dataset.RequestAttributesSequence = Sequence([request])
    block = dataset.private_block(0x0099, NAME.upper(), create=True)
    block.add_new(0x01, "LO", NAME)
    return dataset


def run_adapters(repo, source, folder) -> dict[str, bytes]:
    """Run the adapters that read headers as Snakemake would; everything they wrote, by name."""
    folder.mkdir()
    series, ct, facts = (folder / name for name in ("series.tsv", "ct.nii.gz", "ct.json"))
    row, table = folder / "calibration_row.json", folder.parent / "calibration.tsv"
    table.write_text(CALIBRATION, encoding="utf-8")
    people = folder.parent / "participants.tsv"
    people.write_text(f"participant_id\tpath\np1\t{source.name}\n", encoding="utf-8")
    settings = vars(Settings(resample={"tilt": True, "uneven": False, "max_gap_mm": 6.0})) | {
        "preferred_thickness_mm": [0.5, 3.0]
    }
    calibration = {"standard": "k2hpo4", "drift_limit_hu_per_year": 2.29, "row": None}
    params = {"settings": settings, "told": {"series": "", "days": None}} | calibration
    cohort = {"input": str(source.parent), "participants": str(people)}
    cohort |= {"name": "study", "secret": None, "set_aside": []}
    for rule, inputs, outputs in (
        ("ingest_scan", {}, {"series": str(series), "ct": str(ct), "facts": str(facts)}),
        ("match_calibration", {"series": str(series), "table": str(table)}, {"row": str(row)}),
    ):
        injected = SimpleNamespace(
            rule=rule,
            threads=1,
            wildcards=_Wildcards(participant="p1"),
            input=SimpleNamespace(**inputs),
            output=OutputFiles(fromdict=outputs),
            params=SimpleNamespace(**params),
            config={"cohort": cohort},
            log=[str(folder / f"{rule}.log")],
        )
        script = repo / "scripts" / f"{rule}.py"
        runpy.run_path(str(script), init_globals={"snakemake": injected}, run_name="__main__")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class _Wildcards(dict):
    __getattr__ = dict.__getitem__


def assert_no_trace(written: dict[str, bytes], capfd):
    out, err = capfd.readouterr()
    texts = written | {"stdout": out.encode(), "stderr": err.encode()}
    if written["ct.nii.gz"]:
        texts["ct.nii.gz"] = igzip.decompress(written["ct.nii.gz"])[:352]
    for name, content in texts.items():
        for trace in TRACES:
            assert trace.encode() not in content, f"{trace} in {name}"


def test_converted_participant(ct, tmp_path, repo, capfd):
    ct.write(
        tmp_path / f"{NAME}_Quirina" / "20230615", edit=plant, name=f"{NAME}_{{:d}}", **PLANTED
    )
    written = run_adapters(repo, tmp_path / f"{NAME}_Quirina", tmp_path / "out")
    record = json.loads(written["ct.json"])
    assert record["status"] == "ok", record
    assert record["acquisition"]["patient_age_years"] == 90
    assert record["acquisition"]["kernel"] == "other"
    assert set(written) == {
        *("series.tsv", "ct.nii.gz", "ct.json", "ingest_scan.log"),
        *("calibration_row.json", "match_calibration.log"),
    }
    assert json.loads(written["calibration_row.json"])["row"] == 3
    assert_no_trace(written, capfd)


def cut(paths):
    paths[3].write_bytes(paths[3].read_bytes()[:-500])


def cut_header(paths):
    paths[3].write_bytes(paths[3].read_bytes()[:400])


def foreign_syntax(paths):
    content = paths[3].read_bytes()
    paths[3].write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut, Reason.CORRUPT_PIXELS),
        (cut_header, Reason.UNEVEN_SLICES),
        (foreign_syntax, Reason.CORRUPT_PIXELS),
    ],
)
def test_excluded_participant(ct, tmp_path, repo, capfd, damage, reason):
    """Errors of libraries quote files and values: these must not reach the record or the log."""
    source = tmp_path / NAME
    damage(ct.write(source, edit=plant, name=f"{NAME}_{{:d}}.dcm", **PLANTED))
    (source / f"{NAME}.txt").write_text(NAME)
    written = run_adapters(repo, source, tmp_path / "out")
    assert json.loads(written["ct.json"])["reason"] == reason
    assert written["ct.nii.gz"] == b""
    assert_no_trace(written, capfd)


def test_header_of_the_volume_has_no_text(ct, tmp_path):
    ct.write(tmp_path / "in", edit=plant, **PLANTED)
    ct.convert(tmp_path / "in", tmp_path / "out")
    header = nib.load(tmp_path / "out" / "ct.nii.gz").header
    for field in ("descrip", "aux_file", "intent_name", "db_name"):
        assert header[field].tobytes().strip(b"\0") == b""
    assert len(header.extensions) == 0
