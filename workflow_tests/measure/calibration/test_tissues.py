"""Tissues found in a drawn torso, and what is left out of them."""

import numpy as np
import pytest

from bonecast.images import Volume
from bonecast.measure.acquisition import Acquisition
from bonecast.measure.bodies import find_bodies
from bonecast.measure.calibration.calibrate import CalibrationSettings, calibrate
from bonecast.measure.calibration.tissues import MIN_COMPACT_MM2, sample_tissues, usable_hu
from bonecast.reasons import Reason
from bonecast.segment.tissues import Tissue

CODE = 22
SIZE = (200, 180, 12)
SPACING_MM = (2.0, 2.0, 3.0)


def draw(hu: dict[str, float], noise_hu: float = 15.0, arch_mm=(14, 10)):
    """A torso: fat around muscle, a body with a compact block behind it, aorta, table, padding.

    Returns:
        CT, vertebra map and tissue map (aorta, fat and muscle) as volumes.
    """
    affine = np.diag([*SPACING_MM, 1.0])
    affine[:3, 3] = -np.array(SPACING_MM) * (np.array(SIZE) - 1) / 2
    x, y = (affine[k, 3] + SPACING_MM[k] * np.arange(SIZE[k]) for k in (0, 1))
    x, y = x[:, None], y[None, :]
    plane = np.full(SIZE[:2], hu["air"])
    tissue, bone = np.zeros(SIZE[:2], np.uint8), np.zeros(SIZE[:2], np.uint8)
    radius = np.hypot(x / 150, y / 110)
    for limit, name, code in ((1.0, "adipose", 1), (0.82, "muscle", 4)):
        plane[radius < limit] = hu[name]
        tissue[radius < limit] = code
    aorta = np.hypot(x + 15, y - 25) < 11
    plane[aorta], tissue[aorta] = hu["blood"], Tissue.AORTA
    body = np.hypot(x / 22, (y + 10) / 16) < 1
    side, front = arch_mm
    arch = (np.abs(x) < side) & (np.abs(y + 52) < front)
    plane[body], plane[arch] = 150, hu["cortical_bone"]
    bone[body | arch], tissue[body | arch] = CODE, 0
    plane[(np.abs(y + 125) < 6) & (np.abs(x) < 150)] = -400  # the table
    data = np.repeat(plane[:, :, None], SIZE[2], axis=2)
    data += np.random.default_rng(5).normal(0, noise_hu, SIZE)
    data[np.hypot(x, y) > 178] = -1024
    volume = Volume(np.clip(np.rint(data), -1024, 3071).astype(np.int16), affine)
    maps = [volume.like(np.repeat(m[:, :, None], SIZE[2], axis=2)) for m in (bone, tissue)]
    # Cut off at both ends: a body does not touch the border of the scan.
    maps[0].data[:, :, [0, 1, -2, -1]] = 0
    return volume, *maps


def find(hu, named: bool, contrast=False, noise_hu=15.0):
    ct, vertebrae, tissue = draw(hu, noise_hu)
    bodies = find_bodies(vertebrae, vertebrae, ct)
    return sample_tissues(ct, vertebrae, bodies, tissue if named else None, contrast)


@pytest.mark.parametrize("named", [True, False])
def test_every_tissue_is_found_within_two_hu(Scanner, named):
    hu = Scanner(120).tissues_hu()
    samples = find(hu, named)
    expected = hu if named else {name: value for name, value in hu.items() if name != "blood"}
    assert usable_hu(samples) == pytest.approx(expected, abs=2)
    assert samples["muscle"].source == ("mask" if named else "image")
    if not named:
        assert samples["blood"].dropped == Reason.TISSUE_NOT_FOUND


def test_blood_is_dropped_where_contrast_is_in_it(Scanner):
    hu = Scanner(120).tissues_hu()
    assert find(hu, True, contrast=True)["blood"].dropped == Reason.CONTRAST
    # Contrast that nothing told of shows in the aorta.
    assert find(hu | {"blood": 180.0}, True)["blood"].dropped == Reason.TISSUE_IMPLAUSIBLE


def test_bone_that_is_nowhere_compact_is_not_sampled(Scanner):
    hu = Scanner(120).tissues_hu() | {"cortical_bone": 700.0}
    assert find(hu, False)["cortical_bone"].dropped == Reason.TISSUE_NOT_FOUND


@pytest.mark.parametrize(("arch_mm", "found"), [((14, 10), True), ((8, 6), False)])
def test_compact_bone_of_few_pixels_is_not_sampled(Scanner, arch_mm, found):
    ct, vertebrae, _ = draw(Scanner(120).tissues_hu(), arch_mm=arch_mm)
    samples = sample_tissues(ct, vertebrae, find_bodies(vertebrae, vertebrae, ct), None, False)
    bone = samples["cortical_bone"]
    assert bone.n_pixels * 4 > MIN_COMPACT_MM2  # of 2 x 2 mm: enough by area in either case
    assert bone.dropped == (None if found else Reason.TISSUE_NOT_FOUND)


def test_padding_is_not_taken_for_air(Scanner):
    ct, vertebrae, _ = draw(Scanner(120).tissues_hu())
    ct.data[ct.data < -600] = -1024
    samples = sample_tissues(ct, vertebrae, find_bodies(vertebrae, vertebrae, ct), None, False)
    assert (samples["air"].hu, samples["air"].source) == (-1000, "assumed")


@pytest.mark.parametrize("kvp", [80, 120])
def test_a_scan_is_calibrated_from_its_image_alone(Scanner, kvp):
    """Within 5 mg/cm3, from noisy samples, at a density of old and of young bone."""
    scanner = Scanner(kvp)
    ct, vertebrae, _ = draw(scanner.tissues_hu())
    bodies = find_bodies(vertebrae, vertebrae, ct)
    settings = CalibrationSettings("internal", internal_model="linear")
    mine = calibrate(ct, vertebrae, bodies, None, settings, Acquisition())
    assert mine.method == "internal_linear" and mine.standard == "k2hpo4"
    for density in (80, 150):
        assert mine.density_mgcc(scanner.solution_hu(density)) == pytest.approx(density, abs=5)
    assert mine.quality["tissues"]["blood"]["dropped"] == "tissue_not_found"


def test_other_methods_go_through_the_same_interface(Scanner):
    ct, vertebrae, _ = draw(Scanner(120).tissues_hu())
    arguments = (ct, vertebrae, {}, None)
    none = calibrate(*arguments, CalibrationSettings("none"), Acquisition())
    assert (none.method, none.reason) == ("none", Reason.NOT_CALIBRATED)
    row = {"row": 2, "reason": None, "slope": 0.8, "intercept": -1.0, "standard": "k2hpo4"}
    row |= {"r2": 0.99, "drift_hu_per_year": -3.0, "drift_beyond_limit": True}
    table = calibrate(*arguments, CalibrationSettings("table"), Acquisition(), row=row)
    assert table.density_mgcc(100) == pytest.approx(79)
    assert table.facts()["drift_beyond_limit"] is True
    gap = {"row": None, "reason": "calibration_date_gap"}
    missing = calibrate(*arguments, CalibrationSettings("table"), Acquisition(), row=gap)
    assert missing.facts()["reason"] == "calibration_date_gap"
    with pytest.raises(ValueError, match="unknown method"):
        calibrate(*arguments, CalibrationSettings("guess"), Acquisition())
