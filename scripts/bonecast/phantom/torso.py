"""Voxels of a phantom torso: attenuation and labels on a scanner's grid."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from bonecast.images import Volume
from bonecast.levels import VERSE_CODES
from bonecast.phantom.anatomy import Torso, Vertebra
from bonecast.phantom.canvas import Canvas

POSTERIOR_OFFSET = 100
"""Label of a vertebra's posterior elements: its VerSe code plus this."""
SACRUM = VERSE_CODES["S1"]
DISC, AORTA, MUSCLE, RIB = 60, 80, 81, 90


@dataclass(frozen=True)
class Scanner:
    """How the torso is imaged.

    Attributes:
        shape: voxels along x, y, z.
        spacing_mm: along x, y, z; z is also the slice thickness.
        centre_mm: world position of the centre of the volume.
        noise_hu: standard deviation of the noise.
        blur_mm: standard deviation of the in-plane point spread (the kernel).
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    centre_mm: tuple[float, float, float]
    noise_hu: float
    blur_mm: float


def image_torso(
    torso: Torso, scanner: Scanner, rng: np.random.Generator
) -> tuple[Volume, np.ndarray]:
    """Image a torso.

    Returns:
        The CT (int16 HU, RAS+) and labels (uint8, same shape): VerSe codes for bodies, code + 100
        for posterior elements, SACRUM, DISC, AORTA, MUSCLE, RIB, 0 elsewhere.
    """
    canvas, steps = blank_canvas(scanner)
    paint_soft_tissue(canvas, torso, rng)
    paint_ribs(canvas, torso)
    paint_pelvis(canvas, torso)
    paint_discs(canvas, torso)
    for vertebra in torso.vertebrae:
        paint_posterior(canvas, torso, vertebra)
    for vertebra in torso.vertebrae:
        paint_body(canvas, torso, vertebra, rng)
    return image_canvas(canvas, steps, scanner, rng)


def blank_canvas(scanner: Scanner) -> tuple[Canvas, int]:
    """A canvas of air over the field of view, and its layers to each slice.

    Slices are averages: layers lie at most 1.25 mm apart, an odd number to each slice.
    """
    spacing = np.asarray(scanner.spacing_mm, float)
    steps = int(np.ceil(spacing[2] / 1.25))
    steps += 1 - steps % 2
    fine = np.array([spacing[0], spacing[1], spacing[2] / steps])
    shape = (scanner.shape[0], scanner.shape[1], scanner.shape[2] * steps)
    origin = first_voxel_mm(scanner) - np.array([0, 0, fine[2] * (steps - 1) / 2])
    return Canvas.blank(shape, origin, fine, -1000.0), steps


def first_voxel_mm(scanner: Scanner) -> np.ndarray:
    """World position of the scan's voxel (0, 0, 0)."""
    half = (np.asarray(scanner.shape) - 1) / 2 * np.asarray(scanner.spacing_mm, float)
    return np.asarray(scanner.centre_mm) - half


def image_canvas(
    canvas: Canvas,
    steps: int,
    scanner: Scanner,
    rng: np.random.Generator,
    sharpening: float = 0.0,
) -> tuple[Volume, np.ndarray]:
    """Scan what is painted: kernel, slices, noise.

    Args:
        canvas, steps: as `blank_canvas` gave them; the canvas is blurred in place.
        scanner: how it is imaged.
        rng: source of the noise.
        sharpening: strength of edge enhancement, 0 for none.
    """
    spacing, fine = np.asarray(scanner.spacing_mm, float), canvas.spacing_mm
    for axis in (0, 1):
        gaussian_filter1d(
            canvas.hu, scanner.blur_mm / fine[axis], axis, output=canvas.hu, truncate=3
        )
    hu = canvas.hu.reshape(*scanner.shape[:2], scanner.shape[2], steps).mean(axis=3)
    hu += correlated_noise(rng, scanner.shape, scanner.blur_mm / spacing[0], scanner.noise_hu)
    if sharpening:
        hu += sharpening * (hu - gaussian_filter(hu, (1.2, 1.2, 0)))
    label = np.ascontiguousarray(canvas.label[:, :, steps // 2 :: steps])

    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = first_voxel_mm(scanner)
    return Volume(np.clip(np.rint(hu), -1024, 3071).astype(np.int16), affine), label


def correlated_noise(rng, shape, sigma_voxels: float, sd_hu: float) -> np.ndarray:
    """Noise with the in-plane correlation of the reconstruction kernel, of the given SD."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    for axis in (0, 1):
        gaussian_filter1d(noise, max(sigma_voxels * 0.8, 0.3), axis, output=noise, truncate=3)
    return noise * np.float32(sd_hu / max(float(noise.std()), 1e-6))


def paint_soft_tissue(canvas: Canvas, torso: Torso, rng: np.random.Generator) -> None:
    """Skin to spine: fat, muscle wall, organs, lungs, vessels, back and psoas muscles, canal."""
    hu, s = torso.hu, torso.scale
    everything, (x, y, z) = canvas.box(
        canvas.origin_mm, canvas.origin_mm + canvas.spacing_mm * (np.array(canvas.hu.shape) - 1)
    )
    # The spine lies in the back third of the torso.
    middle_y = torso.body_half_depth_mm - torso.fat_mm - 62 * s

    def ellipse(shrink):
        a, b = torso.body_half_width_mm - shrink, torso.body_half_depth_mm - shrink
        r = np.sqrt((x / a) ** 2 + ((y - middle_y) / b) ** 2)
        return (r - 1) * b + 0 * z

    skin = ellipse(0)
    canvas.paint(everything, skin, hu["fat"], None)
    wall = ellipse(torso.fat_mm)
    canvas.paint(everything, wall, hu["muscle"], MUSCLE)
    canvas.paint(everything, ellipse(torso.fat_mm + 14), hu["fat"], 0)

    t12 = torso.vertebra("T12").centre
    diaphragm = t12[2] + 15 * s
    spots = (
        ((75, 70, 25), (65, 60, 65), "organ"),  # liver
        ((-85, 25, 35), (35, 40, 45), "organ"),  # spleen
        ((62, 5, -40), (24, 24, 50), "organ"),  # right kidney
        ((-62, 5, -30), (24, 24, 50), "organ"),  # left kidney
        ((-20, 75, -10), (50, 35, 30), "bowel"),  # stomach
    )
    for centre, radii, tissue in spots:
        jitter = rng.normal(0, 6, 3)
        place = np.array([centre[0], t12[1] + centre[1], t12[2] + centre[2]]) + jitter
        canvas.ellipsoid(place, np.array(radii) * s, hu[tissue], 0)
    for _ in range(14):
        front = max(middle_y + torso.body_half_depth_mm - torso.fat_mm - 45, 50.0)
        place = (rng.uniform(-70, 70), rng.uniform(45, front), t12[2] - rng.uniform(60, 230))
        canvas.ellipsoid(place, rng.uniform(12, 26, 3), hu["bowel"] + rng.normal(0, 20), 0)
    for side in (-1, 1):
        top = diaphragm + 160
        canvas.ellipsoid((side * 72, middle_y, top), (58, 80, 165), hu["lung"], 0)

    # Vessels run in front of the bodies: aorta left, vena cava right.
    for side, radius, label in ((-1, 10.5, AORTA), (1, 11.5, None)):
        points = [
            v.centre + v.anterior * (v.depth_mm / 2 + 13 * s) + v.right * side * 13 * s
            for v in torso.vertebrae
            if v.level not in ("T1", "T2", "T3", "L5")
        ]
        for a, b in zip(points[:-1], points[1:], strict=True):
            canvas.capsule(a, b, radius * s, hu["blood"], label)

    m = torso.muscle_scale * s
    for vertebra in torso.vertebrae:
        lumbar = vertebra.level.startswith("L")
        half = vertebra.posterior_height_mm * 0.75
        for side in (-1, 1):
            back = (
                vertebra.centre
                - vertebra.anterior * (vertebra.depth_mm / 2 + 32 * s)
                + vertebra.right * side * 27 * s
            )
            step = vertebra.up * half
            canvas.capsule(
                back - step, back + step, (19 if lumbar else 15) * m, hu["muscle"], MUSCLE
            )
            if lumbar:
                grow = 8 + 3 * int(vertebra.level[1])
                psoas = vertebra.centre + vertebra.right * side * (vertebra.width_mm / 2 + grow * m)
                canvas.capsule(psoas - step, psoas + step, grow * m, hu["muscle"], MUSCLE)
        canal = vertebra.centre - vertebra.anterior * (vertebra.depth_mm / 2 + 9 * s)
        canvas.capsule(
            canal - vertebra.up * half, canal + vertebra.up * half, 9 * s, hu["canal"], 0
        )


def paint_ribs(canvas: Canvas, torso: Torso) -> None:
    """Twelve pairs of ribs; the last two float and are short."""
    s = torso.scale
    shell = (1.2, torso.hu["cortex"] * 0.8)
    wall_x = torso.body_half_width_mm - torso.fat_mm - 7
    wall_y = torso.body_half_depth_mm - torso.fat_mm - 7
    middle_y = torso.body_half_depth_mm - torso.fat_mm - 62 * s
    for vertebra in torso.vertebrae:
        number = torso.ribs.get(vertebra.level)
        if number is None:
            continue
        reach = {12: 0.28, 11: 0.42}.get(number, 0.8)
        narrow = min(1.0, 0.55 + 0.06 * number)
        head = vertebra.centre + vertebra.up * vertebra.posterior_height_mm * 0.15
        for side in (-1, 1):
            neck = (
                head
                - vertebra.anterior * vertebra.depth_mm * 0.45
                + vertebra.right * side * vertebra.width_mm * 0.52
            )
            tubercle = neck - vertebra.anterior * 16 * s + vertebra.right * side * 22 * s
            # Round the chest wall: from the back (angle 0) to the front (angle pi).
            angle = np.linspace(0.32, 0.32 + np.pi * reach, 22)
            ring = np.stack(
                [
                    side * wall_x * narrow * np.sin(angle),
                    middle_y - wall_y * narrow * np.cos(angle),
                    tubercle[2] - 5 - 38 * s * (1 - np.cos(angle - 0.32)),
                ],
                axis=1,
            )
            points = [neck, tubercle, *ring[2:]]
            for a, b in zip(points[:-1], points[1:], strict=True):
                canvas.capsule(a, b, 4.8 * s, torso.hu["posterior"], RIB, shell)


def paint_pelvis(canvas: Canvas, torso: Torso) -> None:
    """Sacrum (labelled) and iliac bones (bone without a label)."""
    s, hu = torso.scale, torso.hu
    shell_hu = hu["cortex"] * 0.8
    for side in (-1, 1):
        for k in range(5):
            upper = np.array([side * (62 + 7 * k) * s, (-38 + 16 * k) * s, (8 + 7 * k) * s])
            lower = np.array([side * (52 + 4 * k) * s, (-48 + 14 * k) * s, (-75 + 3 * k) * s])
            canvas.capsule(lower, upper, 8.5 * s, hu["posterior"] * 0.8, 0, (1.5, shell_hu))
    up, forward = torso.sacrum_up, torso.sacrum_anterior
    right = np.array([1.0, 0.0, 0.0])
    length, bend = 100 * s, 18 * s
    found = canvas.box((-65 * s, -110 * s, -115 * s), (65 * s, 35 * s, 25 * s))
    if found is None:
        return
    slices, (x, y, z) = found
    u = x * right[0] + 0 * y + 0 * z
    w = y * up[1] + z * up[2] + 0 * x
    v = y * forward[1] + z * forward[2] + 0 * x
    t = np.clip(-w / length, 0, 1)
    v = v + bend * np.sin(np.pi * t)
    half_width = (53 - 40 * t) * s
    # The promontory is as deep as L5; wings and tail are thinner.
    depth = (18 - 11 * t) * s * np.clip(1.1 - 0.5 * np.abs(u) / half_width, 0.55, 1)
    r = np.sqrt((u / half_width) ** 2 + (v / depth) ** 2)
    distance = np.maximum((r - 1) * depth, np.maximum(w, -w - length))
    canvas.paint(slices, distance, shell_hu, SACRUM)
    inside = torso.vertebra("L5").trabecular_hu * 0.9
    canvas.paint(slices, distance + 1.5, inside, None)


def local_grid(canvas: Canvas, vertebra: Vertebra, reach_mm: float):
    """Box around a vertebra and its coordinates along right (u), anterior (v) and up (w), mm."""
    found = canvas.box(vertebra.centre - reach_mm, vertebra.centre + reach_mm)
    if found is None:
        return None
    slices, grid = found
    shifted = [g - c for g, c in zip(grid, vertebra.centre, strict=True)]
    u, v, w = (
        sum(g * np.float32(a) for g, a in zip(shifted, axis, strict=True))
        for axis in (vertebra.right, vertebra.anterior, vertebra.up)
    )
    return slices, u, v, w


def rim_distance(vertebra: Vertebra, u, v, waist=1.0):
    """Signed distance (mm) to the side wall of a body: a rounded box, flat behind."""
    a, b = vertebra.width_mm / 2 * waist, vertebra.depth_mm / 2 * waist
    flat = np.where(v < 0, 3.2, 2.2)
    r = (np.abs(u / a) ** flat + np.abs(v / b) ** flat) ** (1 / flat)
    return (r - 1) * (min(vertebra.width_mm, vertebra.depth_mm) / 2)


def paint_discs(canvas: Canvas, torso: Torso) -> None:
    """Discs, painted a little too thick: the bodies painted afterwards trim them."""
    for vertebra in torso.vertebrae:
        found = local_grid(canvas, vertebra, vertebra.width_mm * 0.5 + 8)
        if found is None:
            continue
        slices, u, v, w = found
        half = (vertebra.disc_below_mm + 8) / 2
        bottom = -vertebra.height(np.zeros(1))[0] / 2
        distance = np.maximum(
            rim_distance(vertebra, u, v, 0.94),
            np.abs(w - bottom + vertebra.disc_below_mm / 2) - half,
        )
        canvas.paint(slices, distance, torso.hu["disc"], DISC)


def paint_body(canvas: Canvas, torso: Torso, vertebra: Vertebra, rng) -> None:
    """A vertebral body: cortex and end-plates around textured trabecular bone."""
    found = local_grid(canvas, vertebra, vertebra.width_mm * 0.5 + 6)
    if found is None:
        return
    slices, u, v, w = found
    height, intact = vertebra.height(v), vertebra.intact_height(v)
    centre_intact = vertebra.intact_height(np.zeros(1))[0]
    centre_height = vertebra.height(np.zeros(1))[0]
    # The upper end-plate gives way more than the lower one; the centre stays in place.
    lift = 0.2 * ((intact - height) - (centre_intact - centre_height))
    top, bottom = height / 2 - lift, -height / 2 - lift
    waist = 1 - 0.07 * np.clip(1 - (2 * w / centre_intact) ** 2, 0, 1)
    distance = np.maximum(rim_distance(vertebra, u, v, waist), np.maximum(w - top, bottom - w))
    canvas.paint(slices, distance, torso.hu["cortex"], VERSE_CODES[vertebra.level])

    texture = rng.standard_normal(distance.shape, dtype=np.float32)
    texture = gaussian_filter(texture, 1.6 / canvas.spacing_mm, truncate=2.5)
    inside = distance < -vertebra.cortex_mm
    if inside.any():
        sample = texture[inside]
        texture = (texture - sample.mean()) / max(float(sample.std()), 1e-6)
    trabecular = vertebra.trabecular_hu + vertebra.texture_hu * texture
    canvas.paint(slices, distance + vertebra.cortex_mm, trabecular, None)


def paint_posterior(canvas: Canvas, torso: Torso, vertebra: Vertebra) -> None:
    """Pedicles, laminae, articular, transverse and spinous processes."""
    s, h = torso.scale, vertebra.posterior_height_mm
    lumbar = vertebra.level.startswith("L")
    a, b = vertebra.width_mm / 2, vertebra.depth_mm / 2
    code = VERSE_CODES[vertebra.level] + POSTERIOR_OFFSET
    shell = (1.3, torso.hu["cortex"] * 0.8)

    def at(u, v, w):
        return vertebra.centre + vertebra.right * u + vertebra.anterior * v + vertebra.up * w

    def rod(start, end, radius):
        canvas.capsule(at(*start), at(*end), radius * s, torso.hu["posterior"], code, shell)

    for side in (-1, 1):
        pedicle = side * max(a * 0.55, 11.5 * s)
        for rise in (0.08, 0.24):
            rod((pedicle, -b + 3, h * rise), (pedicle, -b - 10 * s, h * rise), 3.4)
        for drop in (0.05, -0.15, -0.32):
            rod((pedicle, -b - 12 * s, h * drop), (side * 2, -b - 21 * s, h * (drop - 0.1)), 3.0)
        rod((pedicle * 1.1, -b - 14 * s, -h * 0.5), (pedicle * 1.1, -b - 14 * s, h * 0.45), 4.2)
        reach, sweep = (24, 14) if lumbar else (13, 22)
        rod(
            (pedicle, -b - 11 * s, h * 0.15),
            (pedicle + side * reach * s, -b - sweep * s, h * 0.15),
            3.6,
        )
    if lumbar:
        for drop in (-0.1, -0.3, -0.5):
            rod((0, -b - 22 * s, h * drop), (0, -b - 46 * s, h * (drop - 0.12)), 3.2)
    else:
        rod((0, -b - 22 * s, -h * 0.2), (0, -b - 45 * s, -h * 1.0), 3.4)
