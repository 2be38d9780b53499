"""A parametric spine and torso: what is where, before any voxel exists.

World coordinates are mm in RAS+ order (x right, y anterior, z superior); the centre
of the sacral end-plate is the origin. Dimensions by level are rounded means of adult
spines, enough for a plausible phantom and not meant as reference values.
"""

from dataclasses import dataclass, field, replace

import numpy as np

SPINE = (*(f"T{i}" for i in range(1, 13)), *(f"L{i}" for i in range(1, 6)))
"""Levels of the phantom from head to foot; the sacrum follows."""

# One value per level of SPINE, T1 first.
POSTERIOR_HEIGHT_MM = (
    16,
    17,
    17.5,
    18,
    18.5,
    19,
    19.5,
    20,
    21,
    22,
    23,
    25,
    26.5,
    27.5,
    27.5,
    27,
    25.5,
)
DEPTH_MM = (17, 18.5, 20, 21, 22.5, 24, 25, 26, 27.5, 29, 30, 31, 32, 33, 34, 34.5, 35)
WIDTH_MM = (28, 27, 26, 26, 27, 28, 29, 30, 32, 34, 37, 39, 42, 44, 46, 48, 50)
DISC_BELOW_MM = (4, 4, 4, 4, 4.5, 4.5, 5, 5, 5.5, 5.5, 6, 7, 8, 9, 10, 10.5, 9.5)
NATURAL_WEDGE = (
    0.95,
    0.95,
    0.95,
    0.95,
    0.95,
    0.95,
    0.95,
    0.96,
    0.96,
    0.96,
    0.95,
    0.95,
    0.96,
    1.0,
    1.02,
    1.04,
    1.1,
)
"""Anterior over posterior height of an intact body."""
FORWARD_TILT_DEG = (22, 20, 17, 14, 10, 6, 2, -2, -6, -9, -11, -12, -11, -7, 0, 10, 22)
"""Lean of the body's upward axis towards anterior: kyphosis above, lordosis below."""
SACRAL_TILT_DEG = 42.0
VARIANTS = ("six_lumbar", "four_lumbar", "ribless_t12", "lumbar_rib")
"""Transitional vertebrae: L6 below L5; L1 left out; T12 without ribs; ribs on L1."""
NATURAL_BICONCAVITY = 0.96
"""Middle over posterior height of an intact body."""

ANTERIOR_BAND = (0.10, 0.25)
MIDDLE_BAND = (1 / 3, 2 / 3)
POSTERIOR_BAND = (0.75, 0.97)
WINDOW = 0.06
"""Where heights are defined, as parts of the body's depth from its anterior wall: the anterior one
is the mean over its band, the middle one the least and the posterior one the greatest over a
window within theirs, as `bonecast.measure.morphometry.heights` defines them."""

GENANT_LOSS = {1: (0.215, 0.24), 2: (0.28, 0.37), 3: (0.43, 0.52)}
"""Planted loss of height by grade, inside the bands of Genant 1993 (10.1002/jbmr.5650080915)."""


@dataclass(frozen=True)
class Deformity:
    """A planted fracture: `kind` is wedge, biconcave or crush; `loss` a share of the height."""

    kind: str
    grade: int
    loss: float


@dataclass(frozen=True)
class Vertebra:
    """One vertebra of the phantom. Lengths in mm, attenuation in HU, axes are unit vectors."""

    level: str
    centre: np.ndarray
    right: np.ndarray
    anterior: np.ndarray
    up: np.ndarray
    posterior_height_mm: float
    depth_mm: float
    width_mm: float
    disc_below_mm: float
    wedge: float
    trabecular_hu: float
    texture_hu: float
    cortex_mm: float
    deformity: Deformity | None = None

    def intact_height(self, v: np.ndarray) -> np.ndarray:
        """Height (mm) of the undeformed body at v mm anterior of its centre."""
        t = np.clip(v / (self.depth_mm / 2), -1.1, 1.1)
        ramp = (self.wedge - 1) * (t + 0.65) / 1.3
        dip = (1 - NATURAL_BICONCAVITY) * np.clip(1 - (t / 0.65) ** 2, 0, 1)
        return self.posterior_height_mm * (1 + ramp - dip)

    def height(self, v: np.ndarray) -> np.ndarray:
        """Height (mm) of the body, its deformity included, at v mm anterior of its centre."""
        intact = self.intact_height(v)
        if self.deformity is None:
            return intact
        t = v / (self.depth_mm / 2)
        shape = {
            "wedge": np.clip((t + 0.65) / 1.3, 0, 1.15),
            "biconcave": np.exp(-0.5 * (t / 0.36) ** 2),
            "crush": np.ones_like(t),
        }[self.deformity.kind]
        return intact * (1 - self.deformity.loss * shape)

    def heights_mm(self) -> tuple[float, float, float]:
        """True anterior, middle and posterior height."""

        def mean(start: float, stop: float) -> float:
            v = self.depth_mm * (0.5 - np.linspace(start, stop, 21))
            return float(self.height(v).mean())

        def windows(start: float, stop: float) -> list[float]:
            return [mean(s, s + WINDOW) for s in np.linspace(start, stop - WINDOW, 31)]

        return mean(*ANTERIOR_BAND), min(windows(*MIDDLE_BAND)), max(windows(*POSTERIOR_BAND))


@dataclass(frozen=True)
class Torso:
    """Everything around the spine. HU unless the name says otherwise.

    `ribs` holds, for each level that bears ribs, the rib of the usual anatomy they are like.
    """

    vertebrae: tuple[Vertebra, ...]
    sacrum_up: np.ndarray
    sacrum_anterior: np.ndarray
    body_half_width_mm: float
    body_half_depth_mm: float
    fat_mm: float
    muscle_scale: float
    scale: float
    hu: dict[str, float] = field(default_factory=dict)
    ribs: dict[str, int] = field(default_factory=lambda: {f"T{i}": i for i in range(1, 13)})

    def vertebra(self, level: str) -> Vertebra:
        """The vertebra of that name."""
        return next(v for v in self.vertebrae if v.level == level)


def tilt(angle_deg: float, roll_deg: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right, anterior and up axes of a body leaning forward and sideways (degrees)."""
    a, r = np.deg2rad([angle_deg, roll_deg])
    up = np.array([np.sin(r), np.sin(a) * np.cos(r), np.cos(a) * np.cos(r)])
    right = np.cross(np.array([0.0, np.cos(a), -np.sin(a)]), up)
    right /= np.linalg.norm(right)
    return right, np.cross(up, right), up


def draw_torso(
    rng: np.random.Generator,
    *,
    trabecular_hu: float,
    deformities: dict[str, Deformity] | None = None,
    scale: float | None = None,
    texture_hu: float | None = None,
    muscle_scale: float = 1.0,
    contrast: bool = False,
    variant: str | None = None,
) -> Torso:
    """Draw one person.

    Args:
        rng: source of every random choice.
        trabecular_hu: mean trabecular attenuation of L1-L4.
        deformities: fractures by level.
        scale: size of the skeleton relative to the mean adult.
        texture_hu: standard deviation of the trabecular texture.
        muscle_scale: size of the muscles relative to the mean.
        contrast: whether the vessels are enhanced.
        variant: one of VARIANTS, None for the usual anatomy.
    """
    spine = [(level, index) for index, level in enumerate(SPINE)]
    if variant == "six_lumbar":
        spine.append(("L6", SPINE.index("L5")))
    elif variant == "four_lumbar":
        spine.remove(("L1", SPINE.index("L1")))
    ribs = {f"T{i}": i for i in range(1, 13)}
    if variant == "ribless_t12":
        del ribs["T12"]
    elif variant == "lumbar_rib":
        ribs["L1"] = 12
    deformities = deformities or {}
    scale = scale or float(rng.uniform(0.88, 1.12))
    texture_hu = texture_hu if texture_hu is not None else float(rng.uniform(10, 30))
    curve, disc_scale = rng.uniform(0.6, 1.15), rng.uniform(0.8, 1.15)
    roll_amplitude, roll_phase = rng.uniform(0, 5), rng.uniform(0, 2 * np.pi)
    cortex = rng.uniform(0.9, 1.5)

    sacrum_tilt = SACRAL_TILT_DEG * rng.uniform(0.7, 1.1)
    _, sacrum_anterior, sacrum_up = tilt(sacrum_tilt, 0)

    vertebrae: list[Vertebra] = []
    base, axis_below = np.zeros(3), sacrum_up
    for level, index in reversed(spine):
        roll = roll_amplitude * np.sin(roll_phase + index * 0.7)
        right, anterior, up = tilt(FORWARD_TILT_DEG[index] * curve + rng.normal(0, 1.0), roll)
        height = POSTERIOR_HEIGHT_MM[index] * scale * rng.uniform(0.98, 1.02)
        disc = DISC_BELOW_MM[index] * scale * disc_scale * rng.uniform(0.9, 1.1)
        between = axis_below + up
        base = base + between / np.linalg.norm(between) * disc
        below_l4 = index - SPINE.index("L2")
        vertebra = Vertebra(
            level=level,
            centre=np.zeros(3),
            right=right,
            anterior=anterior,
            up=up,
            posterior_height_mm=height,
            depth_mm=DEPTH_MM[index] * scale * rng.uniform(0.97, 1.03),
            width_mm=WIDTH_MM[index] * scale * rng.uniform(0.97, 1.03),
            disc_below_mm=disc,
            wedge=NATURAL_WEDGE[index] * rng.uniform(0.985, 1.015),
            trabecular_hu=trabecular_hu - 3.0 * below_l4 + rng.normal(0, 4),
            texture_hu=texture_hu,
            cortex_mm=cortex,
            deformity=deformities.get(level),
        )
        centre_height = float(vertebra.height(np.array([0.0]))[0])
        centre = base + up * centre_height / 2
        vertebrae.append(replace(vertebra, centre=centre))
        base, axis_below = centre + up * centre_height / 2, up

    hu = {
        "fat": rng.uniform(-115, -90),
        "muscle": rng.uniform(35, 65),
        "organ": rng.uniform(40, 70) + (50 if contrast else 0),
        "blood": rng.uniform(130, 260) if contrast else rng.uniform(30, 50),
        "lung": rng.uniform(-880, -780),
        "disc": rng.uniform(60, 110),
        "cortex": rng.uniform(380, 750),
        "posterior": rng.uniform(180, 320),
        "canal": rng.uniform(10, 40),
        "bowel": rng.uniform(-60, 40),
    }
    return Torso(
        vertebrae=tuple(reversed(vertebrae)),
        sacrum_up=sacrum_up,
        sacrum_anterior=sacrum_anterior,
        body_half_width_mm=float(rng.uniform(145, 190)),
        body_half_depth_mm=float(rng.uniform(95, 130)),
        fat_mm=float(rng.uniform(8, 35)),
        muscle_scale=float(muscle_scale * rng.uniform(0.95, 1.05)),
        scale=float(scale),
        hu={name: float(value) for name, value in hu.items()},
        ribs=ribs,
    )
