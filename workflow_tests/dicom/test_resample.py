"""Slices that form no rectangular volume, against the same body drawn on a straight grid.

The body is a formula in world mm, so that its value is known at every point, on the slices of a
tilted gantry as on the voxels of the volume that is made of them.
"""

import numpy as np
import pytest
from scipy import ndimage

from bonecast.dicom import plausible
from bonecast.dicom.geometry import measure_stack
from bonecast.dicom.pile import Pile
from bonecast.dicom.resample import AIR_HU, Resample, check_resampling, make_rectangular
from bonecast.reasons import Excluded, Reason

PIXEL_MM = (1.5, 2.0)
ROWS, COLUMNS = 96, 64
FIRST_MM = np.array([-63.0, -72.0, 100.0])
BODY_HU, BONE_HU = 40, 440
EDGE_MM = 4.0
"""Width of the bone's edge: so wide that linear interpolation errs by a few HU only."""


def bone_centre(z):
    """Where the sloping bone's axis is at a height: LPS x and y."""
    return 6 + 0.25 * (z - 130), -10 - 0.3 * (z - 130)


def draw(points_mm: np.ndarray) -> np.ndarray:
    """HU of the body at points (..., 3): soft tissue in air, a bone with soft edges."""
    x, y, z = np.moveaxis(points_mm, -1, 0)
    centre_x, centre_y = bone_centre(z)
    radius = np.hypot(x - centre_x, y - centre_y)
    hu = BODY_HU + (BONE_HU - BODY_HU) / (1 + np.exp((radius - 12) / EDGE_MM))
    return np.where(np.hypot(x / 50, y / 56) < 1, hu, AIR_HU)


def slices(z_mm, tilt_degrees=0.0) -> Pile:
    """The body on slices whose first voxels lie at heights `z_mm` above FIRST_MM, straight up.

    A tilt turns the slices about x, as a gantry does, while the table moves on along z.
    """
    angle = np.radians(tilt_degrees)
    cosines = np.array([1, 0, 0, 0, np.cos(angle), np.sin(angle)])
    positions = FIRST_MM + np.outer(z_mm, [0, 0, 1.0])
    return Pile(sample(positions, cosines, (ROWS, COLUMNS)), positions, cosines, PIXEL_MM)


def sample(positions, cosines, matrix) -> np.ndarray:
    rows, columns = (np.arange(n) for n in matrix)
    down = rows[:, None, None] * PIXEL_MM[0] * cosines[3:]
    right = columns[None, :, None] * PIXEL_MM[1] * cosines[:3]
    points = positions[:, None, None] + (down + right)[None]
    return np.rint(draw(points)).astype(np.int16)


def truth(pile: Pile) -> np.ndarray:
    """The body drawn on the voxels of a volume."""
    return sample(pile.positions_mm, pile.orientation, pile.hu.shape[1:])


def bone_shift_mm(pile: Pile) -> float:
    """How far the bone's centre lies from where it was drawn, in the worst slice; mm."""
    worst = 0.0
    for hu, exact in zip(pile.hu, truth(pile), strict=True):
        centres = []
        for image in (hu, exact):
            weight = np.clip(image.astype(float) - 150, 0, None)
            centres.append([(weight * grid).sum() / weight.sum() for grid in np.indices(hu.shape)])
        off = (np.array(centres[0]) - centres[1]) * PIXEL_MM
        worst = max(worst, float(np.hypot(*off)))
    return worst


EVEN = np.arange(20) * 3.0
CASES = {
    "tilt": (EVEN, 12.0, "tilt of 12.0 degrees"),
    "tilt the other way": (EVEN, -20.0, "tilt of 20.0 degrees"),
    "missing": (np.delete(EVEN, [7, 13]), 0.0, "2 missing slices"),
    "one missing": (np.delete(EVEN, 7), 0.0, "1 missing slice"),
    "uneven": (EVEN + 1.1 * (np.arange(20) > 9), 0.0, "1 uneven distance of 4.1 mm"),
    "denser": (np.sort([*EVEN, 13.0, 31.0]), 0.0, "4 uneven distances of 1.0 to 2.0 mm"),
    "both": (
        np.delete(EVEN, 7) / np.cos(np.radians(12)),
        12.0,
        "tilt of 12.0 degrees, 1 missing slice",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_resampled_volume_is_the_body_drawn_on_its_grid(case):
    z_mm, tilt, words = CASES[case]
    pile = slices(z_mm, tilt)
    got, found = make_rectangular(pile, Resample())
    assert found == words
    stack = got.stack()
    assert (stack.n_uneven, stack.n_missing) == (0, 0)
    assert stack.shear_mm < 0.01
    assert stack.spacing_mm == pytest.approx(
        3.0 if case != "tilt the other way" else 2.819, abs=0.07
    )
    exact = truth(got)
    inside = ndimage.binary_erosion(exact > AIR_HU, np.ones((3, 3, 3)))
    # Voxels that no slice reaches are air by design: those of the widened matrix.
    covered = inside & (got.hu > AIR_HU)
    assert covered.sum() > 0.85 * inside.sum()
    error = got.hu[covered].astype(int) - exact[covered]
    assert np.abs(error).max() <= 6
    assert abs(error.mean()) < 0.5
    assert bone_shift_mm(got) < 0.1


@pytest.mark.parametrize("case", CASES)
def test_homogeneous_body_keeps_its_value(case):
    z_mm, tilt, _ = CASES[case]
    pile = slices(z_mm, tilt)
    inner = Pile(np.full_like(pile.hu, 57), pile.positions_mm, pile.orientation, pile.pixel_mm)
    got, _ = make_rectangular(inner, Resample())
    core = got.hu[1:-1, 20:-20, 4:-4]
    assert np.abs(core.astype(int) - 57).max() <= 1


def test_nothing_is_cut_off_by_a_tilt():
    """The matrix grows by the shift, and the first and the last slice are both whole in it."""
    pile = slices(EVEN, 15.0)
    got, _ = make_rectangular(pile, Resample())
    grown = np.ceil(np.sin(np.radians(15)) * EVEN[-1] / PIXEL_MM[0])
    assert got.hu.shape == (20, ROWS + grown, COLUMNS)
    for before, after in zip(pile.hu, got.hu, strict=True):
        assert after.astype(np.int64).sum() == pytest.approx(
            before.astype(np.int64).sum() + AIR_HU * (after.size - before.size), rel=1e-4
        )


def test_slices_on_the_grid_keep_their_values():
    pile = slices(np.delete(EVEN, [7, 8]), 0.0)
    got, words = make_rectangular(pile, Resample(max_gap_mm=9))
    assert words == "2 missing slices"
    kept = [k for k in range(20) if k not in (7, 8)]
    assert np.array_equal(got.hu[kept], pile.hu)


def test_positions_rounded_by_the_header_do_not_drift():
    """0.6249 mm rounded to 0.62 or 0.63: the grid follows the slices, not the median distance."""
    z_mm = np.delete(np.round(np.arange(200) * 0.6249, 2), 50)
    positions, cosines = np.outer(z_mm, [0, 0, 1]), np.array([1.0, 0, 0, 0, 1, 0])
    pile = Pile(np.zeros((199, 4, 4), np.int16), positions, cosines, (1, 1))
    got, words = make_rectangular(pile, Resample())
    assert words == "1 missing slice"
    assert got.positions_mm[:, 2] == pytest.approx(np.arange(200) * 0.6249, abs=0.01)


def test_rectangular_slices_are_left_alone():
    pile = slices(EVEN)
    assert make_rectangular(pile, Resample()) == (pile, "")


@pytest.mark.parametrize(
    ("z_mm", "tilt", "allowed", "reason"),
    [
        (EVEN, 12.0, Resample(tilt=False), Reason.GANTRY_TILT),
        (EVEN, 42.0, Resample(), Reason.GANTRY_TILT),
        (np.delete(EVEN, 5), 0.0, Resample(uneven=False), Reason.UNEVEN_SLICES),
        (np.delete(EVEN, [5, 6]), 0.0, Resample(), Reason.UNEVEN_SLICES),
        (np.delete(EVEN, 5), 0.0, Resample(max_gap_mm=5.9), Reason.UNEVEN_SLICES),
    ],
)
def test_what_is_not_allowed_is_refused(z_mm, tilt, allowed, reason):
    pile = slices(z_mm, tilt)
    for refuse in (
        lambda: check_resampling(pile.stack(), allowed),
        lambda: make_rectangular(pile, allowed),
    ):
        with pytest.raises(Excluded) as caught:
            refuse()
        assert caught.value.reason is reason


def test_widest_gap():
    z_mm = np.array([0, 3, 6, 15, 18.0])
    assert (
        measure_stack(np.outer(z_mm, [0, 0, 1]), np.array([1, 0, 0, 0, 1, 0])).largest_gap_mm == 9
    )


# From DICOM files, through dcm2niix


def tilted(degrees=12.0) -> dict:
    angle = np.radians(degrees)
    c, s = (round(float(f(angle)), 9) for f in (np.cos, np.sin))
    return {"ImageOrientationPatient": [1, 0, 0, 0, c, s]}


def signed(dataset, number):
    """Values for which dcm2niix writes resampled volumes of its own beside the plain one."""
    hu = np.frombuffer(dataset.PixelData, "<u2").astype(np.int32) - 1024
    dataset.PixelData = hu.astype("<i2").tobytes()
    dataset.PixelRepresentation, dataset.RescaleIntercept = 1, 0
    return dataset


def without(*numbers):
    return lambda dataset, number: None if number in numbers else signed(dataset, number)


def stretched(dataset, number):
    dataset.ImagePositionPatient = [-100, -80, 200 + 3 * number + 1.2 * (number > 6)]
    return dataset


@pytest.mark.parametrize(
    ("elements", "edit", "words"),
    [
        (tilted(), signed, "tilt of 12.0 degrees"),
        (tilted(-12), lambda dataset, number: dataset, "tilt of 12.0 degrees"),
        ({}, without(5), "1 missing slice"),
        ({}, stretched, "1 uneven distance of 4.2 mm"),
        (tilted(), without(5), "tilt of 12.0 degrees, 1 missing slice"),
    ],
)
@pytest.mark.parametrize("turn", [False, True])
def test_series_is_compared_with_dcm2niix_and_then_resampled(
    ct, tmp_path, elements, edit, words, turn
):
    def numbered(dataset, number):
        dataset = edit(dataset, number)
        if turn and dataset is not None:
            dataset.InstanceNumber = 50 - number
        return dataset

    ct.write(tmp_path / "in", edit=numbered, **elements)
    got = ct.convert_first(tmp_path / "in")
    assert got.checks["resampled"] == words
    assert got.checks["hu_difference"] == 0
    assert got.checks["uncompressed_first"] is False
    assert got.checks["position_error_mm"] < 0.01
    # The bone's corner voxel of slice 2, found by the header's own formula.
    c, s = elements.get("ImageOrientationPatient", [1, 0, 0, 0, 1, 0])[4:]
    x, y, z = ct.FIRST_MM
    world = (-(x + 5 * 16), -(y + 4 * 12 * c), z + 6 + 4 * 12 * s)
    index = np.linalg.solve(got.volume.affine, [*world, 1])[:3]
    nearest = got.volume.data[tuple(np.rint(index).astype(int))]
    assert nearest == pytest.approx(ct.BONE_HU + 2, abs=2)


def test_copies_of_slices_are_dropped(ct, tmp_path):
    """Stored a second time as another instance: the same picture at the same place."""
    ct.write(tmp_path / "in")
    ct.write(tmp_path / "in", name="again{:d}", edit=lambda d, n: d if n in (3, 4) else None)
    got = ct.convert_first(tmp_path / "in", every=True)
    assert (got.checks["copies_dropped"], got.checks["slices"]) == (2, 12)
    assert got.checks["resampled"] == ""


def test_other_values_at_the_same_place_are_refused(ct, tmp_path):
    def brighter(dataset, number):
        values = np.frombuffer(dataset.PixelData, "<u2") + np.uint16(9)
        dataset.PixelData = values.tobytes()
        return dataset if number in (3, 4) else None

    ct.write(tmp_path / "in")
    ct.write(tmp_path / "in", name="again{:d}", edit=brighter)
    with pytest.raises(Excluded) as caught:
        ct.convert_first(tmp_path / "in", every=True)
    assert caught.value.reason is Reason.DUPLICATE_SLICES
    assert "2 of 14 slices" in caught.value.detail


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gantrytilting/001", "tilt of 14.0 degrees"),
        ("sliceincrement/001", "1 missing slice"),
        ("sliceincrement/002", "1 missing slice"),
    ],
)
def test_headers_of_real_series(ct, shared_data, monkeypatch, name, words):
    """Their pixels were overwritten with noise, which is told first."""
    source = shared_data / "dicom/odd/dicom2nifti/tests/data/failing" / name
    with pytest.raises(Excluded) as caught:
        ct.convert_first(source, Resample(max_gap_mm=20))
    assert caught.value.reason is Reason.NOT_HU
    monkeypatch.setattr(plausible, "check_hounsfield", lambda *_: None)
    got = ct.convert_first(source, Resample(max_gap_mm=20))
    assert got.checks["resampled"] == words
    assert got.checks["hu_difference"] == 0


def test_two_runs_of_nearly_the_same_distance_do_not_add_up():
    """Each step is within the tolerance; unmended, the middle would lie 5 mm off."""
    z_mm = np.concatenate([np.arange(150) * 0.75, 149 * 0.75 + np.arange(1, 151) * 0.82])
    pile = slices(z_mm - 60)
    made, words = make_rectangular(pile, Resample())
    assert words == "distances from 0.75 to 0.82 mm"
    difference = np.abs(made.hu.astype(int) - truth(made))
    assert difference.max() <= 6
    assert make_rectangular(slices(z_mm[:150]), Resample())[1] == ""
