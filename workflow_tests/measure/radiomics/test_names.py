"""Names of features: the library's, the IBSI's, and what is said of them."""

import re

import pytest

from bonecast.measure.radiomics.names import FEATURES, describe, feature_columns
from bonecast.measure.radiomics.settings import PRESETS, RadiomicsSettings, settings_of

LEFT_OUT = {
    # Defined otherwise in conformant libraries.
    "normalised_inverse_difference_NDRX",
    "normalised_inverse_difference_moment_1QCO",
    # No consensus value in the IBSI.
    "volume_density_ombb_ZH1A",
    "area_density_ombb_IQYR",
    "volume_density_mvee_SWZ1",
    "area_density_mvee_BRI8",
    "area_under_the_ivh_curve_9CMM",
}


def test_every_name_is_the_librarys():
    from pictologics.features import FEATURE_NAMES

    for family, names in FEATURES.items():
        assert set(FEATURE_NAMES[family]) - set(names) <= LEFT_OUT
        assert set(names) <= set(FEATURE_NAMES[family])
    assert {name for names in FEATURE_NAMES.values() for name in names} - LEFT_OUT == {
        name for names in FEATURES.values() for name in names
    }


def test_every_column_has_its_code_and_is_described():
    settings = RadiomicsSettings(families=tuple(FEATURES), log_sigma_mm=(3.0,), wavelet="haar")
    assert len(set(settings.columns)) == len(settings.columns) == 167 + 9 * 18
    codes = set()
    for column in feature_columns(settings.columns):
        assert re.fullmatch(r"rad_[a-z0-9_]+_[a-z0-9]{3,4}", column.name)
        code = column.name.rpartition("_")[2]
        assert f"(IBSI {code.upper()})" in column.definition
        assert column.block == "radiomics" and column.source
        codes.add(code)
    # v10 and v90 share a code, and so do i10 and i90.
    assert len(codes) == 165


def test_names_that_others_rely_on():
    assert "rad_cm_joint_entr_tu9b" in RadiomicsSettings().columns
    assert describe("rad_stat_mean_q4le") == ("HU", "intensity: mean intensity (IBSI Q4LE)")
    assert describe("rad_morph_volume_rnu0")[0] == "mm3"
    unit, words = describe("rad_wavelet_haar_lhl_stat_mean_q4le")
    assert unit == "" and words.endswith("filtered by wavelet haar lhl")
    with pytest.raises(ValueError, match="rad_cm_invented"):
        describe("rad_cm_invented_abcd")


def test_overrides_go_before_the_preset_and_the_preset_before_the_defaults():
    section = {"preset": "ibsi_d", "overrides": {}, "families": ["glcm"], "enabled": True}
    settings = settings_of(section)
    assert (settings.spacing_mm, settings.outlier_sd, settings.bin_count) == (2.0, 3.0, 32)
    assert settings.families == ("glcm",)
    settings = settings_of(section | {"overrides": {"bin_count": None, "spacing_mm": 0.8}})
    assert (settings.spacing_mm, settings.outlier_sd, settings.bin_count) == (0.8, 3.0, None)
    assert settings_of({"preset": "bonecast", "overrides": {}}) == RadiomicsSettings()
    with pytest.raises(ValueError, match="resegment_hu"):
        settings_of({"preset": "bonecast", "overrides": {"resegment_hu": [400, -1000]}})


def test_every_preset_makes_settings():
    assert set(PRESETS) == {"bonecast", "ibsi_c", "ibsi_d", "ibsi_e", "pyradiomics_ct"}
    for preset in PRESETS:
        assert settings_of({"preset": preset, "overrides": {}}).columns
