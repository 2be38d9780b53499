"""Bodies on disk: the same after a round trip, and small."""

import numpy as np

from bonecast.measure.bodies import find_bodies
from bonecast.measure.crops import load_bodies, save_bodies


def test_bodies_come_back_as_they_were(three_bodies, tmp_path):
    bodies = find_bodies(three_bodies.bodies, three_bodies.vertebrae, three_bodies.ct)
    save_bodies(bodies | {"L4": None}, tmp_path / "bodies.npz.gz")
    back = load_bodies(tmp_path / "bodies.npz.gz")
    assert list(back) == ["L1", "L2", "L3", "L4"]
    assert back["L4"] is None
    for level, body in bodies.items():
        again = back[level]
        for name in ("level", "box", "image_shape", "touches_border", "spacing_mm"):
            assert getattr(again, name) == getattr(body, name)
        for name in ("hu", "mask", "affine", "depths_mm"):
            assert np.array_equal(getattr(again, name), getattr(body, name))
        assert again.hu.dtype == np.int16 and again.mask.dtype == bool
        assert np.array_equal(again.frame.origin_mm, body.frame.origin_mm)
        assert np.array_equal(again.frame.axes, body.frame.axes)


def test_a_scan_left_out_has_an_empty_file_of_bodies(tmp_path):
    save_bodies({}, tmp_path / "bodies.npz.gz")
    assert load_bodies(tmp_path / "bodies.npz.gz") == {}
