"""Radiomics: IBSI's digital phantom, the grid of the whole image, and frozen values."""

import csv

import numpy as np
import pytest

from bonecast.images import load
from bonecast.measure.columns import names
from bonecast.measure.frame import find_bodies
from bonecast.measure.radiomics import (
    RadiomicsSettings,
    compile_kernels,
    features_of_region,
    measure_radiomics,
    radiomics_columns,
    resample_region,
    use_compiled_kernels,
)
from bonecast.measure.radiomics_names import FEATURES, SHORT_NAMES
from bonecast.reasons import Reason

ALL = tuple(FEATURES)


@pytest.fixture(scope="session", autouse=True)
def kernels(tmp_path_factory):
    use_compiled_kernels(tmp_path_factory.mktemp("kernels"))


@pytest.fixture(scope="module")
def noisy_image():
    """Smooth noise on a grid of 0.8 x 0.8 x 2.5 mm with two regions in it, away from the middle."""
    rng = np.random.default_rng(11)
    image = np.round(rng.normal(150, 60, (61, 54, 23)))
    regions = [np.zeros(image.shape, bool) for _ in range(2)]
    regions[0][5:30, 8:31, 3:13] = True
    regions[1][33:56, 20:49, 9:21] = True
    return image, regions


def test_every_name_is_the_librarys_and_used_once():
    from pictologics.features import FEATURE_NAMES

    for family, features in FEATURES.items():
        assert sorted(features) == sorted(FEATURE_NAMES[family])
    assert len(set(SHORT_NAMES)) == len(SHORT_NAMES) == 136


def read_reference(shared_data) -> dict[str, tuple[float, float]]:
    """Consensus value and tolerance of the features that are merged in three dimensions.

    Values are printed with three digits: where no tolerance is given, half of the last.
    """
    path = shared_data / "ibsi" / "ibsi_1_reference_values" / "ibsi_1_dig_phantom.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = {row["tag"]: row for row in csv.DictReader(file, delimiter=";")}
    found = {}
    for short in SHORT_NAMES:
        row = next(rows[tag] for tag in (short, f"{short}_3D_comb", f"{short}_3D") if tag in rows)
        value = float(row["reference value"])
        digit = 10.0 ** (np.floor(np.log10(abs(value))) - 2) if value else 0.0
        found[short] = (value, max(float(row["tolerance"]), digit / 2))
    return found


def test_digital_phantom_of_ibsi(shared_data):
    folder = shared_data / "ibsi" / "ibsi_1_digital_phantom" / "nifti"
    image = load(folder / "image" / "phantom.nii.gz").data.astype(np.float64)
    region = load(folder / "mask" / "mask.nii.gz").data > 0
    # Grey levels 1 to 6 as they stand: bins of width 1 from 1.
    settings = RadiomicsSettings(bin_width_hu=1, anchor_hu=1, families=ALL)
    found = features_of_region(image, region, settings)
    missed = {
        name: (found[name], value, tolerance)
        for name, (value, tolerance) in read_reference(shared_data).items()
        if abs(found[name] - value) > tolerance * (1 + 1e-9)
    }
    assert missed == {}


@pytest.mark.parametrize("new_spacing_mm", [1.0, 0.7, 2.0])
def test_a_crop_has_the_values_of_the_whole_image(noisy_image, new_spacing_mm):
    from pictologics import Image
    from pictologics.preprocessing import resample_image

    image, regions = noisy_image
    spacing, spacing_new = (0.8, 0.8, 2.5), (new_spacing_mm,) * 3
    settings = RadiomicsSettings(families=ALL)
    for region in regions:
        grids = [
            resample_image(
                Image(array.astype(np.float64), spacing=spacing, origin=(0, 0, 0)),
                spacing_new,
                "linear",
            ).array
            for array in (image, region)
        ]
        whole = features_of_region(
            np.round(np.round(grids[0], 6)), grids[1] >= 0.5 - 1e-6, settings
        )
        inside = np.argwhere(region)
        box = tuple(
            slice(low - 2, high + 3)
            for low, high in zip(inside.min(axis=0), inside.max(axis=0), strict=True)
        )
        cropped = features_of_region(
            *resample_region(image[box], region[box], box, image.shape, spacing, new_spacing_mm),
            settings,
        )
        for name, value in whole.items():
            assert cropped[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


def test_cropping_first_would_change_the_values(noisy_image):
    """The reason for the grid of the whole image: the same region, its crop taken as the image."""
    image, (region, _) = noisy_image
    settings = RadiomicsSettings(families=("glcm",))
    box = (slice(3, 33), slice(5, 34), slice(1, 16))
    right = resample_region(image[box], region[box], box, image.shape, (0.8, 0.8, 2.5), 1.0)
    start = tuple(slice(0, part.stop - part.start) for part in box)
    crop = image[box]
    wrong = resample_region(crop, region[box], start, crop.shape, (0.8, 0.8, 2.5), 1.0)
    contrast = [features_of_region(*pair, settings)["cm_contrast"] for pair in (right, wrong)]
    assert abs(contrast[0] / contrast[1] - 1) > 1e-3


def test_frozen_values(noisy_image):
    """Values of pictologics 0.9.0; others mean that a new version computes something else."""
    image, (region, _) = noisy_image
    box = (slice(3, 33), slice(5, 34), slice(1, 16))
    found = features_of_region(
        *resample_region(image[box], region[box], box, image.shape, (0.8, 0.8, 2.5), 1.0),
        RadiomicsSettings(),
    )
    for name, value in FROZEN.items():
        assert found[name] == pytest.approx(value, rel=1e-9), name


FROZEN = {
    "stat_mean": 149.62277777777777,
    "stat_p90": 190.0,
    "cm_joint_entr": 4.923326717090316,
    "cm_contrast": 3.2217476132747387,
    "cm_inv_diff_norm": 0.9168678643248434,
    "cm_corr": 0.10907721346191186,
    "rlm_sre": 0.8370267646033254,
    "rlm_rlnu": 59654.957286073506,
    "szm_zs_entr": 5.074760792815622,
    "szm_lzhge": 52210375.7601246,
    "dzm_zdnu_norm": 0.266685105928708,
    "dzm_lde": 9.968847352024921,
    "ngt_coarseness": 0.0007228355382418545,
    "ngt_busyness": 1.5266820055569068,
    "ngl_dc_energy": 0.02208651851851852,
    "ngl_ldhge": 179.81546107297407,
}


def test_a_constant_region_has_no_texture():
    image = np.full((12, 12, 12), 110.0)
    region = np.zeros(image.shape, bool)
    region[2:10, 2:10, 2:10] = True
    found = features_of_region(image, region, RadiomicsSettings())
    assert found["stat_mean"] == 110
    assert found["stat_var"] == found["cm_contrast"] == found["cm_joint_entr"] == 0
    # Anchored at -1000 with bins of 25: 110 lies in bin 45.
    assert found["cm_joint_avg"] == 45


def test_rows_of_a_scan(three_bodies):
    bodies = find_bodies(three_bodies.bodies, three_bodies.vertebrae, three_bodies.ct)
    settings = RadiomicsSettings(families=("intensity", "glcm"))
    rows = measure_radiomics(
        bodies | {"L4": None},
        ["L1", "L2", "L4"],
        settings,
        left_out={"L2": Reason.FRACTURED},
    )
    assert all(tuple(row) == names(radiomics_columns(settings)) for row in rows)
    summary = [(row["level"], row["included"], row["reason"]) for row in rows]
    assert summary == [
        ("L1", True, None),
        ("L2", False, Reason.FRACTURED),
        ("L3", False, Reason.LEVEL_NOT_ANALYSED),
        ("L4", False, Reason.NO_BODY),
    ]
    assert rows[0]["stat_median"] == 150
    assert rows[1]["stat_median"] == 120
    assert rows[2]["stat_median"] is None


def test_a_region_too_small_for_texture(three_bodies):
    bodies = find_bodies(three_bodies.bodies, three_bodies.vertebrae, three_bodies.ct)
    for erosion_mm in (13, 40):
        settings = RadiomicsSettings(erosion_mm=erosion_mm, families=("intensity",))
        rows = measure_radiomics(bodies, ["L1", "L2", "L3"], settings)
        assert {row["reason"] for row in rows} == {Reason.TOO_SMALL}


def test_the_whole_body_is_larger_than_its_core(three_bodies):
    bodies = find_bodies(three_bodies.bodies, three_bodies.vertebrae, three_bodies.ct)
    core, whole = (
        measure_radiomics(bodies, ["L1"], settings)[0]
        for settings in (
            RadiomicsSettings(families=("intensity",)),
            RadiomicsSettings(erosion_mm=0, endplate_fraction=0, families=("intensity",)),
        )
    )
    assert core["stat_var"] == 0 < whole["stat_var"]


def test_compiling_runs_every_family():
    assert compile_kernels() == len(SHORT_NAMES)
