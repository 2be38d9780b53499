"""Contrast medium by the header: agents, words, delays, enhanced objects, contradictions."""

import json

import pydicom
import pytest
from pydicom import uid
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from bonecast.dicom.contrast import HeaderContrast, delay_s, read_contrast, seconds_of_day
from bonecast.dicom.headers import quiet_pydicom
from bonecast.phases import phases_at


def header(**elements):
    dataset = Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


def items(*datasets):
    return Sequence(list(datasets))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("140352.457", 50632.457),
        ("1403", 50580),
        ("14", 50400),
        ("14:03:52", 50632),
        ("", None),
        ("99:00", None),
        ("about noon", None),
    ],
)
def test_times(text, seconds):
    assert seconds_of_day(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("start", "scan", "delay"),
    [
        ("120000", "120112", 72),
        ("120000.5", "120035.75", 35.2),
        ("235930", "000040", 70),  # over midnight
        ("120000", "120000", None),  # a placeholder
        ("120000", "120005", None),  # nothing can have arrived
        ("120100", "120000", None),  # before: nearly a day later
        ("100000", "120000", None),  # an earlier examination
        ("", "120000", None),
        ("120000", "", None),
    ],
)
def test_delays(start, scan, delay):
    dataset = header(ContrastBolusStartTime=start, AcquisitionTime=scan)
    assert delay_s(dataset) == (None if delay is None else pytest.approx(delay, abs=0.06))


def test_a_delay_from_other_elements():
    late = header(AcquisitionDateTime="20240229000040+0100", ContrastBolusStartTime="235930")
    assert delay_s(late) == 70
    stop = {"ContrastBolusStopTime": "120040", "ContrastFlowDuration": [25.0, 10.0]}
    assert delay_s(header(AcquisitionTime="120115", **stop)) == 70
    assert delay_s(header(AcquisitionTime="120115", ContrastBolusStopTime="120040")) is None
    # The time of the image is that of its reconstruction.
    assert delay_s(header(ContentTime="120115", ContrastBolusStartTime="120000")) is None


@pytest.mark.parametrize(
    ("delay", "phases"),
    [
        (35, ("arterial",)),
        (55, ("arterial", "portal")),
        (70, ("portal",)),
        (62, ("portal", "arterial")),
        (105, ("late", "portal")),
        (300, ("late",)),
    ],
)
def test_phases_at_a_delay(delay, phases):
    assert phases_at(delay) == phases


TIMED = {"ContrastBolusStartTime": "120000"}


@pytest.mark.parametrize(
    ("elements", "phase", "evidence"),
    [
        ({}, None, ""),
        ({"ContrastBolusAgent": "APPLIED"}, "contrast", "agent"),
        ({"ContrastBolusAgent": "NONE"}, "none", "no_agent"),
        ({"ContrastBolusVolume": 90}, "contrast", "amount"),
        ({"ContrastBolusVolume": 0}, None, ""),
        ({"SeriesDescription": "Abdomen nativ"}, "none", "description_none"),
        ({"SeriesDescription": "Leber art"}, "arterial", "description_arterial"),
        (
            {"ContrastBolusAgent": "Iomeron", "SeriesDescription": "Abd ven"},
            "portal",
            "agent description_portal",
        ),
        # The series before its protocol
        (
            {"SeriesDescription": "Leber nativ", "ProtocolName": "Leber mit KM art"},
            "none",
            "description_none",
        ),
        (
            {"SeriesDescription": "2.0", "ProtocolName": "Leber mit KM"},
            "contrast",
            "protocol_contrast",
        ),
        # Drunk
        ({"ContrastBolusAgent": "Gastrografin"}, None, "oral_agent"),
        ({"ContrastBolusAgent": "Omni", "ContrastBolusRoute": "ORAL"}, None, "oral_agent"),
        (
            {
                "ContrastBolusAgent": "Iohexol",
                "ContrastBolusRoute": "PO",
                "SeriesDescription": "nativ",
            },
            "none",
            "oral_agent description_none",
        ),
        ({"SeriesDescription": "Abd oral contrast"}, None, "oral_description"),
        # Delays
        (TIMED | {"AcquisitionTime": "120112"}, "portal", "delay"),
        (TIMED | {"AcquisitionTime": "120500"}, "late", "delay"),
        (
            TIMED | {"AcquisitionTime": "120055", "SeriesDescription": "ven"},
            "portal",
            "description_portal delay",
        ),
        # Contradictions
        (
            {"ContrastBolusAgent": "Iomeron", "SeriesDescription": "nativ"},
            None,
            "agent description_none conflict",
        ),
        (
            {"SeriesDescription": "art + ven"},
            "contrast",
            "description_arterial description_portal conflict",
        ),
        (
            {"SeriesDescription": "nativ + ven"},
            None,
            "description_none description_portal conflict",
        ),
        (
            TIMED | {"AcquisitionTime": "120112", "SeriesDescription": "art"},
            "contrast",
            "description_arterial delay conflict",
        ),
        (
            TIMED | {"AcquisitionTime": "120112", "ContrastBolusAgent": "NONE"},
            None,
            "no_agent delay conflict",
        ),
    ],
)
def test_what_a_header_says(elements, phase, evidence):
    found = read_contrast(header(**elements))
    assert found.phase == phase and " ".join(found.evidence) == evidence
    assert found.given is (None if phase is None else phase != "none")


def agent(number, name, route, **profile):
    """One item of an enhanced object's agents."""
    item = header(ContrastBolusAgentNumber=number, CodeMeaning=name)
    item.ContrastBolusAdministrationRouteSequence = items(header(CodeMeaning=route))
    if profile:
        item.ContrastAdministrationProfileSequence = items(header(**profile))
    return item


def enhanced(usage, agents, **elements):
    frame = header(ContrastBolusUsageSequence=items(*(header(**one) for one in usage)))
    frame.FrameContentSequence = items(header(FrameAcquisitionDateTime="20240301000040.5"))
    return header(
        PerFrameFunctionalGroupsSequence=items(frame),
        ContrastBolusAgentSequence=items(*agents),
        **elements,
    )


def test_an_enhanced_object():
    drunk = agent(1, "Diatrizoate", "Oral route", ContrastBolusStartTime="230000")
    injected = agent(2, "Iopromide", "Intravenous route", ContrastBolusStartTime="235930")
    usage = [
        {"ContrastBolusAgentNumber": 1, "ContrastBolusAgentPhase": "DELAYED"},
        {"ContrastBolusAgentNumber": 2, "ContrastBolusAgentPhase": "PORTAL_VENOUS"},
    ]
    found = read_contrast(enhanced(usage, [drunk, injected]))
    assert found == HeaderContrast("portal", 70.5, ("agent", "usage_portal", "delay"))
    usage[1] |= {"ContrastBolusAgentAdministered": "NO"}
    found = read_contrast(enhanced(usage, [drunk, injected]))
    assert found.phase is None and found.evidence[-1] == "conflict"
    only = read_contrast(enhanced(usage[:1], [drunk]))
    assert only == HeaderContrast(None, None, ("oral_agent",))
    pre = read_contrast(enhanced([{"ContrastBolusAgentPhase": "PRE_CONTRAST"}], []))
    assert pre == HeaderContrast("none", None, ("usage_none",))


def test_damaged_elements_say_nothing():
    dataset = header(AcquisitionTime="120000")
    for tag, vr, value in (
        (0x00181042, "TM", b"12:00 h "),
        (0x00180012, "SQ", b"no sequence "),
        (0x00181041, "DS", b"ninety"),
        (0x00180010, "LO", b""),
        (0x52009230, "SQ", b"\xfe\xff\x00\xe0\xff\xff"),
    ):
        raw = RawDataElement(Tag(tag), vr, len(value), value, 0, False, True)
        dataset._dict[Tag(tag)] = raw
    with quiet_pydicom():
        assert read_contrast(dataset) == HeaderContrast()


def test_a_series_carries_it_into_its_facts_and_nothing_else(ct, tmp_path):
    secret = "Doe Jane phone 555 0199"
    elements = {
        "ContrastBolusAgent": f"Iomeron {secret}",
        "ContrastBolusRoute": "IV",
        "ContrastBolusStartTime": "235930",
        "AcquisitionTime": "000045",
        "SeriesDescription": f"Abd ven {secret}",
    }
    ct.write(tmp_path / "in", **elements)
    record = ct.convert(tmp_path / "in", tmp_path / "out")
    facts = record["acquisition"]
    assert (facts["contrast_header"], facts["contrast_phase_header"]) == (True, "portal")
    assert facts["contrast_header_evidence"] == "agent description_portal delay"
    assert facts["contrast_delay_s"] == 75
    text = json.dumps(record).lower()
    assert not any(part.lower() in text for part in secret.split()) and "iomeron" not in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CRLM-CT-1004", HeaderContrast("contrast", None, ("agent",))),
        (
            "siemens_j2k_20slices",
            HeaderContrast("portal", 95.8, ("agent", "protocol_contrast", "delay")),
        ),
    ],
)
def test_real_headers(shared_data, name, expected):
    path = min((shared_data / "dicom" / name).iterdir())
    assert read_contrast(pydicom.dcmread(path, stop_before_pixels=True)) == expected


def test_a_real_enhanced_object(shared_data):
    root = shared_data / "dicom" / "odd" / "pydicom-data" / "data_store" / "data"
    dataset = pydicom.dcmread(root / "eCT_Supplemental.dcm", stop_before_pixels=True)
    assert dataset.SOPClassUID == uid.EnhancedCTImageStorage
    assert read_contrast(dataset) == HeaderContrast("contrast", None, ("agent", "usage_contrast"))
