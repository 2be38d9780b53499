"""What else lies beside the axial CT of an examination: none of it is measured, each says why."""

import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from bonecast.dicom.select import Settings
from bonecast.reasons import Reason

OTHER = "1.2.826.0.1.3680043.8.498.77"
"""Another series than that of `write`."""

SCOUT = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
LYING = {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}

OBJECTS = {
    "dose_report": (uid.XRayRadiationDoseSRStorage, "SR"),
    "text_report": (uid.EnhancedSRStorage, "SR"),
    "pdf": (uid.EncapsulatedPDFStorage, "DOC"),
    "presentation_state": (uid.GrayscaleSoftcopyPresentationStateStorage, "PR"),
    "key_objects": (uid.KeyObjectSelectionDocumentStorage, "KO"),
    "contours": (uid.RTStructureSetStorage, "RTSTRUCT"),
    "plan": (uid.RTPlanStorage, "RTPLAN"),
    "registration": (uid.SpatialRegistrationStorage, "REG"),
    "raw_data": (uid.RawDataStorage, "CT"),
    "protocol": (uid.CTDefinedProcedureProtocolStorage, "CT"),
    "measurements": (uid.ComprehensiveSRStorage, "CT"),
}

IMAGES = {
    "pet": {"SOPClassUID": uid.PositronEmissionTomographyImageStorage, "Modality": "PT"},
    "mr": {"SOPClassUID": uid.MRImageStorage, "Modality": "MR"},
    "spect": {"SOPClassUID": uid.NuclearMedicineImageStorage, "Modality": "NM"},
    "radiograph": {"SOPClassUID": uid.DigitalXRayImageStorageForPresentation, "Modality": "DX"},
    "dose_grid": {"SOPClassUID": uid.RTDoseStorage, "Modality": "RTDOSE"},
    "segmentation": {"SOPClassUID": uid.SegmentationStorage, "Modality": "SEG"},
    "capture": {"SOPClassUID": uid.SecondaryCaptureImageStorage},
    "capture_of_old_software": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.1"},
    "parametric_map": {"SOPClassUID": uid.ParametricMapStorage},
    "modality_contradicts_class": {"Modality": "PT"},
    "class_contradicts_modality": {"SOPClassUID": uid.MRImageStorage},
    "colours": {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0},
}
"""Images with the very geometry of a CT, so that only this tells them from one."""


@pytest.mark.parametrize("name", OBJECTS)
def test_object_without_pixels(zoo, judge, tmp_path, name):
    zoo.write(tmp_path / "in")
    zoo.plain_object(tmp_path / "in" / "other", *OBJECTS[name])
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen, not_ct")
    zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize("name", OBJECTS)
def test_object_without_pixels_alone(zoo, judge, tmp_path, name):
    zoo.plain_object(tmp_path / "in" / "other", *OBJECTS[name])
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == (Reason.NO_AXIAL_CT, "not_ct")


def as_image(zoo, folder, name):
    more = IMAGES[name]

    def coloured(dataset, number):
        if dataset.SamplesPerPixel == 3:
            hu = zoo.hu_of(dataset)
            dataset = zoo.store(dataset, hu.clip(0, 255).repeat(3).astype("u1"))
        return dataset

    zoo.write(folder, edit=coloured, **{"SeriesInstanceUID": OTHER, "SeriesNumber": 1} | more)


@pytest.mark.parametrize("name", IMAGES)
def test_other_image_beside(zoo, judge, tmp_path, name):
    zoo.write(tmp_path / "in" / "ct")
    as_image(zoo, tmp_path / "in" / "other", name)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen, not_ct")
    zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize("name", IMAGES)
def test_other_image_under_the_identifier_of_the_ct(zoo, judge, tmp_path, name):
    zoo.write(tmp_path / "in" / "ct")
    as_image(zoo, tmp_path / "in" / "other", name)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok"
    zoo.assert_shows(got.volume, zoo.planes())


LABELS = {
    # What the makers of scanners write, in description or image type, and what it is.
    "scout": ({"SeriesDescription": "Scout"}, Reason.LOCALIZER),
    "topogram": ({"SeriesDescription": "Topogram  0.6  T20f"}, Reason.LOCALIZER),
    "surview": ({"SeriesDescription": "Surview"}, Reason.LOCALIZER),
    "scanogram": ({"SeriesDescription": "Scanogram"}, Reason.LOCALIZER),
    "localizer": (SCOUT, Reason.LOCALIZER),
    "mip": ({"SeriesDescription": "MIP axial 10mm"}, Reason.PROJECTION),
    "mip_type": ({"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "MIP"]}, Reason.PROJECTION),
    "max_ip": ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "MAX_IP"]}, Reason.PROJECTION),
    "min_ip": ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "MIN_IP"]}, Reason.PROJECTION),
    "mip_thin": ({"SeriesDescription": "ThinMIP 3.0"}, Reason.PROJECTION),
    "minip": ({"SeriesDescription": "MinIP Lunge"}, Reason.PROJECTION),
    "rendering": ({"SeriesDescription": "VRT Gefaesse"}, Reason.PROJECTION),
    "perfusion": ({"ImageType": ["DERIVED", "PRIMARY", "PERFUSION", "RCBF"]}, Reason.NOT_HU),
    "perfusion_word": ({"SeriesDescription": "CBF Perfusion"}, Reason.NOT_HU),
    "mono": ({"SeriesDescription": "Mono+ 70keV Br40"}, Reason.NOT_HU),
    "mono_e": ({"SeriesDescription": "MonoE 40keV[HU]"}, Reason.NOT_HU),
    "mono_ge": ({"SeriesDescription": "GSI MONO 65 keV"}, Reason.NOT_HU),
    "mono_plus": ({"SeriesDescription": "Monoenergetic Plus 190 keV"}, Reason.NOT_HU),
    "mono_vmi": ({"SeriesDescription": "VMI 50 keV"}, Reason.NOT_HU),
    "mono_type": (
        {"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "CT_SOM7 SPI DUAL", "MONO_E", "DE_70_KEV"]},
        Reason.NOT_HU,
    ),
    "iodine": ({"SeriesDescription": "Iodine no Water[mg/ml]"}, Reason.NOT_HU),
    "jod": ({"SeriesDescription": "DE Jodkarte"}, Reason.NOT_HU),
    "iodine_de": ({"SeriesDescription": "Liver VNC Iodine overlay"}, Reason.NOT_HU),
    "vnc": ({"SeriesDescription": "VNC 3.0 Qr40"}, Reason.NOT_HU),
    "virtual_unenhanced": ({"SeriesDescription": "Virtual Unenhanced 2.5"}, Reason.NOT_HU),
    "water": ({"SeriesDescription": "Water(Iodine)"}, Reason.NOT_HU),
    "z_effective": ({"SeriesDescription": "Z Effective"}, Reason.NOT_HU),
    "electron_density": ({"SeriesDescription": "Electron Density[%EDW]"}, Reason.NOT_HU),
    "calcium_suppressed": ({"SeriesDescription": "CaSupp 25 Index[HU*]"}, Reason.NOT_HU),
    "calcium_suppression": ({"SeriesDescription": "Calcium Suppression 25"}, Reason.NOT_HU),
    "uric_acid": ({"SeriesDescription": "Uric Acid[HU*]"}, Reason.NOT_HU),
    "subtraction": ({"ImageType": ["DERIVED", "PRIMARY", "SUBTRACTION"]}, Reason.NOT_HU),
    "subtracted": ({"SeriesDescription": "Subtraction art-nat"}, Reason.NOT_HU),
    "bone_removed": ({"SeriesDescription": "CTA Bone Removal"}, Reason.NOT_HU),
    "bone_removed_word": ({"SeriesDescription": "BoneRemoved 1.0"}, Reason.NOT_HU),
}


@pytest.mark.parametrize("name", LABELS)
def test_label_of_an_axial_series_that_is_not_to_be_measured(zoo, judge, tmp_path, name):
    elements, reason = LABELS[name]
    zoo.write(tmp_path / "in", **elements)
    got = judge(tmp_path / "in")
    assert got.account == reason
    assert got.verdict in (reason, Reason.NO_AXIAL_CT)


@pytest.mark.parametrize(
    "description",
    [
        *("Abdomen 3.0 Br36 ax nativ", "THORAX/ABDOMEN VENOES 5.0", "Mono-phasic liver", ""),
        *("scouting view of the spine: no", "Lumbar spine soft tissue", "WATER DRINK abdomen pv"),
        *("Mipco study 12", "Rhodes trial abdomen", "Abd/Pelvis w/o", "Kidney stone low dose"),
        *("polytrauma ARTERIAL", "Bone 1.0 removal of screws", "Perfused kidney transplant"),
    ],
)
def test_label_of_an_axial_series_that_is(zoo, judge, tmp_path, description):
    """Words that only resemble those above do not cost a scan."""
    zoo.write(tmp_path / "in", SeriesDescription=description)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen")


ROTATION_TYPES = {
    "max_ip": {"VolumeBasedCalculationTechnique": "MAX_IP"},
    "volume_render": {"VolumeBasedCalculationTechnique": "VOLUME_RENDER"},
    "sampled": {"VolumetricProperties": "SAMPLED"},
}


@pytest.mark.parametrize("name", ["max_ip", "volume_render"])
def test_enhanced_object_that_is_a_projection(zoo, judge, tmp_path, name):
    (tmp_path / "in").mkdir()
    dataset = zoo.enhanced()
    item = Dataset()
    item.FrameType = ["DERIVED", "PRIMARY", "VOLUME", "MAX_IP"]
    for key, value in ROTATION_TYPES[name].items():
        setattr(item, key, value)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.CTImageFrameTypeSequence = Sequence([item])
    dataset.ImageType = ["DERIVED", "PRIMARY", "VOLUME", ROTATION_TYPES[name].popitem()[1]]
    dataset.save_as(tmp_path / "in" / "one", enforce_file_format=True)
    got = judge(tmp_path / "in")
    assert got.account == Reason.PROJECTION


# Reformats and localizers by geometry


def scout_in_the_same_series(zoo, folder):
    zoo.write(folder / "ct")
    zoo.write(folder / "scout", slices=2, **SCOUT, **LYING)
    return "ok", "chosen, localizer"


def unlabelled_scout_in_the_same_series(zoo, folder):
    zoo.write(folder / "ct")
    zoo.write(folder / "scout", slices=1, **LYING)
    return "ok", "chosen, not_axial"


def scout_with_the_orientation_of_the_ct(zoo, folder):
    """Philips and others store the surview so."""
    zoo.write(folder / "ct")
    zoo.write(folder / "scout", slices=1, **SCOUT)
    return "ok", "chosen, localizer"


def coronal_reformats(zoo, folder):
    zoo.write(folder / "ct")
    zoo.write(
        folder / "mpr", slices=30, step_mm=(0, 1, 0), SeriesInstanceUID=OTHER,
        ImageType=["DERIVED", "SECONDARY", "MPR"], **LYING,
    )  # fmt: skip
    return "ok", "chosen, not_axial"


def sagittal_reformats_under_the_same_identifier(zoo, folder):
    zoo.write(folder / "ct")
    zoo.write(
        folder / "mpr", slices=30, step_mm=(1, 0, 0), ImageOrientationPatient=[0, 1, 0, 0, 0, -1]
    )
    return "ok", "chosen, not_axial"


def oblique_reformats(zoo, folder):
    zoo.write(folder / "ct")
    zoo.write(
        folder / "mpr", step_mm=(0, -0.707107, 0.707107), SeriesInstanceUID=OTHER,
        ImageOrientationPatient=[1, 0, 0, 0, 0.707107, 0.707107],
    )  # fmt: skip
    return "ok", "chosen, not_axial"


def axial_reformats_of_other_thickness(zoo, folder):
    zoo.write(folder / "ct")
    zoo.write(
        folder / "mpr", SeriesInstanceUID=OTHER, SliceThickness=5, SeriesNumber=1,
        ImageType=["DERIVED", "SECONDARY", "AXIAL", "MPR"],
    )  # fmt: skip
    return "ok", "chosen, not_preferred"


def dose_sheet_under_the_same_identifier(zoo, folder):
    """GE's screen save: an image of another matrix, as a CT image, without any position."""
    zoo.write(folder / "ct")
    zoo.write(
        folder / "sheet", slices=1, Rows=20, Columns=96, ImagePositionPatient=None,
        ImageOrientationPatient=None, ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"],
    )  # fmt: skip
    return "ok", "chosen, no_geometry"


def monitoring_of_the_bolus(zoo, folder):
    zoo.write(folder / "ct")
    zoo.write(folder / "bolus", slices=15, spacing_mm=0, SeriesInstanceUID=OTHER)
    return "ok", "chosen, duplicate_slices"


def empty_modality(zoo, folder):
    zoo.write(folder, Modality="")
    return "ok", "chosen"


def modality_in_small_letters_and_blanks(zoo, folder):
    def small(dataset, number):
        dataset.add_new(0x00080060, "LO", "ct ")
        return dataset

    zoo.write(folder, edit=small)
    return "ok", "chosen"


def no_sop_class(zoo, folder):
    def without(dataset, number):
        del dataset.SOPClassUID
        return dataset

    zoo.write(folder, edit=without)
    return "ok", "chosen"


def no_image_type(zoo, folder):
    zoo.write(folder, ImageType=None)
    return "ok", "chosen"


def examination_of_another_day(zoo, folder):
    """Which of two is measured may be configured; by default the earlier one."""
    zoo.write(folder / "a")
    zoo.write(
        folder / "b", slices=14, StudyInstanceUID="1.2.3", SeriesInstanceUID=OTHER,
        StudyDate="20250101",
    )  # fmt: skip
    return "ok", "chosen, other_study"


SCENES = (
    *(scout_in_the_same_series, unlabelled_scout_in_the_same_series),
    *(scout_with_the_orientation_of_the_ct, coronal_reformats, oblique_reformats),
    *(sagittal_reformats_under_the_same_identifier, axial_reformats_of_other_thickness),
    *(dose_sheet_under_the_same_identifier, monitoring_of_the_bolus, empty_modality),
    *(modality_in_small_letters_and_blanks, no_sop_class, no_image_type),
    examination_of_another_day,
)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_scene(zoo, judge, tmp_path, scene):
    verdict, account = scene(zoo, tmp_path / "in")
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == (verdict, account)
    zoo.assert_shows(got.volume, zoo.planes())


def radial_reformats(zoo, folder):
    import numpy as np

    def turned(dataset, number):
        c, s = (round(float(f(number * np.pi / 24)), 9) for f in (np.cos, np.sin))
        dataset.ImageOrientationPatient = [c, s, 0, 0, 0, -1]
        return dataset

    zoo.write(folder, edit=turned)
    return Reason.NO_AXIAL_CT


def curved_reformats(zoo, folder):
    """Their orientation and position are those of no plane, and are left out."""
    zoo.write(
        folder, ImageType=["DERIVED", "SECONDARY", "MPR", "CURVED"],
        ImagePositionPatient=None, ImageOrientationPatient=None,
    )  # fmt: skip
    return Reason.NO_GEOMETRY


def coronal_acquisition(zoo, folder):
    zoo.write(folder, step_mm=(0, 1, 0), **LYING)
    return Reason.NO_AXIAL_CT


def only_scouts(zoo, folder):
    zoo.write(folder, slices=2, **SCOUT, **LYING)
    return Reason.NO_AXIAL_CT


@pytest.mark.parametrize(
    "scene",
    [radial_reformats, curved_reformats, coronal_acquisition, only_scouts],
    ids=lambda scene: scene.__name__,
)
def test_scene_without_anything_to_measure(zoo, judge, tmp_path, scene):
    verdict = scene(zoo, tmp_path / "in")
    assert judge(tmp_path / "in").verdict == verdict


# Patients


def who(**elements):
    return {"PatientID": "P1", "PatientName": "Doe^Jane", "PatientBirthDate": "19500101"} | elements


@pytest.mark.parametrize(
    ("second", "verdict"),
    [
        (who(), "ok"),
        (who(PatientID="p1 "), "ok"),
        (who(PatientID=""), "ok"),
        (who(PatientName="DOE^JANE^^MS"), "ok"),
        (who(PatientName="", PatientBirthDate=""), "ok"),
        (who(PatientID="P2"), Reason.MIXED_PATIENTS),
        (who(PatientID="P2", PatientName="Doe^John"), Reason.MIXED_PATIENTS),
        (who(PatientID="", PatientName="Doe^John"), Reason.MIXED_PATIENTS),
        (who(PatientBirthDate="19820101"), Reason.MIXED_PATIENTS),
    ],
)
def test_whose_scans_lie_in_one_folder(zoo, judge, tmp_path, second, verdict):
    """One patient under two identifiers looks like two: whose folder it is, a person has to say."""
    zoo.write(tmp_path / "in" / "a", **who())
    zoo.write(
        tmp_path / "in" / "b", slices=10, StudyInstanceUID="1.2.3", SeriesInstanceUID=OTHER,
        **second,
    )  # fmt: skip
    got = judge(tmp_path / "in", Settings(study="best"))
    assert got.verdict == verdict
    if verdict == "ok":
        zoo.assert_shows(got.volume, zoo.planes())


def test_two_patients_under_one_series_identifier(zoo, judge, tmp_path):
    """An anonymiser that knows one identifier only."""
    zoo.write(tmp_path / "in" / "a", **who())
    zoo.write(tmp_path / "in" / "b", **who(PatientID="P2", PatientName="Doe^John"))
    assert judge(tmp_path / "in").verdict == Reason.MIXED_PATIENTS


def test_nobody_at_all(zoo, judge, tmp_path):
    zoo.write(tmp_path / "in", PatientID="", PatientName="", PatientBirthDate=None)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok"
    zoo.assert_shows(got.volume, zoo.planes())
