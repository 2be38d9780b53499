"""Training scans: shapes of real vertebrae, looks of no one, labels that stay true."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from bonecast.images import Volume, load
from bonecast.levels import VERSE_CODES
from bonecast.measure.bodies import find_bodies
from bonecast.phantom.anatomy import SPINE, Deformity, draw_torso
from bonecast.phantom.donors import read_donors, spine_donors
from bonecast.phantom.randomised import (
    draw_attenuation,
    draw_look,
    draw_randomised,
    image_randomised,
    pad_outside,
    smooth_field,
)
from bonecast.phantom.torso import POSTERIOR_OFFSET, Scanner, image_torso
from bonecast.phantom.training import CLASSES, draw_training_case

LUMBAR = ("L1", "L2", "L3", "L4")


def lumbar_scanner(torso) -> Scanner:
    centre = torso.vertebra("L3").centre
    return Scanner((75, 85, 124), (1.6, 1.6, 1.6), tuple(centre + [0, -15, 5]), 5, 0.5)


def whole(label: np.ndarray) -> np.ndarray:
    """Phantom labels as VerSe codes of whole vertebrae."""
    codes = [VERSE_CODES[level] for level in SPINE]
    table = np.zeros(256, np.uint8)
    table[codes] = codes
    table[np.array(codes) + POSTERIOR_OFFSET] = codes
    return table[label]


@pytest.fixture(scope="module")
def spine():
    """A phantom and the donors made of its own mask."""
    rng = np.random.default_rng(3)
    torso = draw_torso(rng, trabecular_hu=120, scale=1.0)
    ct, label = image_torso(torso, lumbar_scanner(torso), rng)
    return torso, label, spine_donors(ct.like(whole(label)))


def test_a_donor_has_the_size_of_its_body(spine):
    torso, _, donors = spine
    assert set(LUMBAR) <= donors.keys()
    for level in LUMBAR:
        vertebra = torso.vertebra(level)
        assert donors[level].width_mm == pytest.approx(vertebra.width_mm, rel=0.1)
        assert donors[level].depth_mm == pytest.approx(vertebra.depth_mm, rel=0.1)
        assert donors[level].height_mm == pytest.approx(vertebra.posterior_height_mm, rel=0.1)
        inside = (donors[level].body < 0) & (donors[level].whole >= 0)
        assert inside.sum() < 0.02 * (donors[level].body < 0).sum()


def test_a_cut_body_lends_no_shape(spine):
    torso, label, donors = spine
    ct = Volume(whole(label), np.diag([1.6, 1.6, 1.6, 1]))
    codes = set(np.unique(ct.data[:, :, 0])) | set(np.unique(ct.data[:, :, -1]))
    cut = {level for level in SPINE if VERSE_CODES[level] in codes}
    assert cut and not cut & donors.keys()


def test_a_vertebra_of_donated_shape_has_the_phantoms_size_and_place(spine):
    torso, label, donors = spine
    rng = np.random.default_rng(8)
    larger = draw_torso(rng, trabecular_hu=120, scale=1.15)
    look = replace(draw_look(rng, {"one": donors}, 1.0), donors=donors, sharpening=0.0)
    ct, painted = image_randomised(larger, look, lumbar_scanner(larger), rng)
    bodies = np.where(painted >= POSTERIOR_OFFSET, 0, painted)
    bodies[~np.isin(bodies, [VERSE_CODES[level] for level in SPINE])] = 0
    found = find_bodies(ct.like(bodies), ct.like(whole(painted)))
    for level in LUMBAR:
        centre = found[level].frame.origin_mm
        assert np.linalg.norm(centre - larger.vertebra(level).centre) < 5
        before = (label == VERSE_CODES[level]).sum()
        ratio = (painted == VERSE_CODES[level]).sum() / before
        sizes = larger.vertebra(level), torso.vertebra(level)
        grown = [v.width_mm * v.depth_mm * v.posterior_height_mm for v in sizes]
        assert ratio == pytest.approx(grown[0] / grown[1], rel=0.2)


def test_a_planted_fracture_takes_height_off_a_donated_shape(spine):
    torso, _, donors = spine
    rng = np.random.default_rng(8)
    look = replace(draw_look(rng, {"one": donors}, 1.0), donors=donors)
    broken = replace(
        torso,
        vertebrae=tuple(
            replace(v, deformity=Deformity("crush", 3, 0.45)) if v.level == "L2" else v
            for v in torso.vertebrae
        ),
    )
    sizes = []
    for person in (torso, broken):
        _, label = image_randomised(person, look, lumbar_scanner(torso), np.random.default_rng(9))
        sizes.append((label == VERSE_CODES["L2"]).sum())
    assert 0.45 < sizes[1] / sizes[0] < 0.7


def test_attenuation_varies_more_than_in_people():
    drawn = [draw_attenuation(np.random.default_rng(seed)) for seed in range(200)]
    for tissue, least, most in (("cortex", 350, 1100), ("blood", 30, 300), ("disc", 40, 150)):
        values = [hu[tissue] for hu in drawn]
        assert min(values) < least and max(values) > most


def test_a_seed_gives_the_same_scan_again_and_another_seed_another():
    first, again, other = (draw_training_case(seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first[0].data, again[0].data)
    np.testing.assert_array_equal(first[1], again[1])
    assert first[0].data.shape != other[0].data.shape


def test_classes_of_training_scans_are_those_of_the_network():
    seen = set()
    for seed in range(100, 106):
        ct, classes = draw_training_case(seed)
        assert ct.data.shape == classes.shape and ct.data.dtype == np.int16
        assert classes.max() < len(CLASSES)
        seen |= set(np.unique(classes))
    assert seen == set(range(len(CLASSES)))


def test_a_corner_cut_off_holds_nothing():
    ct = Volume(np.full((20, 30, 40), 50, np.int16), np.eye(4))
    label = np.ones(ct.data.shape, np.uint8)
    pad_outside(ct, label, np.random.default_rng(1))
    gone = ct.data == -1024
    assert 0.005 < gone.mean() < 0.12
    assert not label[gone].any() and label[~gone].all()
    assert ndimage.label(gone)[1] == 1


def test_smooth_field_has_unit_spread_and_is_smooth():
    field = smooth_field((40, 50, 60), np.ones(3), 15.0, np.random.default_rng(2))
    assert field.shape == (40, 50, 60) and field.std() == pytest.approx(1, abs=1e-3)
    assert np.abs(np.diff(field, axis=2)).max() < 0.5


def test_a_draw_without_masks_uses_the_phantoms_shapes():
    _, look = draw_randomised(
        np.random.default_rng(1), spines={}, share_of_donors=1.0, trabecular_hu=100.0
    )
    assert look.donors == {}


def test_a_folder_without_masks_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train\.masks.*vert_msk"):
        read_donors(str(tmp_path))


def test_real_masks_lend_every_uncut_vertebra(shared_data):
    spines = read_donors(str(shared_data / "masks"))
    assert list(spines["sub-sample001"]) == list(SPINE)
    assert list(spines["sub-verse004"]) == list(SPINE[SPINE.index("T9") :])
    # L1 of verse004 is crushed (Genant 3): lower than its neighbours.
    heights = {level: donor.height_mm for level, donor in spines["sub-verse004"].items()}
    assert heights["L1"] < 0.85 * heights["L2"]
    mask = load(next((shared_data / "masks").rglob("sub-verse004_seg-vert_msk.nii.gz")))
    voxels = (mask.data == VERSE_CODES["L3"]).sum() * mask.voxel_mm3
    donated = (spines["sub-verse004"]["L3"].whole < 0).sum()
    assert donated == pytest.approx(voxels, rel=0.05)
