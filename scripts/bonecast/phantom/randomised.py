"""Training scans that vary far more than people and scanners do (domain randomisation).

A network that has seen every tissue at every attenuation, any clutter, kernel and field of
view cannot lean on the one look a phantom has: what stays the same is the shape of a spine.
The idea is that of SynthSeg (Billot et al., Med Image Anal 2023;86:102789): scans are made
from label maps, here those of the parametric phantom and of real spines (`donors`).
"""

from dataclasses import dataclass, replace

import numpy as np

from bonecast.images import Volume
from bonecast.levels import VERSE_CODES
from bonecast.phantom.anatomy import SPINE, Torso, Vertebra, draw_torso, tilt
from bonecast.phantom.canvas import Canvas
from bonecast.phantom.donors import Donor
from bonecast.phantom.torso import (
    POSTERIOR_OFFSET,
    SACRUM,
    Scanner,
    blank_canvas,
    image_canvas,
    local_grid,
    paint_body,
    paint_discs,
    paint_pelvis,
    paint_posterior,
    paint_ribs,
    paint_soft_tissue,
)

SACRAL_HEIGHTS_MM = (29, 25, 21, 17, 14)
SACRAL_WIDTHS_MM = (50, 38, 31, 26, 22)
SACRAL_DEPTHS_MM = (31, 24, 18, 14, 11)
SACRAL_BEND_DEG = (0, 12, 26, 42, 58)
"""Sizes and bend of S1 to S5: rounded, for plausible shapes and not as reference values."""


@dataclass(frozen=True)
class Look:
    """What is drawn once for a training scan, beside the torso itself.

    Attributes:
        donors: shapes by level that replace the parametric vertebrae; may be empty.
        cortex_mm: thickness of the cortex of donors.
        bone_sd_hu: smooth variation inside bone.
        soft_sd_hu: smooth variation of soft tissue.
        sharpening: strength of an edge-enhancing kernel.
    """

    donors: dict[str, Donor]
    cortex_mm: float
    bone_sd_hu: float
    soft_sd_hu: float
    sharpening: float


def draw_attenuation(rng: np.random.Generator) -> dict[str, float]:
    """Attenuation of each tissue (HU), each drawn by itself and wider than in people."""
    contrast = rng.random() < 0.5
    ranges = {
        "fat": (-135, -65),
        "muscle": (0, 90),
        "organ": (15, 80) if not contrast else (60, 160),
        "blood": (15, 70) if not contrast else (90, 400),
        "lung": (-960, -550),
        "disc": (20, 170),
        "cortex": (250, 1300),
        "posterior": (60, 520),
        "canal": (-90, 60),
        "bowel": (-120, 80),
    }
    return {name: float(rng.uniform(*limits)) for name, limits in ranges.items()}


def draw_look(
    rng: np.random.Generator, spines: dict[str, dict[str, Donor]], share_of_donors: float
) -> Look:
    """Draw what `Look` holds; real shapes come into a share of the scans."""
    donors: dict[str, Donor] = {}
    if spines and rng.random() < share_of_donors:
        for level in SPINE:
            if donor := draw_donor(rng, level, list(spines.values())):
                donors[level] = donor
    return Look(
        donors=donors,
        cortex_mm=float(rng.uniform(0.5, 2.2)),
        bone_sd_hu=float(rng.uniform(0, 60)),
        soft_sd_hu=float(rng.uniform(0, 25)),
        sharpening=float(rng.uniform(0.3, 2.0)) if rng.random() < 0.4 else 0.0,
    )


def draw_donor(
    rng: np.random.Generator, level: str, spines: list[dict[str, Donor]]
) -> Donor | None:
    """A real vertebra of this level or, but for L5 and T1, of a neighbouring one."""
    place = SPINE.index(level)
    near = [level]
    if 0 < place < len(SPINE) - 2:
        near = [*near, level, SPINE[place - 1], SPINE[place + 1]]
    found = [spine[name] for spine in spines for name in near if name in spine]
    return found[rng.integers(len(found))] if found else None


def image_randomised(
    torso: Torso, look: Look, scanner: Scanner, rng: np.random.Generator
) -> tuple[Volume, np.ndarray]:
    """Image a torso of random look.

    Returns:
        The CT (int16 HU, RAS+) and labels as `image_torso` gives them.
    """
    canvas, steps = blank_canvas(scanner)
    paint_soft_tissue(canvas, torso, rng)
    paint_clutter(canvas, torso, rng)
    roughen(canvas, look.soft_sd_hu, rng)
    paint_ribs(canvas, torso)
    if rng.random() < 0.3:
        paint_pelvis(canvas, torso)
    else:
        paint_segmented_sacrum(canvas, torso, rng)
    paint_far_bones(canvas, torso, rng)
    paint_discs(canvas, torso)
    for vertebra in torso.vertebrae:
        # No two vertebrae of a person have quite the same bone.
        bone = {name: torso.hu[name] * rng.uniform(0.85, 1.15) for name in ("cortex", "posterior")}
        own = replace(torso, hu=torso.hu | bone)
        if donor := look.donors.get(vertebra.level):
            paint_donor(canvas, own, vertebra, donor, look, rng)
        else:
            paint_posterior(canvas, own, vertebra)
            paint_body(canvas, own, vertebra, rng)
    if rng.random() < 0.08:
        paint_metal(canvas, torso, rng)
    return image_canvas(canvas, steps, scanner, rng, look.sharpening)


def smooth_field(shape, spacing_mm, scale_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of mean 0 and SD 1 that varies over `scale_mm` (float32)."""
    coarse = np.maximum(2, np.ceil(np.asarray(shape) * spacing_mm / scale_mm).astype(int) + 1)
    field = rng.standard_normal(coarse, dtype=np.float32)
    axes = [np.linspace(0, n - 1, m, dtype=np.float32) for n, m in zip(coarse, shape, strict=True)]
    for axis, at in enumerate(axes):
        low = np.minimum(at.astype(int), coarse[axis] - 2)
        part = (at - low).reshape([-1 if k == axis else 1 for k in range(3)])
        field = np.take(field, low, axis) * (1 - part) + np.take(field, low + 1, axis) * part
    return field / max(float(field.std()), 1e-6)


def roughen(canvas: Canvas, sd_hu: float, rng: np.random.Generator) -> None:
    """Give everything but air a smooth variation."""
    for scale in rng.uniform(4, 40, 2):
        field = smooth_field(canvas.hu.shape, canvas.spacing_mm, scale, rng)
        canvas.hu += np.where(canvas.hu > -300, field * np.float32(sd_hu), 0)


def paint_clutter(canvas: Canvas, torso: Torso, rng: np.random.Generator) -> None:
    """Bowel with gas or contrast, kidneys, calcified vessels, a table: everything but spine."""
    spine = {v.level: v.centre for v in torso.vertebrae}
    low, high = spine["L5"][2] - 60, spine["T8"][2]
    front = torso.body_half_depth_mm
    for _ in range(rng.integers(6, 22)):
        place = [rng.uniform(-120, 120), rng.uniform(30, 1.6 * front), rng.uniform(low, high)]
        hu = rng.choice([rng.uniform(-1000, -500), rng.uniform(-80, 80), rng.uniform(80, 500)])
        shell = (rng.uniform(1.5, 4), rng.uniform(0, 120)) if rng.random() < 0.5 else None
        canvas.ellipsoid(place, rng.uniform(8, 38, 3), hu, 0, shell)
    kidney = rng.uniform(15, 260)
    for side in (-1, 1):
        place = spine["L2"] + [side * rng.uniform(52, 70), rng.uniform(-15, 15), 20]
        core = (rng.uniform(6, 12), kidney)
        canvas.ellipsoid(place, rng.uniform((20, 20, 42), (32, 30, 62)), -90, 0, core)
    if rng.random() < 0.5:
        for vertebra in torso.vertebrae[6:]:
            for _ in range(rng.integers(0, 4)):
                # Aortic wall, and osteophytes' look-alikes in front of the spine.
                aside = -vertebra.right * rng.uniform(-4, 26)
                place = vertebra.centre + aside
                place = place + vertebra.anterior * (vertebra.depth_mm / 2 + rng.uniform(5, 26))
                place = place + vertebra.up * rng.uniform(-18, 18)
                canvas.ellipsoid(place, rng.uniform(1, 6, 3), rng.uniform(200, 1200), 0)
    if rng.random() < 0.5:
        back = spine["L3"][1] - rng.uniform(75, 120)
        table, (_, y, _) = canvas.box(
            canvas.origin_mm,
            canvas.origin_mm + canvas.spacing_mm * (np.array(canvas.hu.shape) - 1),
        )
        plate = np.abs(y - back) - rng.uniform(1, 4)
        outside = canvas.hu[table] < -700
        canvas.hu[table][outside & (plate < 0)] = rng.uniform(-300, 300)


def paint_far_bones(canvas: Canvas, torso: Torso, rng: np.random.Generator) -> None:
    """Bones that are no spine: hips, iliac wings, breast bone, shoulder blades, arms."""
    s, shell = torso.scale, (rng.uniform(0.8, 3), torso.hu["cortex"])
    inside = rng.uniform(-60, 300)

    def rod(start, end, radius):
        canvas.capsule(np.array(start) * s, np.array(end) * s, radius * s, inside, 0, shell)

    for side in (-1, 1):
        reach, rise = rng.uniform(105, 135), rng.uniform(40, 75)
        thick = rng.uniform(3.5, 7) * s
        # The iliac wing fans out from the sacroiliac joint: first its cortex, then what it holds.
        for radius, hu in ((thick, shell[1]), (max(thick - shell[0], 0.5), inside)):
            for k in np.linspace(0, 1, 22):
                crest = (side * (72 + (reach - 72) * k), -72 + 115 * k, rise - 12 * abs(k - 0.5))
                foot = (side * (66 + 12 * k), -62 + 55 * k, -40 - 45 * k)
                canvas.capsule(np.array(foot) * s, np.array(crest) * s, radius, hu, 0)
        hip = (side * 92, -12, -128)
        canvas.ellipsoid(np.array(hip) * s, np.full(3, 24 * s), inside, 0, shell)
        rod(hip, (side * 135, -20, -170), 15)
        rod((side * 20, 60, -140), hip, 9)
        rod((side * 62, -50, -160), hip, 12)
        blade = np.array([side * 95, -62, 430])
        rod(blade, blade + [side * 30, 5, 110], 6)
        if rng.random() < 0.3:
            arm = rng.uniform(180, 215)
            rod((side * arm, 0, -150), (side * arm, 0, 400), 11)
    front = (torso.body_half_depth_mm - torso.fat_mm - 62 * s) + torso.body_half_depth_mm
    rod((0, front - 25, 250), (0, front - 35, 400), 9)


def paint_segmented_sacrum(canvas: Canvas, torso: Torso, rng: np.random.Generator) -> None:
    """A sacrum of five fused segments: bodies with remnants of discs, wings, canal and crest."""
    s = torso.scale * rng.uniform(0.9, 1.1)
    shell_hu, inside = torso.hu["cortex"] * 0.8, torso.vertebra("L5").trabecular_hu
    wing_hu = inside - rng.uniform(0, 120)
    base_tilt = np.rad2deg(np.arctan2(torso.sacrum_up[1], torso.sacrum_up[2]))
    disc_hu, remnant = torso.hu["disc"], rng.uniform(0, 4)
    place, bend = np.zeros(3), rng.uniform(0.5, 1.4)
    shell_mm = rng.uniform(0.8, 2)
    for k, (height, width, depth) in enumerate(
        zip(SACRAL_HEIGHTS_MM, SACRAL_WIDTHS_MM, SACRAL_DEPTHS_MM, strict=True)
    ):
        right, forward, up = tilt(base_tilt + SACRAL_BEND_DEG[k] * bend, 0)
        h, a, b = height * s, width * s / 2, depth * s / 2
        centre = place - up * h / 2
        found = canvas.box(centre - 75 * s, centre + 75 * s)
        if found:
            slices, grid = found
            shifted = [g - c for g, c in zip(grid, centre, strict=True)]
            u, v, w = (
                sum(g * np.float32(x) for g, x in zip(shifted, axis, strict=True))
                for axis in (right, forward, up)
            )
            cut = np.abs(w) - h / 2
            # Wings sweep backwards and thin out; those of S1 to S3 reach the iliac bone.
            reach = (58 - 6 * k if k < 3 else 30 - 4 * k) * s
            thick = b * np.clip(1.05 - 0.5 * np.abs(u) / reach, 0.4, 1)
            behind = v + 0.28 * np.maximum(np.abs(u) - a * 0.7, 0) + b * 0.25
            wing = np.maximum(np.maximum(np.abs(u) - reach, np.abs(behind) - thick), cut)
            canvas.paint(slices, wing, shell_hu, SACRUM)
            canvas.paint(slices, wing + shell_mm, wing_hu, None)
            arch_v = v + b + 17 * s
            arch = np.maximum(np.abs(arch_v + 0.012 * u**2 / s) - 4 * s, np.abs(u) - 24 * s)
            canvas.paint(slices, np.maximum(arch, cut), shell_hu * 0.8, SACRUM)
            crest = np.maximum(np.abs(u) - 4 * s, np.abs(v + b + 26 * s) - 9 * s)
            crest = np.maximum(crest, np.abs(w) - h * 0.35)
            canvas.paint(slices, crest, shell_hu * 0.8, SACRUM)
            r = (np.abs(u / a) ** 2.6 + np.abs(v / b) ** 2.6) ** (1 / 2.6)
            body = np.maximum((r - 1) * b, cut)
            canvas.paint(slices, body, shell_hu, SACRUM)
            canvas.paint(slices, body + shell_mm, inside, None)
            if remnant > 1 and k < 2:
                gap = np.maximum((r - 0.85) * b, np.abs(w + h / 2) - remnant / (1 + k))
                canvas.paint(slices, gap, disc_hu, None)
        place = centre - up * h / 2


def warp(rng: np.random.Generator, u, v, w, amount_mm: float):
    """Local coordinates bent by random quadratic terms of up to `amount_mm` at 30 mm."""
    a = rng.uniform(-1, 1, (3, 6)) * amount_mm
    x, y, z = u / 30, v / 30, w / 30
    terms = (x * y, y * z, x * z, x * x, y * y, z * z)
    return tuple(
        c + sum(np.float32(k) * t for k, t in zip(row, terms, strict=True))
        for c, row in zip((u, v, w), a, strict=True)
    )


def paint_donor(
    canvas: Canvas,
    torso: Torso,
    vertebra: Vertebra,
    donor: Donor,
    look: Look,
    rng: np.random.Generator,
) -> None:
    """A vertebra with the shape of a real one, of the phantom's size, place and fracture."""
    found = local_grid(canvas, vertebra, 82 * torso.scale)
    if found is None:
        return
    slices, u, v, w = found
    # Only where the vertebra can be: a third of the box.
    keep = [
        (np.abs(w) < 55).any(axis=(0, 1)),
        (np.abs(w) < 55).any(axis=(0, 2)),
        (np.abs(u) < 62).any(axis=(1, 2)),
    ]
    spans = [np.flatnonzero(k) for k in (keep[2], keep[1], keep[0])]
    if any(not len(span) for span in spans):
        return
    cut = tuple(slice(span[0], span[-1] + 1) for span in spans)
    slices = tuple(
        slice(whole.start + part.start, whole.start + part.stop)
        for whole, part in zip(slices, cut, strict=True)
    )
    u, v, w = (np.broadcast_to(x, found[1].shape)[cut] for x in (u, v, w))

    scale = np.array(
        [
            vertebra.width_mm / donor.width_mm,
            vertebra.depth_mm / donor.depth_mm,
            vertebra.posterior_height_mm / donor.height_mm,
        ]
    )
    u, v, w = warp(rng, u, v, w, rng.uniform(0, 3))
    height, intact = vertebra.height(v), vertebra.intact_height(v)
    lost = (intact - height) * np.clip((v + vertebra.depth_mm / 2 + 5) / 5, 0, 1)
    squeeze = np.clip(1 - lost / intact, 0.3, 1)
    lift = 0.2 * (lost - (intact - height)[tuple(n // 2 for n in v.shape)])
    # The upper end-plate gives way more than the lower one.
    lower = (w + np.where(vertebra.deformity is None, 0, lift)) / squeeze
    whole, body = donor.distances(u / scale[0], v / scale[1], lower / scale[2])
    mean = float(scale.mean())
    whole, body = whole * mean, body * mean

    code = VERSE_CODES[vertebra.level]
    bone = smooth_field(whole.shape, canvas.spacing_mm, rng.uniform(3, 12), rng) * look.bone_sd_hu
    trabecular = np.where(body < 0, vertebra.trabecular_hu, torso.hu["posterior"]) + bone
    thick = np.where(body < 1, look.cortex_mm, look.cortex_mm * 1.5)
    canvas.paint(slices, whole, torso.hu["cortex"], code + POSTERIOR_OFFSET)
    canvas.label[slices][(whole < 0) & (body < 0)] = code
    canvas.paint(slices, whole + thick, trabecular, None)


def paint_metal(canvas: Canvas, torso: Torso, rng: np.random.Generator) -> None:
    """Pedicle screws and rods, or cement, over two to four levels."""
    first = int(rng.integers(9, 14))
    levels = torso.vertebrae[first : first + int(rng.integers(2, 5))]
    hu = float(rng.uniform(1500, 3000))
    for vertebra in levels:
        for side in (-1, 1):
            start = vertebra.centre - vertebra.anterior * (vertebra.depth_mm / 2 + 22)
            start = start + vertebra.right * side * 16
            end = vertebra.centre + vertebra.anterior * 6 + vertebra.right * side * 9
            canvas.capsule(start, end, 2.8, hu, None)


def draw_randomised(
    rng: np.random.Generator, *, spines: dict[str, dict[str, Donor]], share_of_donors: float, **body
) -> tuple[Torso, Look]:
    """Draw a person and a look; `body` goes to `draw_torso`."""
    torso = replace(draw_torso(rng, **body), hu=draw_attenuation(rng))
    return torso, draw_look(rng, spines, share_of_donors)


def pad_outside(ct: Volume, label: np.ndarray, rng: np.random.Generator) -> None:
    """Cut a corner off the field of view, as scanners and rotated exports do; in place."""
    index = [
        np.linspace(-1, 1, n, dtype=np.float32).reshape([-1 if k == i else 1 for k in range(3)])
        for i, n in enumerate(ct.data.shape)
    ]
    normal = rng.normal(size=3) * [1, 1, 0.3]
    distance = sum(x * np.float32(c) for x, c in zip(index, normal, strict=True))
    beyond = distance > np.quantile(distance, rng.uniform(0.9, 0.99))
    ct.data[beyond] = -1024
    label[beyond] = 0
