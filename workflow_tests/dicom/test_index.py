"""Which files become which series, whatever the folder looks like."""

import pytest
from pydicom import uid

from bonecast.dicom.headers import FileKind
from bonecast.dicom.index import index_source
from bonecast.dicom.listing import from_ranges, list_files, listing_digest, to_ranges
from bonecast.dicom.vocabulary import DescriptionClass
from bonecast.reasons import Reason

LOCALIZER = {
    "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
    "SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.1",
    "SeriesNumber": 1,
    "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
}


@pytest.fixture
def enhanced_file(ct, tmp_path):
    path = tmp_path / "enhanced" / "one.dcm"
    path.parent.mkdir()
    ct.enhanced().save_as(path, enforce_file_format=True)
    return path


def test_one_series(ct, tmp_path):
    ct.write(tmp_path)
    index = index_source(tmp_path)
    (series,) = index.series
    assert series.description_class is DescriptionClass.AXIAL_CT
    assert (series.slices, series.rows, series.columns) == (12, 40, 48)
    assert series.spacing_mm == pytest.approx(3)
    assert series.pixel_mm == 5.0
    assert series.files == list(range(12))
    assert series.kernel == "Br36d"
    assert not index.others


def test_nested_mixed_folder(ct, tmp_path):
    """Series interleaved over folders, junk and a directory file between them."""
    ct.write(tmp_path / "b" / "deep" / "er", edit=lambda d, k: d if k % 2 else None)
    ct.write(tmp_path / "a", edit=lambda d, k: None if k % 2 else d, name="IM{:d}")
    ct.write(tmp_path / "a", slices=2, name="scout{:d}", **LOCALIZER)
    (tmp_path / "a" / "notes.txt").write_text("seen by the ward")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    index = index_source(tmp_path)
    assert [series.description_class for series in index.series] == ["localizer", "axial_ct"]
    assert [series.slices for series in index.series] == [2, 12]
    assert list(index.others) == [FileKind.NOT_DICOM]
    files = list_files(tmp_path)
    (junk,) = index.others[FileKind.NOT_DICOM]
    assert files[junk].name == "notes.txt"
    numbers = sorted(sum((s.files for s in index.series), [junk]))
    assert numbers == list(range(len(files)))


def test_one_identifier_with_two_geometries_becomes_two_series(ct, tmp_path):
    ct.write(tmp_path / "axial")
    ct.write(tmp_path / "coronal", slices=3, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    planes = [(series.orientation, series.slices) for series in index_source(tmp_path).series]
    assert sorted(planes) == [("axial", 12), ("coronal", 3)]


def test_phases_under_one_identifier_are_told_apart_by_acquisition(ct, tmp_path):
    ct.write(tmp_path / "native", AcquisitionNumber=1)
    ct.write(tmp_path / "venous", AcquisitionNumber=2)
    index = index_source(tmp_path)
    assert [series.slices for series in index.series] == [12, 12]
    assert all(series.stack.n_duplicates == 0 for series in index.series)


def test_contiguous_acquisitions_stay_one_series(ct, tmp_path):
    def two_passes(dataset, number):
        dataset.AcquisitionNumber = 1 + number // 6
        return dataset

    ct.write(tmp_path, edit=two_passes)
    assert [series.slices for series in index_source(tmp_path).series] == [12]


def test_same_image_under_two_names_counts_once(ct, tmp_path):
    paths = ct.write(tmp_path / "a")
    (tmp_path / "b").mkdir()
    for path in paths[:5]:
        (tmp_path / "b" / path.name).write_bytes(path.read_bytes())
    (series,) = index_source(tmp_path).series
    assert (series.slices, series.n_copies, series.stack.n_duplicates) == (12, 5, 0)


def test_stump_of_a_file_marks_its_series(ct, tmp_path):
    """The header is cut before the matrix is named, but after the series is."""
    paths = ct.write(tmp_path)
    content = paths[4].read_bytes()
    at = content.index(b"\x20\x00\x13\x00")
    paths[4].write_bytes(content[:at])
    (series,) = index_source(tmp_path).series
    assert (series.slices, series.n_damaged) == (11, 1)


def test_enhanced_object_is_a_stack_of_its_frames(enhanced_file, ct):
    (series,) = index_source(enhanced_file.parent).series
    assert series.description_class is DescriptionClass.AXIAL_CT
    assert (series.slices, series.files) == (12, [0])
    assert series.spacing_mm == pytest.approx(3)
    assert (series.thickness_mm, series.kvp, series.kernel) == (3.0, 120.0, "Br36d")


def test_nothing_there(tmp_path):
    assert index_source(tmp_path / "absent").missing is Reason.NO_INPUT
    assert index_source(tmp_path).missing is Reason.EMPTY_FOLDER


def test_series_are_numbered_alike_whatever_the_names(ct, tmp_path):
    for folder, names in (("x", ("a", "b")), ("y", ("b", "a"))):
        ct.write(tmp_path / folder / names[0])
        ct.write(tmp_path / folder / names[1], slices=2, **LOCALIZER)
    first, second = (
        [series.description_class for series in index_source(tmp_path / folder).series]
        for folder in ("x", "y")
    )
    assert first == second == ["localizer", "axial_ct"]


@pytest.mark.parametrize(
    ("indices", "text"),
    [([], ""), ([3], "3"), ([0, 1, 2, 5], "0-2,5"), ([1, 3, 4], "1,3-4"), ([9, 10, 11], "9-11")],
)
def test_ranges(indices, text):
    assert to_ranges(indices) == text
    assert from_ranges(text) == indices


def test_listing_digest_sees_files_come_go_and_grow(tmp_path):
    def digest():
        return listing_digest(tmp_path, list_files(tmp_path))

    (tmp_path / "a").write_bytes(b"1")
    seen = {digest()}
    (tmp_path / "b").write_bytes(b"1")
    seen.add(digest())
    (tmp_path / "b").write_bytes(b"12")
    seen.add(digest())
    assert len(seen) == 3
    assert digest() in seen


def test_links_in_a_circle_end(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"1")
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    assert [path.name for path in list_files(tmp_path)] == ["file"]


def test_what_a_series_says_of_itself(ct, tmp_path):
    ct.write(tmp_path, BodyPartExamined="LSPINE")
    (one,) = index_source(tmp_path).series
    assert (one.syntax, one.body_part) == ("explicit_le", "spine")
    assert (one.manufacturer, one.model) == ("Siemens", "SOMATOM Force")
    assert (one.study, one.days, one.patient_number) == (1, 0, 1)


def test_several_codings_in_one_series(ct, tmp_path):
    def compress_some(dataset, number):
        if number % 2:
            dataset.compress(uid.RLELossless)
        return dataset

    ct.write(tmp_path, edit=compress_some)
    (one,) = index_source(tmp_path).series
    assert (one.slices, one.syntax) == (12, "several")


def test_studies_are_numbered_by_date(ct, tmp_path):
    studies = {
        "later": {"StudyDate": "20240310"},
        "undated": {"StudyDate": None},
        "placeholder": {"StudyDate": "19010101"},
        "first": {"StudyDate": "20240229"},
        "by_acquisition": {"StudyDate": None, "AcquisitionDate": "20240301"},
    }
    for number, (name, elements) in enumerate(studies.items()):
        ct.write(tmp_path / name, StudyInstanceUID=f"1.2.{number}", SeriesNumber=9, **elements)
    folders = [path.parent.name for path in list_files(tmp_path)]
    found = {folders[s.files[0]]: (s.study, s.days) for s in index_source(tmp_path).series}
    assert found == {
        "first": (1, 0),
        "by_acquisition": (2, 1),
        "later": (3, 10),
        "undated": (4, None),
        "placeholder": (5, None),
    }
