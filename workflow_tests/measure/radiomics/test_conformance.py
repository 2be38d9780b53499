"""Conformance with the IBSI: digital phantom and CT configurations C, D and E."""

import csv

import numpy as np
import pytest

from bonecast.images import load
from bonecast.measure.radiomics.features import features_of_region
from bonecast.measure.radiomics.grid import Region, resample_region
from bonecast.measure.radiomics.names import FEATURES, column
from bonecast.measure.radiomics.settings import RadiomicsSettings, settings_of

from .conftest import crop

ALL = tuple(FEATURES)
LEFT_OUT = ("cm_inv_diff_norm", "cm_inv_diff_mom_norm")


def read_reference(shared_data, name: str) -> dict[str, tuple[float, float]]:
    """Consensus value and tolerance of every feature, merged in three dimensions.

    Values are printed with three digits: where no tolerance is given, half of the last.
    """
    path = shared_data / "ibsi" / "ibsi_1_reference_values" / f"ibsi_1_{name}.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = {row["tag"]: row for row in csv.DictReader(file, delimiter=";")}
    found = {}
    for names in FEATURES.values():
        for long, tag in names.items():
            row = next(rows[t] for t in (tag, f"{tag}_3D_comb", f"{tag}_3D") if t in rows)
            value = float(row["reference value"])
            digit = 10.0 ** (np.floor(np.log10(abs(value))) - 2) if value else 0.0
            found[column(long, tag)] = (value, max(float(row["tolerance"]), digit / 2))
    for tag in LEFT_OUT:
        assert rows[f"{tag}_3D_comb"]["reference value"]
    return found


def missed(found, reference):
    """Features that are not within tolerance: ours, theirs, tolerance."""
    return {
        name: (found[name], value, tolerance)
        for name, (value, tolerance) in reference.items()
        if not abs(found[name] - value) <= tolerance * (1 + 1e-9)
    }


def test_digital_phantom(shared_data):
    folder = shared_data / "ibsi" / "ibsi_1_digital_phantom" / "nifti"
    image = load(folder / "image" / "phantom.nii.gz")
    mask = load(folder / "mask" / "mask.nii.gz").data > 0
    # Grey levels 1 to 6 as they stand: bins of width 1 from 1.
    settings = RadiomicsSettings(bin_width_hu=1, anchor_hu=1, families=ALL)
    region = Region(image.data.astype(np.float64), mask, image.spacing_mm[0])
    reference = read_reference(shared_data, "dig_phantom")
    assert len(reference) == 167
    assert missed(features_of_region(region, settings), reference) == {}


@pytest.mark.parametrize("configuration", ["c", "d", "e"])
def test_ct_configurations(shared_data, configuration):
    """From the scan to the features as in the workflow: the preset's settings, in a box."""
    folder = shared_data / "ibsi" / "ibsi_1_ct_radiomics_phantom" / "nifti"
    scan = load(folder / "image" / "phantom.nii.gz")
    mask = load(folder / "mask" / "mask.nii.gz").data > 0
    settings = settings_of({"preset": f"ibsi_{configuration}", "overrides": {}, "families": ALL})
    around, inside = crop(scan.data, mask, 34)
    assert around.hu.size < scan.data.size
    around = type(around)(around.hu, around.box, around.image_shape, scan.spacing_mm)
    region = resample_region(
        around, inside, settings.spacing_mm, settings.interpolation, settings.reach_mm
    )
    reference = read_reference(shared_data, f"chest_config_{configuration}")
    assert len(reference) == 167
    assert missed(features_of_region(region, settings), reference) == {}
