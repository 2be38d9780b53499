"""One identifier, many stacks: what real exports put under the same series."""

import numpy as np
import pydicom
import pytest
from pydicom import uid

from bonecast.dicom.index import index_source
from bonecast.dicom.vocabulary import DescriptionClass

PHASES = [
    {"AcquisitionNumber": 2},
    {"AcquisitionTime": "101500"},
    {"ContrastBolusAgent": "Ultravist"},
    {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"]},
    {"SliceThickness": 5.0},
    {"ConvolutionKernel": "Br64d"},
    {"KVP": 80},
    {"SeriesDescription": "Abdomen venous"},
]
"""What tells a second pass over the same positions from the first."""


def stacks(folder):
    """Slices and duplicates of each series, in order."""
    return [
        (one.slices, one.stack.n_duplicates) for one in index_source(folder).series if one.stack
    ]


@pytest.mark.parametrize("difference", PHASES, ids=lambda one: next(iter(one)))
def test_same_positions_twice_are_two_stacks(ct, tmp_path, difference):
    ct.write(tmp_path / "a", AcquisitionTime="101000")
    ct.write(tmp_path / "b", **{"AcquisitionTime": "101000"} | difference)
    index = index_source(tmp_path)
    assert [(one.slices, one.files) for one in index.series] == [
        *((12, list(range(12))), (12, list(range(12, 24)))),
    ]


def keep(changes):
    def edit(dataset, number):
        for name, value in changes.items():
            setattr(dataset, name, value(number))
        return dataset

    return edit


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (lambda k: k + 1, lambda k: k + 101),
        (lambda k: 2 * k + 1, lambda k: 2 * k + 2),
        (lambda k: k + 1, lambda k: 24 - k),
    ],
    ids=["one after the other", "alternating", "up and down"],
)
def test_phases_are_told_apart_by_instance_numbers(ct, tmp_path, first, second):
    """Names are shuffled: only the numbers say which slice is of which phase."""
    chance = np.random.default_rng(3)
    names = iter(chance.permutation(24))
    for folder, number, intercept in (("a", first, -1024), ("b", second, -1000)):
        for path in ct.write(
            tmp_path / folder,
            edit=keep({"InstanceNumber": number}),
            AcquisitionNumber=None,
            RescaleIntercept=intercept,
        ):
            path.rename(tmp_path / f"{next(names):03d}")
    files = sorted(path for path in tmp_path.iterdir() if path.is_file())
    found = index_source(tmp_path).series
    assert [(one.slices, one.stack.n_duplicates) for one in found] == [(12, 0), (12, 0)]
    for one in found:
        pixels = {pydicom.dcmread(files[n]).RescaleIntercept for n in one.files}
        assert len(pixels) == 1


def test_phases_by_the_time_of_each_slice(ct, tmp_path):
    for folder, minute in (("a", 10), ("b", 12)):
        ct.write(
            tmp_path / folder,
            edit=keep({"AcquisitionTime": lambda k, minute=minute: f"10{minute}{k:02d}.5"}),
            InstanceNumber=None,
        )
    assert stacks(tmp_path) == [(12, 0), (12, 0)]


def test_what_nothing_tells_apart_stays_together(ct, tmp_path):
    """Two phases without any sign which slice is of which: never guessed."""
    for folder in "ab":
        ct.write(tmp_path / folder, InstanceNumber=None, AcquisitionNumber=None)
    assert stacks(tmp_path) == [(24, 12)]


def test_one_place_watched_over_time_is_no_stack(ct, tmp_path):
    ct.write(tmp_path, step_mm=(0, 0, 0), edit=keep({"AcquisitionNumber": lambda k: k}))
    assert stacks(tmp_path) == [(12, 11)]


def test_thin_and_thick_reconstructions_between_each_other(ct, tmp_path):
    """No position is taken twice, but the distances are of two kinds."""
    ct.write(tmp_path / "thin", slices=30, spacing_mm=1.0, SliceThickness=1.0)
    ct.write(
        tmp_path / "thick",
        spacing_mm=2.5,
        SliceThickness=5.0,
        edit=keep({"ImagePositionPatient": lambda k: [-100.0, -80.0, 200.25 + 2.5 * k]}),
    )
    found = index_source(tmp_path).series
    assert [(one.slices, one.stack.n_uneven) for one in found] == [(12, 0), (30, 0)]


def test_a_missing_slice_parts_nothing(ct, tmp_path):
    def two_passes(dataset, number):
        dataset.AcquisitionNumber = 1 + number // 6
        return None if number == 6 else dataset

    ct.write(tmp_path, edit=two_passes)
    (one,) = index_source(tmp_path).series
    assert (one.slices, one.stack.n_uneven, one.stack.n_missing) == (11, 1, 1)


def test_two_regions_under_one_identifier_are_two_stacks(ct, tmp_path):
    ct.write(tmp_path / "chest")
    far = keep({"ImagePositionPatient": lambda k: [-100.0, -80.0, -200.0 + 3 * k]})
    ct.write(tmp_path / "pelvis", edit=far, AcquisitionNumber=2)
    assert stacks(tmp_path) == [(12, 0), (12, 0)]


@pytest.mark.parametrize(
    "odd",
    [
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]},
        {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
        {"ImagePositionPatient": None, "ImageOrientationPatient": None},
        {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
        {"SOPClassUID": uid.SecondaryCaptureImageStorage},
        {"PixelSpacing": [0.5, 0.5]},
        {"Modality": "SR"},
    ],
    ids=lambda one: next(iter(one)),
)
def test_stranger_in_the_series_stands_apart(ct, tmp_path, odd):
    ct.write(tmp_path / "a")
    ct.write(tmp_path / "b", slices=1, **odd)
    assert sorted(one.slices for one in index_source(tmp_path).series) == [1, 12]


def test_a_slice_that_is_there_again_does_not_cut_a_stack(ct, tmp_path):
    """With a number of its own it is no twin; the order of numbers begins anew behind it."""

    def once_more(dataset, number):
        dataset.InstanceNumber = 7
        return dataset if number == 5 else None

    ct.write(tmp_path / "a", edit=keep({"InstanceNumber": lambda k: k + 1 + (k > 5)}))
    ct.write(tmp_path / "b", edit=once_more)
    assert stacks(tmp_path) == [(13, 1)]


def test_one_identifier_on_different_images_is_no_copy(ct, tmp_path):
    ct.write(tmp_path, SOPInstanceUID="1.2.3.4")
    (one,) = index_source(tmp_path).series
    assert (one.slices, one.n_copies) == (12, 0)


def test_slices_with_new_identifiers_are_left_for_conversion_to_compare(ct, tmp_path):
    """Everything else agrees: pixels alone tell whether they are copies."""
    ct.write(tmp_path / "a")
    ct.write(tmp_path / "b", edit=lambda dataset, number: dataset if number < 5 else None)
    (one,) = index_source(tmp_path).series
    assert (one.slices, one.stack.n_duplicates, len(one.files)) == (12, 0, 17)


def test_the_whole_one_of_two_copies_is_kept(ct, tmp_path):
    paths = ct.write(tmp_path / "b")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "cut").write_bytes(paths[3].read_bytes()[:-100])
    (one,) = index_source(tmp_path).series
    assert (one.slices, one.n_copies, one.n_damaged) == (12, 1, 0)


def test_empty_series_identifiers_are_not_lumped_together(ct, tmp_path):
    for number, name in enumerate(("native", "venous")):
        ct.write(
            tmp_path / name,
            SeriesInstanceUID=None,
            SeriesNumber=number,
            SeriesDescription=name,
        )
    assert stacks(tmp_path) == [(12, 0), (12, 0)]


def test_rounding_of_direction_cosines(ct, tmp_path):
    chance = np.random.default_rng(4)

    def noise(_):
        return (np.array([1, 0, 0, 0, 1, 0]) + chance.normal(0, 1e-4, 6)).round(6).tolist()

    ct.write(tmp_path, edit=keep({"ImageOrientationPatient": noise}))
    assert stacks(tmp_path) == [(12, 0)]


@pytest.mark.parametrize(
    "cosines",
    [(-1, 0, 0, 0, -1, 0), (-1, 0, 0, 0, 1, 0), (0, 1, 0, -1, 0, 0), (0, -1, 0, -1, 0, 0)],
    ids=["prone", "feet first", "decubitus right", "decubitus feet first"],
)
def test_every_patient_position_is_axial(ct, tmp_path, cosines):
    ct.write(tmp_path, ImageOrientationPatient=list(cosines))
    (one,) = index_source(tmp_path).series
    assert one.description_class is DescriptionClass.AXIAL_CT
    assert one.spacing_mm == pytest.approx(3)


def test_multi_frame_split_over_several_objects(ct, tmp_path):
    whole = ct.enhanced(12)
    frames = list(whole.PerFrameFunctionalGroupsSequence)
    size = len(whole.PixelData) // 12
    for number, kept in enumerate((slice(0, 5), slice(5, 12))):
        whole.SOPInstanceUID = whole.file_meta.MediaStorageSOPInstanceUID = uid.generate_uid()
        part = pydicom.Dataset(whole)
        part.file_meta = whole.file_meta
        part.PerFrameFunctionalGroupsSequence = pydicom.Sequence(frames[kept])
        part.NumberOfFrames = len(frames[kept])
        part.PixelData = whole.PixelData[kept.start * size : kept.stop * size]
        part.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    assert stacks(tmp_path) == [(12, 0)]
    assert index_source(tmp_path).series[0].files == [0, 1]


@pytest.mark.parametrize(
    ("elements", "is_ct"),
    [
        ({"Modality": "OT"}, True),
        ({"Modality": ""}, True),
        ({"Modality": None}, True),
        ({"Modality": "MR"}, False),
        ({"SOPClassUID": uid.MRImageStorage}, False),
    ],
)
def test_modality_field_that_contradicts(ct, tmp_path, elements, is_ct):
    ct.write(tmp_path, **elements)
    (one,) = index_source(tmp_path).series
    assert (one.description_class is DescriptionClass.AXIAL_CT) == is_ct


def test_missing_sop_class_is_taken_from_the_file_meta(ct, tmp_path):
    def without(dataset, number):
        del dataset.SOPClassUID
        return dataset

    ct.write(tmp_path, edit=without, Modality="OT")
    (one,) = index_source(tmp_path).series
    assert one.description_class is DescriptionClass.AXIAL_CT
