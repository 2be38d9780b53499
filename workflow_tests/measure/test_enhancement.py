"""Phases by the attenuation of vessels and organs: by hand, drawn, and in real scans."""

import numpy as np
import pytest

from bonecast.images import Volume, load
from bonecast.measure.enhancement import Enhancement, measure_enhancement, median_hu
from bonecast.segment.labelmaps import recode
from bonecast.segment.tissues import TISSUE_CODES, TISSUE_CONVENTIONS, Tissue


def organs(path):
    """TotalSegmentator's labels as a tissue map."""
    labels, names = load(path), TISSUE_CONVENTIONS["totalsegmentator"]
    return labels.like(recode(labels.data, {k: TISSUE_CODES[name] for k, name in names.items()}))


@pytest.mark.parametrize(
    ("aorta", "cava", "portal", "liver", "kidney", "bright", "phase"),
    [
        (None, 120, 150, 110, 180, 220, None),
        (60, None, None, None, None, None, "none"),
        (45, 40, 38, 55, 30, 60, "none"),
        (61, None, None, None, None, None, "contrast"),
        (45, 45, 40, 55, 95, 500, "late"),  # excreted, but not in the blood
        (325, 60, 145, 80, 150, 230, "arterial"),  # the published late arterial phase
        (300, 55, None, None, 150, 230, "arterial"),
        (150, None, 160, 110, 190, 240, "portal"),
        (152, 98, 138, 93, None, None, "portal"),  # the Siemens test scan, 96 s
        (152, 98, None, 93, None, None, "contrast"),  # its cava alone does not tell
        (146, 128, None, 122, None, None, "portal"),  # the CRLM test scan
        (150, 120, None, 58, 190, 240, "contrast"),  # a liver that has not enhanced
        (150, 130, 160, 58, 190, 240, "portal"),  # a fatty liver: the portal vein tells
        (200, None, 140, 90, 180, 220, "contrast"),  # between the phases
        (110, 105, 108, 95, 130, 900, "late"),  # urine of 900 HU
        (400, 60, 150, 80, 390, 410, "arterial"),  # a bright cortex at 80 kV is no urine
        (75, 70, 72, 70, 80, 90, "contrast"),  # too little to tell which
    ],
)
def test_ratios_tell_the_phase(aorta, cava, portal, liver, kidney, bright, phase):
    assert Enhancement(aorta, cava, portal, liver, kidney, bright).phase == phase


@pytest.mark.parametrize("factor", [0.85, 1.25, 1.7])
@pytest.mark.parametrize(
    ("hu", "phase"), [((325, 60, 145, 80), "arterial"), ((150, 120, 160, 110), "portal")]
)
def test_the_tube_voltage_changes_no_phase(hu, phase, factor):
    """Iodine at 140, 100 and 80 kV against 120 kV; tissue itself stays."""
    native = np.array([40, 40, 40, 55])
    assert Enhancement(*(native + factor * (np.array(hu) - native))).phase == phase


SIZE_MM = (60, 60, 40)


def draw(spacing_mm=(1.0, 1.0, 2.0)):
    """An aorta with a calcified wall, a vena cava and a kidney with a bright pelvis."""
    shape = [int(mm / step) for mm, step in zip(SIZE_MM, spacing_mm, strict=True)]
    x, y, _ = np.indices(shape) * np.array(spacing_mm)[:, None, None, None]
    hu, codes = np.full(shape, -100, np.int16), np.zeros(shape, np.uint8)
    for centre, radius, code, value in (
        ((15, 15), 10, Tissue.AORTA, 300),
        ((45, 15), 9, Tissue.INFERIOR_VENA_CAVA, 60),
        ((30, 45), 14, Tissue.KIDNEY_LEFT, 150),
    ):
        apart = np.hypot(x - centre[0], y - centre[1])
        codes[apart < radius], hu[apart < radius] = code, value
        if code == Tissue.AORTA:
            hu[(apart < radius) & (apart > radius - 2)] = 900
        if code == Tissue.KIDNEY_LEFT:
            hu[apart < 3] = 1200
    affine = np.diag([*spacing_mm, 1.0])
    return Volume(hu, affine), Volume(codes, affine)


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 2.0), (0.7, 0.7, 5.0)])
def test_vessels_are_measured_within_their_wall(spacing_mm):
    ct, tissue = draw(spacing_mm)
    found = measure_enhancement(ct, tissue)
    assert (found.aorta_hu, found.vena_cava_hu, found.kidney_hu) == (300, 60, 150)
    assert found.kidney_bright_hu == 1200 and found.phase == "late"
    assert (found.portal_vein_hu, found.liver_hu) == (None, None)
    whole = median_hu(ct, tissue, {"aorta": Tissue.AORTA, "brain": Tissue.BRAIN})
    assert whole == {"aorta": 300}


def test_too_little_of_a_structure_is_not_measured():
    ct, tissue = draw()
    assert measure_enhancement(ct, None) == Enhancement()
    assert measure_enhancement(ct, tissue.like(np.zeros_like(tissue.data))) == Enhancement()
    tissue.data[:, :, 1:] = 0
    assert measure_enhancement(ct, tissue) == Enhancement()


def test_an_unenhanced_real_scan(shared_data):
    folder = shared_data / "ct" / "totalseg_abdomen_30slices"
    found = measure_enhancement(load(folder / "ct.nii.gz"), organs(folder / "total_labels.nii.gz"))
    assert found.phase == "none"
    assert found.facts() == {
        "aorta_hu": 42.0,
        "vena_cava_hu": 39.0,
        "portal_vein_hu": 38.0,
        "liver_hu": 46.0,
        "kidney_hu": 14.0,
        "kidney_bright_hu": 50.0,
    }


def test_a_portal_venous_real_scan(shared_data, decoded_ct):
    """Discs drawn by hand on slices of 5 mm of a colorectal cohort: pixels of the file, and HU."""
    ct = decoded_ct(shared_data / "dicom" / "CRLM-CT-1004")
    tissue = ct.like(np.zeros(ct.data.shape, np.uint8))
    columns, rows = np.indices(ct.data.shape[:2])
    for code, slices, column, row, radius in (
        (Tissue.AORTA, (18, 19, 20, 21), 264, 259, 9),
        (Tissue.INFERIOR_VENA_CAVA, (6, 7, 8, 9), 232, 235, 9),
        (Tissue.LIVER, range(16, 24), 120, 260, 30),
    ):
        disc = np.hypot(columns - column, rows - row) <= radius
        for k in slices:
            tissue.data[disc, k] = code
    found = measure_enhancement(ct, tissue)
    assert found.phase == "portal"
    assert found.aorta_hu == pytest.approx(146, abs=5)
    assert found.vena_cava_hu == pytest.approx(128, abs=5)
    assert found.liver_hu == pytest.approx(122, abs=5)


def test_a_real_scan_of_96_seconds(shared_data, decoded_ct):
    ct = decoded_ct(shared_data / "dicom" / "siemens_j2k_20slices")
    labels = organs(shared_data / "dicom" / "siemens_j2k_20slices.seg.nii.gz")
    flipped = ct.like(np.ascontiguousarray(labels.data[::-1, ::-1]))
    found = measure_enhancement(ct, flipped)
    assert found.phase == "portal" and found.portal_vein_hu == pytest.approx(138, abs=1)


@pytest.fixture
def decoded_ct():
    """HU of a folder of axial slices as pydicom reads them: columns, rows, from foot to head."""
    import pydicom

    def read(folder):
        slices = [pydicom.dcmread(path) for path in folder.iterdir()]
        slices.sort(key=lambda one: float(one.ImagePositionPatient[2]))
        hu = [one.pixel_array.T * one.RescaleSlope + one.RescaleIntercept for one in slices]
        step = slices[1].ImagePositionPatient[2] - slices[0].ImagePositionPatient[2]
        rows_mm, columns_mm = slices[0].PixelSpacing
        affine = np.diag([columns_mm, rows_mm, step, 1.0]).astype(float)
        return Volume(np.stack(hu, axis=-1).astype(np.int16), affine)

    return read
