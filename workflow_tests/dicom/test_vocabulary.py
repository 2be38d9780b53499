"""Free text in, our own words out."""

import pytest
from pydicom import uid

from bonecast.dicom.vocabulary import (
    SYNTAXES,
    body_part_words,
    description_class,
    has_contrast,
    image_type_words,
    kernel_is_soft,
    kernel_name,
    manufacturer_name,
    modality_code,
    model_name,
    syntax_name,
)


@pytest.mark.parametrize(
    ("text", "name", "soft"),
    [
        ("STANDARD", "STANDARD", True),
        ("SOFT", "SOFT", True),
        ("BONEPLUS", "BONEPLUS", False),
        ("LUNG", "LUNG", False),
        ("B30f", "B30f", True),
        ("B70s", "B70s", False),
        ("Br38f\\3", "Br38f/3", True),
        ("['Br38f', '3']", "Br38f/3", True),
        ("Bl57", "Bl57", False),
        ("I31f", "I31f", True),
        ("FC08", "FC08", True),
        ("FC51", "FC51", False),
        ("B", "B", True),
        ("11", "11", None),
        ("QR40", "QR40", True),
        ("J40f\\2", "J40f/2", True),
        ("Hr40", "Hr40", True),
        ("H60s", "H60s", False),
        ("U90u", "U90u", False),
        ("Br49", "Br49", False),
        ("YA", "YA", False),
        ("D", "D", False),
        ("L", "L", False),
        ("CHST", "CHST", False),
        ("BONE+", "BONE+", False),
        ("STANDARD+", "STANDARD+", True),
        ("FC13", "FC13", True),
        ("", "", None),
        ("Doe^Jane", "other", None),
        ("seen 2024-02-29", "other", None),
    ],
)
def test_kernels(text, name, soft):
    assert kernel_name(text) == name
    assert kernel_is_soft(name) is soft


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("GE MEDICAL SYSTEMS", "GE"),
        ("GE", "GE"),
        ("SIEMENS", "Siemens"),
        ("Siemens Healthineers", "Siemens"),
        ("Philips", "Philips"),
        ("TOSHIBA", "Canon"),
        ("Canon Medical Systems", "Canon"),
        ("Dr Jane Doe", "other"),
        ("", ""),
    ],
)
def test_makers(text, name):
    assert manufacturer_name(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("LightSpeed16", "LightSpeed16"),
        ("Biograph40_mCT 4R", "Biograph40_mCT 4R"),
        ("SOMATOM Definition AS+", "SOMATOM Definition AS+"),
        ("Aquilion ONE", "Aquilion ONE"),
        ("Ward 7, Mrs Doe", "other"),
        ("", ""),
    ],
)
def test_models(text, name):
    assert model_name(text) == name


@pytest.mark.parametrize(
    ("agent", "description", "expected"),
    [
        ("APPLIED", "", True),
        ("Iomeprol 400", "", True),
        ("NONE", "", False),
        ("No", "", False),
        ("", "Abdomen native 3.0", False),
        ("", "CT w/o contrast", False),
        ("", "Abdomen portal venous", True),
        ("", "Leber nativ, Protokoll mit KM", False),
        ("Gastrografin", "", None),
        ("APPLIED", "Abdomen native 3.0", None),
        ("", "Abdomen 3.0", None),
    ],
)
def test_contrast(agent, description, expected):
    assert has_contrast(agent, description) is expected


def test_modality_is_a_code_or_other():
    assert modality_code("CT") == "CT"
    assert modality_code("DOE") == "other"
    assert modality_code("") == ""


@pytest.mark.parametrize(
    ("examined", "description", "words"),
    [
        ("CHEST", "", "chest"),
        ("CHESTABDPELVIS", "", "chest abdomen pelvis"),
        ("ABDOMENPELVIS", "", "abdomen pelvis"),
        ("LSPINE", "head first", "spine"),
        ("HEADNECK", "", "head neck"),
        ("WHOLEBODY", "", "whole_body"),
        ("KNEE", "", "limb"),
        ("", "Thorax/Abdomen nativ 5.0", "chest abdomen"),
        ("", "LWS", "spine"),
        ("", "TAP portal", "chest abdomen pelvis"),
        ("", "Sch\xc3\xa4del", "head"),
        ("UNKNOWN", "Abdomen^Routine", "abdomen"),
        ("", "TC t\u00f3rax abdomen", "chest abdomen"),
        ("", "Lendenwirbels\u00e4ule nativ", "spine"),
        ("", "colonna lombare", "spine"),
        ("", "Thoraco-abdo-pelvien", "chest abdomen pelvis"),
        ("", "Oberbauch", "abdomen"),
        ("Doe^Jane 2024", "Ward 7, Mrs Doe", ""),
        ("", "", ""),
    ],
)
def test_body_parts(examined, description, words):
    assert body_part_words(examined, description) == words


@pytest.mark.parametrize(
    ("image_type", "description", "kind"),
    [
        ("DERIVED\\PRIMARY\\AXIAL", "Virtual Unenhanced", "functional_map"),
        ("DERIVED\\PRIMARY\\AXIAL", "VNCa bone marrow", "functional_map"),
        ("DERIVED\\PRIMARY\\AXIAL", "Monoenergetic Plus 40 keV", "functional_map"),
        ("DERIVED\\PRIMARY\\AXIAL", "Mono+ 55keV", "functional_map"),
        ("DERIVED\\PRIMARY\\AXIAL", "GSI 70KeV", "functional_map"),
        ("DERIVED\\PRIMARY\\AXIAL", "Z Effective[no unit]", "functional_map"),
        ("DERIVED\\PRIMARY\\AXIAL", "Water (HAP)", "functional_map"),
        ("DERIVED\\PRIMARY\\AXIAL\\MAT_REMOVED", "Liver", "functional_map"),
        ("ORIGINAL\\PRIMARY\\AXIAL\\SUBTRACTION", "Aorta", "functional_map"),
        ("DERIVED\\SECONDARY\\AXIAL", "MIPs axial 8mm", "projection"),
        ("DERIVED\\SECONDARY\\AXIAL", "MIP10", "projection"),
        ("DERIVED\\SECONDARY\\REFORMATTED\\MAXIMUM", "AX 3mm", "projection"),
        ("ORIGINAL\\PRIMARY\\AXIAL", "Topogramm 0.6", "localizer"),
        ("DERIVED\\PRIMARY\\AXIAL", "DE_Abdomen F_0.5", "derived_ct"),
        ("ORIGINAL\\PRIMARY\\AXIAL", "Abdomen iodine contrast", "axial_ct"),
        ("ORIGINAL\\PRIMARY\\AXIAL", "Abdomen max. inspiration", "axial_ct"),
    ],
)
def test_series_that_are_no_slices_of_hu_by_their_words(image_type, description, kind):
    assert description_class(image_type, description, "CT", True, "axial") == kind


def test_every_transfer_syntax_of_images_has_a_name():
    known = [syntax for syntax in uid.AllTransferSyntaxes if not syntax.is_private]
    assert len(known) > 30
    assert "other" not in {syntax_name(syntax) for syntax in known}
    assert {syntax_name("1.2.3"), syntax_name("Doe^Jane")} == {"other"}
    assert SYNTAXES[""] == ""


@pytest.mark.parametrize(
    ("image_type", "words"),
    [
        ("ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI", "original primary axial helical"),
        ("DERIVED\\SECONDARY\\REFORMATTED\\AVERAGE", "derived secondary mpr average"),
        ("DERIVED\\SECONDARY\\AXIAL\\CT_SOM7 SPI\\MIP", "derived secondary axial helical mip"),
        ("ORIGINAL\\PRIMARY\\DOE^JANE", "original primary"),
        ("derived\\mpr\\mpr", "derived mpr"),
        ("", ""),
    ],
)
def test_image_type_in_our_words(image_type, words):
    assert image_type_words(image_type) == words
