"""Quality-control pictures: orientation, scale, content, and no surprises in empty scans."""

import io
import time

import numpy as np
import pytest
from PIL import Image

from bonecast.images import Volume
from bonecast.levels import VERSE_CODES
from bonecast.measure.bodies import find_bodies
from bonecast.measure.density import DensitySettings, measure_density, place_regions, region_bits
from bonecast.report import qc, qc_page
from bonecast.report.palette import level_colour, rgb

SHAPE = (60, 80, 50)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


@pytest.fixture
def scan():
    """Two bodies, the lower one shifted to the patient's right; a bright block at the front."""
    hu = np.full(SHAPE, -250, np.int16)
    hu[:, 70:, :] = 750
    codes = np.zeros(SHAPE, np.uint8)
    codes[36:46, 30:45, 8:18] = VERSE_CODES["L2"]
    codes[16:26, 30:45, 28:38] = VERSE_CODES["L1"]
    ct = Volume(hu, AFFINE)
    return ct, ct.like(codes), ct.like(codes)


def _count(picture, colour):
    return int((picture == np.array(rgb(colour))).all(axis=-1).sum())


def test_anterior_is_left_and_head_is_up(scan):
    picture = qc.draw_qc(*scan, title="P1")
    # Sagittal view: the bright block (front of the patient) lies at its left edge.
    row = picture[picture.shape[0] // 2]
    bright = np.flatnonzero((row == 255).all(axis=-1))
    assert bright.size and bright.min() < 40
    l1_rows = np.flatnonzero((picture == rgb(level_colour("L1"))).all(axis=-1).any(axis=1))
    l2_rows = np.flatnonzero((picture == rgb(level_colour("L2"))).all(axis=-1).any(axis=1))
    assert l1_rows.mean() < l2_rows.mean()


def test_bent_planes_show_both_bodies_of_a_scoliotic_spine(scan):
    picture = qc.draw_qc(*scan, title="P1")
    half = picture.shape[1] // 2
    for part in (picture[:, :half], picture[:, half:]):
        assert _count(part, level_colour("L1")) > 50
        assert _count(part, level_colour("L2")) > 50


def test_views_keep_the_physical_aspect(scan):
    ct, _, bodies = scan
    line = np.full(SHAPE[2], 20.0)
    view = qc._view(ct, bodies.data, bodies.data, None, 0, line, 37.0, 2.0)
    # 75 voxels of 2 mm by 50 slices of 3 mm, at 2 px per mm
    assert view.shape == (300, 300, 3)


def test_whole_vertebrae_stand_in_for_missing_bodies(scan):
    ct, vertebrae, _ = scan
    empty = ct.like(np.zeros(SHAPE, np.uint8))
    centres = qc._find_centres(empty, vertebrae)
    assert [int(code) for code in centres.codes] == [VERSE_CODES["L2"], VERSE_CODES["L1"]]
    np.testing.assert_allclose(centres.xyz[:, 0], [40.5, 20.5], atol=1)


def test_a_scan_without_vertebrae_is_still_drawn(scan):
    ct, *_ = scan
    empty = ct.like(np.zeros(SHAPE, np.uint8))
    remarks = qc_page.Remarks(["No vertebra was found in the scan."])
    picture = qc.draw_qc(ct, empty, empty, "P1", remarks)
    assert picture.dtype == np.uint8 and picture.ndim == 3


def test_warnings_stripe_the_frame_and_add_lines(scan):
    plain = qc.draw_qc(*scan, title="P1")
    remarks = qc_page.Remarks(["T12 is missing", "L5 touches the border"], {"L2": ["gap"]})
    warned = qc.draw_qc(*scan, title="P1", remarks=remarks)
    assert warned.shape[0] > plain.shape[0] and warned.shape[1] == plain.shape[1]
    top = warned[2]
    orange = (top == qc_page.WARNING).all(axis=-1)
    assert 0.3 < orange.mean() < 0.7, "stripes: as much frame as background"
    assert not (plain[2] == qc_page.WARNING).all(axis=-1).any()


def test_a_correction_is_framed_unlike_a_warning(scan):
    remarks = qc_page.Remarks(corrected="Corrected by hand: L2 edited", by_hand=frozenset({"L2"}))
    picture = qc.draw_qc(*scan, title="P1", remarks=remarks)
    assert (picture[2] == qc_page.CORRECTED).all()


def test_warnings_are_readable_in_a_thumbnail(scan):
    remarks = qc_page.Remarks(["T12 is missing"])
    warned = Image.fromarray(qc.draw_qc(*scan, title="P1", remarks=remarks))
    warned.thumbnail((300, 600))
    pixels = np.asarray(warned, int)
    edge = np.concatenate([pixels[1], pixels[-2], pixels[:, 1], pixels[:, -2]])
    bright = edge.sum(axis=1) > 300
    assert 0.25 < bright.mean() < 0.75
    assert qc_page.NAME_SHARE * 300 >= 12, "level names of a thumbnail, in px"


def test_regions_drawn_are_those_measured(scan):
    ct, vertebrae, bodies = scan
    settings = DensitySettings(rois=("hu_vol", "hu_circle200"), erosion_mm=2.0)
    found = find_bodies(bodies, vertebrae, ct)
    bits = region_bits(found, place_regions(found, ["L1"], settings), settings)
    assert set(bits) == {"L1"}, "levels that are not analysed have no region"
    regions = qc.regions_in_scan(ct.data.shape, found, bits, settings.rois)
    for row in measure_density(found, ["L1"], settings):
        if row["level"] == "L1":
            k = settings.rois.index(row["roi"])
            mask = (regions.bits >> k) & 1 > 0
            assert np.count_nonzero(mask) == row["n_voxels"]
            assert (vertebrae.data[mask] == VERSE_CODES["L1"]).all()
    plain = qc.draw_qc(*scan, title="P1")
    drawn = qc.draw_qc(*scan, title="P1", regions=regions)
    assert _count(drawn, "#FFFFFF") > _count(plain, "#FFFFFF")


def test_remarks_come_from_the_segmentation():
    about = {"levels": {"L1": {"flags": ["gap"]}, "L2": {"level_confidence": 0.3}}}
    about["levels"]["L3"] = {"flags": ["cut_by_border"], "level_confidence": 0.9}
    about |= {"flags": [], "correction": None}
    remarks = qc_page.read_remarks(about)
    assert remarks.lines == ["L1: gap", "L2: name uncertain (0.30)"]
    assert not remarks.corrected
    about["flags"] = ["L1: The body is as tall as two."]
    about["correction"] = {"edited": ["L4"], "renamed": {"L5": "L6"}, "removed": []}
    remarks = qc_page.read_remarks(about)
    assert remarks.lines == about["flags"]
    assert remarks.corrected == "Corrected by hand: L4 edited; renamed L5 to L6"
    assert remarks.by_hand == {"L4", "L6"}


def test_png_is_reproducible_and_carries_no_metadata(scan):
    first = qc_page.encode_png(qc.draw_qc(*scan, title="P1"))
    assert first == qc_page.encode_png(qc.draw_qc(*scan, title="P1"))
    assert Image.open(io.BytesIO(first)).info == {}


def test_exclusion_card_says_something(tmp_path):
    card = qc_page.draw_exclusion_card("P1", "The input folder holds no files.")
    qc_page.write_png(card, tmp_path / "card.png")
    with Image.open(tmp_path / "card.png") as picture:
        assert picture.size == (640, 360)
    assert (card != np.array(qc_page.BACKGROUND)).any()


def test_a_large_scan_is_drawn_quickly():
    shape = (512, 512, 300)
    ct = Volume(np.zeros(shape, np.int16, order="F"), np.diag([0.8, 0.8, 1.0, 1.0]))
    codes = np.zeros(shape, np.uint8, order="F")
    codes[230:280, 200:260, 100:130] = VERSE_CODES["L1"]
    start = time.perf_counter()
    qc.draw_qc(ct, ct.like(codes), ct.like(codes), "P1")
    assert time.perf_counter() - start < 5, "ten times what it takes on an idle machine"
