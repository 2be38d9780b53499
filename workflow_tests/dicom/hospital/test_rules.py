"""Some of the worst inputs through the real rules: one cohort, a decision on each."""

import json
import os

import pydicom
from pydicom import uid
from pydicom.encaps import encapsulate, get_frame

from bonecast.reasons import Reason

EXPECTED = {
    "names": "ok",
    "mixed": Reason.MIXED_PATIENTS,
    "codestream": Reason.CORRUPT_PIXELS,
    "pipe": Reason.NO_READABLE_IMAGE,
}


def names_of_every_kind(zoo, folder):
    """Beside images: a pipe, links in a circle and to nowhere, a device."""
    files = zoo.write(
        folder / os.fsdecode(b"M\xfcller, \xff") / "a\nb", name="$(touch x) '{:d}\".dcm"
    )
    (folder / "circle").symlink_to(folder)
    (folder / "nowhere.nii").symlink_to(folder / "absent")
    (folder / "zero.dcm").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.nii.gz")
    return files


def damaged_codestream(zoo, folder):
    """JPEG-LS on which GDCM ends the process: a marker that is none."""

    def edit(dataset, number):
        dataset.compress(uid.JPEGLSLossless, encoding_plugin="pyjpegls")
        if number == 6:
            frame = bytearray(get_frame(dataset.PixelData, 0, number_of_frames=1))
            frame[2:4] = b"\xff\x00"
            dataset.PixelData = encapsulate([bytes(frame)])
        return dataset

    return zoo.write(folder, edit=edit)


def test_cohort(zoo, run_snakemake, tmp_path):
    scans = tmp_path / "scans"
    names_of_every_kind(zoo, scans / "names")
    damaged_codestream(zoo, scans / "codestream")
    for number in "12":
        zoo.write(scans / "mixed" / number, PatientID=number, SeriesInstanceUID=f"1.2.{number}")
    (scans / "pipe").mkdir()
    os.mkfifo(scans / "pipe" / "pipe.dcm")
    results = tmp_path / "results" / "study" / "participants"
    config = {
        "cohort": {"name": "study", "input": str(scans)},
        "segment": {"backend": "masks", "masks": str(scans)},
    }
    targets = [str((results / name / "ct.json").relative_to(tmp_path)) for name in EXPECTED]
    done = run_snakemake(*targets, config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: json.loads((results / name / "ct.json").read_text()) for name in EXPECTED}
    verdicts = {name: record["reason"] or record["status"] for name, record in found.items()}
    assert verdicts == EXPECTED
    assert not (tmp_path / "x").exists()
    assert pydicom.dcmread(next((scans / "codestream").iterdir())).PatientName == "Doe^Jane"
    again = run_snakemake(*targets, "--dry-run", config=config)
    assert "Nothing to be done" in again.stdout
