"""Slices that are not simply one stack: several under one identifier, doubled, swapped, missing."""

import numpy as np
import pytest

from bonecast import images  # noqa: F401
from bonecast.dicom.select import Settings
from bonecast.reasons import Reason

GENTLE = Settings(min_slices=3, min_coverage_mm=0)


def brighter(zoo, dataset, hu=100):
    """The same slice after contrast medium: other values at the same place."""
    values = zoo.hu_of(dataset)
    values[values > 0] += hu
    return zoo.store(dataset, (values + 1024).astype("u2"))


# Several stacks under one series identifier: (verdict, account); the first stack is the truth


def soft_and_bone_kernel(zoo, folder):
    zoo.write(folder / "bone", ConvolutionKernel="Br64d", edit=lambda d, n: brighter(zoo, d, 9))
    zoo.write(folder / "soft")
    return "chosen, not_preferred"


def soft_and_bone_kernel_of_two_values(zoo, folder):
    zoo.write(
        folder / "bone", ConvolutionKernel=["Br64d", "3"], edit=lambda d, n: brighter(zoo, d, 9)
    )
    zoo.write(folder / "soft", ConvolutionKernel=["Br36d", "3"])
    return "chosen, not_preferred"


def thin_and_thick(zoo, folder):
    zoo.write(folder / "thick", SliceThickness=6, edit=lambda d, n: brighter(zoo, d, 9))
    zoo.write(folder / "thin")
    return "chosen, not_preferred"


def thin_and_thick_at_other_distances(zoo, folder):
    zoo.write(folder / "thick", slices=7, spacing_mm=6, SliceThickness=6)
    zoo.write(folder / "thin")
    return "chosen, too_few_slices"


def thin_and_thick_that_interleave(zoo, folder):
    def up(dataset, number):
        dataset.ImagePositionPatient = [-100, -80, 201.7 + 5 * number]
        return dataset

    zoo.write(folder / "thick", slices=10, SliceThickness=5, edit=up)
    zoo.write(folder / "thin")
    return "chosen, not_preferred"


def phases_by_acquisition(zoo, folder):
    zoo.write(folder / "native")
    zoo.write(
        folder / "venous", AcquisitionNumber=2, ContrastBolusAgent="Iomeprol",
        edit=lambda d, n: brighter(zoo, d),
    )  # fmt: skip
    return "chosen, not_preferred"


def phases_by_agent(zoo, folder):
    zoo.write(folder / "native", SeriesDescription="Liver native", AcquisitionNumber=None)
    zoo.write(
        folder / "venous", AcquisitionNumber=None, ContrastBolusAgent="Iomeprol",
        SeriesDescription="Liver venous", edit=lambda d, n: brighter(zoo, d),
    )  # fmt: skip
    return "chosen, not_preferred"


def phases_numbered_one_after_the_other(zoo, folder):
    def second(dataset, number):
        dataset.InstanceNumber = number + 13
        return brighter(zoo, dataset)

    zoo.write(folder / "a", AcquisitionNumber=None)
    zoo.write(folder / "b", AcquisitionNumber=None, edit=second)
    return "chosen, not_preferred"


def phases_numbered_in_turn(zoo, folder):
    def numbered(first):
        def edit(dataset, number):
            dataset.InstanceNumber = 2 * number + first
            return brighter(zoo, dataset) if first == 2 else dataset

        return edit

    zoo.write(folder / "a", AcquisitionNumber=None, edit=numbered(1))
    zoo.write(folder / "b", AcquisitionNumber=None, edit=numbered(2))
    return "chosen, not_preferred"


def phases_by_time(zoo, folder):
    bare = {"AcquisitionNumber": None, "InstanceNumber": None}
    zoo.write(folder / "a", AcquisitionTime="101500", **bare)
    zoo.write(folder / "b", AcquisitionTime="101540", edit=lambda d, n: brighter(zoo, d), **bare)
    return "chosen, not_preferred"


def energies(zoo, folder):
    zoo.write(folder / "low", KVP=80, edit=lambda d, n: brighter(zoo, d))
    zoo.write(folder / "high", KVP=140)
    return "chosen, not_preferred"


def cardiac_phases(zoo, folder):
    """0 and 50 per cent of the cycle, numbered on."""

    def second(dataset, number):
        dataset.InstanceNumber = number + 13
        dataset.NominalPercentageOfCardiacPhase = 50
        return brighter(zoo, dataset)

    zoo.write(folder / "a", NominalPercentageOfCardiacPhase=0)
    zoo.write(folder / "b", edit=second)
    return "chosen, not_preferred"


def matrix_changes(zoo, folder):
    def cut(dataset, number):
        hu = zoo.hu_of(dataset)[:32]
        dataset.Rows = 32
        return zoo.store(dataset, (hu + 1024).astype("u2"))

    zoo.write(folder / "a")
    zoo.write(folder / "b", slices=10, edit=cut)
    return "chosen, not_preferred"


def field_of_view_changes(zoo, folder):
    zoo.write(folder / "a")
    zoo.write(folder / "b", slices=10, PixelSpacing=[2, 2.5])
    return "chosen, not_preferred"


def four_dimensions(zoo, folder):
    """A shuttle over 12 positions, five times: five stacks, of which one is measured."""
    for time in range(5):
        zoo.write(folder / str(time), AcquisitionNumber=time + 1, edit=lambda d, n: d)
    return "chosen, 4 not_preferred"


STACKS = (
    *(soft_and_bone_kernel, soft_and_bone_kernel_of_two_values, thin_and_thick),
    *(thin_and_thick_at_other_distances, thin_and_thick_that_interleave, phases_by_acquisition),
    *(phases_by_agent, phases_numbered_one_after_the_other, phases_numbered_in_turn),
    *(phases_by_time, energies, cardiac_phases, matrix_changes, field_of_view_changes),
    four_dimensions,
)


@pytest.mark.parametrize("scene", STACKS, ids=lambda scene: scene.__name__)
def test_several_stacks_under_one_identifier(zoo, judge, tmp_path, scene):
    account = scene(zoo, tmp_path / "in")
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", account)
    zoo.assert_shows(got.volume, zoo.planes())


def test_blocks_that_overlap_at_the_same_positions(zoo, judge, tmp_path):
    """Chest and abdomen, each a breath of its own: they do not join, so one of them is taken."""

    def abdomen(dataset, number):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, z - 33 + 9]
        return dataset

    zoo.write(tmp_path / "in" / "a", AcquisitionNumber=1)
    zoo.write(tmp_path / "in" / "b", AcquisitionNumber=2, slices=10, edit=abdomen)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen, not_preferred")
    zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize("shift_mm", [-22.0, -23.6, -25.0])
def test_blocks_that_overlap_between_positions(zoo, judge, tmp_path, shift_mm):
    """Their slices alternate where they overlap. As one stack with uneven distances, resampled,
    it would mix two breaths."""

    def abdomen(dataset, number):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, z + shift_mm]
        return dataset

    zoo.write(tmp_path / "in" / "a", AcquisitionNumber=1)
    zoo.write(tmp_path / "in" / "b", AcquisitionNumber=2, slices=10, edit=abdomen)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen, not_preferred")
    zoo.assert_shows(got.volume, zoo.planes())


def test_blocks_of_two_frames_of_reference(zoo, judge, tmp_path):
    """The patient got up in between: equal positions are not equal places."""

    def second(dataset, number):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, z - 22]
        return dataset

    zoo.write(tmp_path / "in" / "a", FrameOfReferenceUID="1.2.3")
    zoo.write(tmp_path / "in" / "b", FrameOfReferenceUID="1.2.4", slices=10, edit=second)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen, not_preferred")
    zoo.assert_shows(got.volume, zoo.planes())


def test_blocks_that_join(zoo, judge, tmp_path):
    """Two blocks end to end are one stack: step and shoot has an acquisition per turn."""

    def numbered(dataset, number):
        dataset.AcquisitionNumber = 1 + number // 4
        return dataset

    zoo.write(tmp_path / "in", edit=numbered)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen")
    zoo.assert_shows(got.volume, zoo.planes())


def test_phases_that_nothing_tells_apart(zoo, judge, tmp_path):
    bare = {"AcquisitionNumber": None, "InstanceNumber": None}
    zoo.write(tmp_path / "in" / "a", **bare)
    zoo.write(tmp_path / "in" / "b", edit=lambda d, n: brighter(zoo, d), **bare)
    assert judge(tmp_path / "in").verdict == Reason.DUPLICATE_SLICES


def test_one_place_watched_over_time(zoo, judge, tmp_path):
    def still(dataset, number):
        dataset.AcquisitionNumber = number + 1
        dataset.ImagePositionPatient = list(zoo.FIRST_MM)
        return dataset

    zoo.write(tmp_path / "in", slices=20, edit=still)
    assert judge(tmp_path / "in").verdict == Reason.DUPLICATE_SLICES


def test_four_places_watched_over_time(zoo, judge, tmp_path):
    """Perfusion without a word: 20 stacks of four slices each."""
    for time in range(20):
        zoo.write(tmp_path / "in" / str(time), slices=4, AcquisitionNumber=time + 1)
    assert judge(tmp_path / "in").verdict in (Reason.TOO_FEW_SLICES, Reason.DUPLICATE_SLICES)


def test_positions_that_are_all_the_same_though_locations_are_not(zoo, judge, tmp_path):
    def still(dataset, number):
        dataset.SliceLocation = 200 + 3 * number
        dataset.ImagePositionPatient = list(zoo.FIRST_MM)
        return dataset

    zoo.write(tmp_path / "in", edit=still)
    assert judge(tmp_path / "in").verdict == Reason.DUPLICATE_SLICES


# Doubled slices


def test_same_file_twice(zoo, judge, tmp_path):
    zoo.write(tmp_path / "in")
    content = (tmp_path / "in" / "004.dcm").read_bytes()
    (tmp_path / "in" / "copy of 004.dcm").write_bytes(content)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen")
    assert "1 duplicate files left out" in (tmp_path / "out" / "series.tsv").read_text()
    zoo.assert_shows(got.volume, zoo.planes())


def test_whole_series_twice(zoo, judge, tmp_path):
    for path in zoo.write(tmp_path / "in" / "a"):
        (tmp_path / "in" / path.name).write_bytes(path.read_bytes())
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen")
    zoo.assert_shows(got.volume, zoo.planes())


def test_whole_series_sent_again_under_new_identifiers(zoo, judge, tmp_path):
    zoo.write(tmp_path / "in" / "a")
    zoo.write(tmp_path / "in" / "b", SeriesInstanceUID="1.2.3.4")
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen, not_preferred")
    zoo.assert_shows(got.volume, zoo.planes())


def test_whole_series_sent_again_as_other_images(zoo, judge, tmp_path):
    """Other image identifiers under the same series identifier."""
    zoo.write(tmp_path / "in" / "a")
    zoo.write(tmp_path / "in" / "b")
    got = judge(tmp_path / "in")
    assert got.verdict == "ok"
    zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize("again", [(4,), (0,), (11,), (3, 4), (2, 9)])
def test_some_slices_sent_again_as_other_images(zoo, judge, tmp_path, again):
    """All twelve slices are there: the volume is whole, never one half of it."""
    zoo.write(tmp_path / "in" / "a")
    zoo.write(tmp_path / "in" / "b", edit=lambda d, n: d if n in again else None)
    got = judge(tmp_path / "in", GENTLE)
    assert got.verdict == "ok", got.record
    zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize("again", [(4,), (0,), (3, 4), (2, 9)])
def test_some_slices_with_other_values(zoo, judge, tmp_path, again):
    """Which of two images at one place is right cannot be known."""

    def other(dataset, number):
        return brighter(zoo, dataset) if number in again else None

    zoo.write(tmp_path / "in" / "a")
    zoo.write(tmp_path / "in" / "b", edit=other)
    assert judge(tmp_path / "in", GENTLE).verdict == Reason.DUPLICATE_SLICES


def test_one_identifier_on_all_images(zoo, judge, tmp_path):
    zoo.write(tmp_path / "in" / "a", SOPInstanceUID="1.2.3")
    got = judge(tmp_path / "in")
    assert got.verdict == "ok"
    zoo.assert_shows(got.volume, zoo.planes())


def test_one_identifier_on_two_images_at_one_place(zoo, judge, tmp_path):
    """An identifier is unique by the standard: the first file counts, and the table tells."""
    zoo.write(tmp_path / "in" / "a", SOPInstanceUID="1.2.3")
    zoo.write(
        tmp_path / "in" / "b", SOPInstanceUID="1.2.3",
        edit=lambda d, n: brighter(zoo, d) if n == 4 else None,
    )  # fmt: skip
    got = judge(tmp_path / "in")
    assert got.verdict == "ok"
    assert "1 duplicate files left out" in (tmp_path / "out" / "series.tsv").read_text()
    zoo.assert_shows(got.volume, zoo.planes())


@pytest.mark.parametrize("number", [0, 5, 6, 13])
def test_slice_taken_again(zoo, judge, tmp_path, number):
    """With a number of its own, in the row or after it: no reason to cut the stack in two."""

    def again(dataset, k):
        dataset.InstanceNumber = number
        return brighter(zoo, dataset) if k == 4 else None

    def later(dataset, k):
        if number == 6 and k > 4:
            dataset.InstanceNumber = k + 2
        return dataset

    zoo.write(tmp_path / "in" / "a", edit=later)
    zoo.write(tmp_path / "in" / "b", edit=again)
    got = judge(tmp_path / "in", GENTLE)
    assert got.verdict in (Reason.DUPLICATE_SLICES, "ok")
    if got.verdict == "ok":
        zoo.assert_shows(got.volume, zoo.planes())


def test_two_slices_nearly_at_one_place(zoo, judge, tmp_path):
    """0.02 mm apart: a second image, not a second position."""

    def near(dataset, number):
        if number != 4:
            return None
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, z + 0.02]
        return brighter(zoo, dataset)

    zoo.write(tmp_path / "in" / "a")
    zoo.write(tmp_path / "in" / "b", edit=near)
    assert judge(tmp_path / "in", GENTLE).verdict == Reason.DUPLICATE_SLICES


# Order


def reversed_numbers(dataset, number):
    dataset.InstanceNumber = 12 - number
    return dataset


def shuffled_numbers(dataset, number):
    dataset.InstanceNumber = [7, 2, 9, 1, 12, 3, 4, 11, 5, 10, 6, 8][number]
    return dataset


def same_numbers(dataset, number):
    dataset.InstanceNumber = 1
    return dataset


def no_numbers(dataset, number):
    del dataset.InstanceNumber
    return dataset


def numbers_that_are_text(dataset, number):
    dataset.InstanceNumber = 100000 * number
    return dataset


def locations_reversed(dataset, number):
    dataset.SliceLocation = -3 * number
    return dataset


def locations_all_zero(dataset, number):
    dataset.SliceLocation = 0
    return dataset


def feet_first(dataset, number):
    dataset.PatientPosition = "FFS"
    return dataset


ORDERS = (
    *(reversed_numbers, shuffled_numbers, same_numbers, no_numbers, numbers_that_are_text),
    *(locations_reversed, locations_all_zero, feet_first),
)


@pytest.mark.parametrize("edit", ORDERS, ids=lambda edit: edit.__name__)
def test_positions_say_where_slices_lie_and_nothing_else(zoo, judge, tmp_path, edit):
    zoo.write(tmp_path / "in", edit=edit)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen")
    zoo.assert_shows(got.volume, zoo.planes())


def sloping(zoo, dataset, number):
    """A slice of a body whose bone wanders, so that the order of slices can be seen."""
    hu = zoo.hu_of(dataset)
    hu[8:32, 10:38] = 40
    hu[10 + number : 16 + number, 12 + number : 22 + number] = 300
    return zoo.store(dataset, (hu + 1024).astype("u2"))


def test_positions_of_two_slices_swapped(zoo, judge, tmp_path):
    """Numbers and pixels agree with each other and not with the positions."""

    def swapped(dataset, number):
        dataset = sloping(zoo, dataset, number)
        number = {3: 8, 8: 3}.get(number, number)
        dataset.ImagePositionPatient = [-100, -80, 200 + 3 * number]
        return dataset

    zoo.write(tmp_path / "in", edit=swapped)
    got = judge(tmp_path / "in")
    assert got.verdict == Reason.NO_GEOMETRY, got.record


def test_numbers_of_two_slices_swapped(zoo, judge, tmp_path):
    """Positions and pixels agree with each other and not with the numbers."""

    def swapped(dataset, number):
        dataset = sloping(zoo, dataset, number)
        dataset.InstanceNumber = {3: 8, 8: 3}.get(number, number) + 1
        return dataset

    zoo.write(tmp_path / "in", edit=swapped)
    assert judge(tmp_path / "in").verdict == "ok"


# Gaps and distances


@pytest.mark.parametrize("gone", [(0,), (11,), (0, 1)])
def test_slices_missing_at_an_end_cannot_be_known(zoo, judge, tmp_path, gone):
    keep = set(range(12)) - set(gone)
    zoo.write(tmp_path / "in", edit=lambda d, n: d if n in keep else None)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok"
    zoo.assert_shows(got.volume, zoo.planes(keep=keep))


@pytest.mark.parametrize("gone", [(5,), (1,), (4, 7)])
def test_single_slices_missing_are_filled_and_told(zoo, judge, tmp_path, gone):
    keep = set(range(12)) - set(gone)
    zoo.write(tmp_path / "in", edit=lambda d, n: d if n in keep else None)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok"
    assert got.record["checks"]["resampled"].startswith(f"{len(gone)} missing slice")
    assert got.volume.data.shape[2] == 12
    zoo.assert_shows(got.volume, zoo.planes(keep=keep), whole=False)


@pytest.mark.parametrize("gone", [(5, 6), (2, 3, 4, 5)])
def test_wide_gaps_are_refused(zoo, judge, tmp_path, gone):
    zoo.write(tmp_path / "in", slices=16, edit=lambda d, n: None if n in gone else d)
    assert judge(tmp_path / "in").verdict == Reason.UNEVEN_SLICES


def test_every_second_slice_missing(zoo, judge, tmp_path):
    """An even stack of twice the distance: its table row says so, and its distance counts."""
    keep = range(0, 24, 2)
    zoo.write(tmp_path / "in", slices=24, edit=lambda d, n: d if n in keep else None)
    got = judge(tmp_path / "in")
    assert got.verdict == "ok"
    assert got.record["spacing_mm"][2] == 6
    zoo.assert_shows(got.volume, zoo.planes(24, keep=keep))


@pytest.mark.parametrize(
    ("steps", "verdict"),
    [
        ([5] * 6 + [10] * 6, Reason.UNEVEN_SLICES),
        ([1.5] * 8 + [3] * 6, "ok"),
        ([3] * 11 + [3.2], "ok"),
        ([3, 3.004, 2.996] * 4, "ok"),
        ([1.25] * 12 + [0.6] + [1.25] * 12, "ok"),
        ([3] * 6 + [40] + [3] * 6, Reason.UNEVEN_SLICES),
        ([0.1] * 300, Reason.TOO_LITTLE_COVERAGE),
        ([7.0] * 12, Reason.TOO_THICK),
    ],
)
def test_distances(zoo, judge, tmp_path, steps, verdict):
    z = np.concatenate([[0], np.cumsum(steps)])

    def moved(dataset, number):
        dataset.ImagePositionPatient = [-100, -80, round(200 + float(z[number]), 4)]
        return dataset

    settings = Settings(min_slices=10, min_coverage_mm=31.0 if verdict == "too_little" else 30.0)
    zoo.write(tmp_path / "in", slices=len(z) if len(z) < 50 else 40, edit=moved)
    assert judge(tmp_path / "in", settings).verdict == verdict


# Orientation

POSES = {
    "prone": ([-1, 0, 0, 0, -1, 0], (0, 0, 1)),
    "on the left side": ([0, -1, 0, 1, 0, 0], (0, 0, 1)),
    "on the right side": ([0, 1, 0, -1, 0, 0], (0, 0, 1)),
    "mirrored rows": ([1, 0, 0, 0, -1, 0], (0, 0, 1)),
    "from head to foot": ([1, 0, 0, 0, 1, 0], (0, 0, -1)),
    "seen from above": ([-1, 0, 0, 0, 1, 0], (0, 0, 1)),
}


@pytest.mark.parametrize("pose", POSES)
def test_pose(zoo, judge, tmp_path, pose):
    cosines, step = POSES[pose]
    how = {"step_mm": step, "ImageOrientationPatient": cosines}
    zoo.write(tmp_path / "in", **how)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.account) == ("ok", "chosen")
    zoo.assert_shows(got.volume, zoo.planes(**how))


@pytest.mark.parametrize("degrees", [-20, 20, 8])
def test_tilted_gantry(zoo, judge, tmp_path, degrees):
    angle = np.radians(degrees)
    c, s = (round(float(f(angle)), 9) for f in (np.cos, np.sin))
    zoo.write(
        tmp_path / "in", slices=14, ImageOrientationPatient=[1, 0, 0, 0, c, s],
        GantryDetectorTilt=degrees,
    )  # fmt: skip
    got = judge(tmp_path / "in")
    assert got.verdict == "ok"
    assert f"tilt of {abs(degrees)}.0 degrees" in got.record["checks"]["resampled"]


def test_slices_that_drift_sideways(zoo, judge, tmp_path):
    """Sheared along x without any tilt: the positions are true, whatever they are due to."""
    zoo.write(tmp_path / "in", step_mm=(0.2, 0, 1))
    got = judge(tmp_path / "in")
    assert got.verdict == "ok"
    assert "tilt of 11.3 degrees" in got.record["checks"]["resampled"]


def test_tilt_in_a_tag_only(zoo, judge, tmp_path):
    zoo.write(tmp_path / "in", GantryDetectorTilt=20)
    got = judge(tmp_path / "in")
    assert (got.verdict, got.record["checks"]["resampled"]) == ("ok", "")
    zoo.assert_shows(got.volume, zoo.planes())


def test_shift_of_a_single_slice(zoo, judge, tmp_path):
    """One slice whose centre of reconstruction differs by 20 mm: no tilt, and not straight."""

    def off(dataset, number):
        if number == 6:
            dataset.ImagePositionPatient = [-80, -80, 200 + 3 * number]
        return dataset

    zoo.write(tmp_path / "in", edit=off)
    assert judge(tmp_path / "in").verdict == Reason.NO_GEOMETRY


@pytest.mark.parametrize(
    "cosines",
    [
        *([0, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0], [2, 0, 0, 0, 2, 0]),
        *([1, 0, 0, 0.3, 0.953939, 0], [1, 0, 0, 0.0871557, 0.9961947, 0]),
    ],
)
def test_cosines_of_no_plane(zoo, judge, tmp_path, cosines):
    """Rows and columns at right angles, and of length 1 (PS3.3 C.7.6.2.1.1)."""
    zoo.write(tmp_path / "in", ImageOrientationPatient=cosines)
    assert judge(tmp_path / "in").verdict == Reason.NO_GEOMETRY


def test_rounding_of_cosines_and_positions(zoo, judge, tmp_path):
    def rough(dataset, number):
        tilt = 0.0004 * (-1) ** number
        dataset.ImageOrientationPatient = [1, tilt, 0, -tilt, 1, 0]
        dataset.ImagePositionPatient = [-100, -80, round(200 + 1.3333 * number, 1)]
        return dataset

    zoo.write(tmp_path / "in", slices=30, spacing_mm=1.3333, edit=rough)
    assert judge(tmp_path / "in").verdict == "ok"
