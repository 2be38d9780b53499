"""Facts of `ct.json`: what measuring needs, and nobody's name."""

import json
import re

import numpy as np
import pytest
from pydicom.dataset import Dataset

from bonecast import images
from bonecast.dicom.acquisition import scanner_key
from bonecast.dicom.convert import convert_participant, volume_digest
from bonecast.dicom.table import write_series
from bonecast.images import Volume

MACHINE = {
    "Manufacturer": "SIEMENS",
    "ManufacturerModelName": "SOMATOM Force",
    "DeviceSerialNumber": "75551",
    "StationName": "CTAWP75551",
}


def header(**elements) -> Dataset:
    dataset = Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


def test_key_tells_scanners_apart_and_names_none():
    key = scanner_key(header(**MACHINE), b"secret")
    assert re.fullmatch(r"SC-[0-9a-f]{8}", key)
    assert key == scanner_key(header(**MACHINE | {"StationName": " ctawp75551"}), b"secret")
    # The same machine where its station is renamed.
    assert key == scanner_key(header(**MACHINE | {"StationName": "other"}), b"secret")
    others = [{name: "other"} for name in MACHINE if name != "StationName"]
    keys = {key} | {scanner_key(header(**MACHINE | other), b"secret") for other in others}
    assert len(keys) == 4
    assert scanner_key(header(**MACHINE), b"another") not in keys
    assert scanner_key(header(**MACHINE), bytes(200)) not in keys


@pytest.mark.parametrize("absent", ["", None, "ANONYMIZED"])
def test_make_and_model_alone_are_no_scanner(absent):
    elements = MACHINE | {"DeviceSerialNumber": absent, "StationName": absent}
    assert scanner_key(header(**elements), b"secret") is None
    assert scanner_key(header(**elements | {"StationName": "CT1"}), b"secret")


def record_of(ct, source, work, **options):
    index, decisions = ct.decide(source)
    work.mkdir()
    write_series(index, decisions, work / "series.tsv")
    return convert_participant("p1", source, work / "series.tsv", work / "ct.nii.gz", **options)


def test_facts_that_measuring_needs(ct, tmp_path):
    facts = {"ReconstructionDiameter": 230.0, "TableHeight": 151.5} | MACHINE
    ct.write(tmp_path / "in", **facts)
    record = record_of(ct, tmp_path / "in", tmp_path / "out", secret=b"secret", days=30)
    found = record["acquisition"]
    assert found["scanner_key"] == scanner_key(header(**MACHINE), b"secret")
    assert (found["pixel_spacing_mm"], found["pixel_fov_mm"]) == (5, 5 * 48)
    assert (found["reconstruction_fov_mm"], found["table_height_mm"]) == (230, 151.5)
    assert found["slice_spacing_mm"] == 3
    assert found["days_offset"] == 30
    assert record["checks"]["resampled"] == ""
    assert "75551" not in json.dumps(record)


def test_digest_finds_the_same_scan_under_another_identity(ct, tmp_path):
    """Another name, another position, another order of files: the same values."""
    ct.write(tmp_path / "a")
    ct.write(tmp_path / "b", name="x{:d}", PatientID="P2", SeriesInstanceUID="1.2.3")
    ct.write(tmp_path / "c", edit=moved)
    ct.write(tmp_path / "d", spacing_mm=3.1)
    ct.write(tmp_path / "e", edit=brighter)
    found = {
        name: record_of(ct, tmp_path / name, tmp_path / f"out_{name}")["volume_digest"]
        for name in "abcde"
    }
    assert re.fullmatch(r"[0-9a-f]{32}", found["a"])
    assert found["a"] == found["b"] == found["c"]
    assert len(set(found.values())) == 3
    written = images.load(tmp_path / "out_a" / "ct.nii.gz")
    assert volume_digest(written) == found["a"]


def moved(dataset, number):
    x, y, z = dataset.ImagePositionPatient
    dataset.ImagePositionPatient = [x + 7, y, z - 900]
    return dataset


def brighter(dataset, number):
    if number == 5:
        values = np.frombuffer(dataset.PixelData, "<u2").copy()
        values[100] += 1
        dataset.PixelData = values.tobytes()
    return dataset


def test_digest_does_not_depend_on_how_the_array_lies_in_memory():
    data = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    affine = np.diag([1.0, 2, 3, 1])
    one, other = (Volume(np.asarray(data, order=order), affine) for order in "CF")
    assert volume_digest(one) == volume_digest(other)
    assert volume_digest(one) != volume_digest(Volume(data[::-1], affine))
