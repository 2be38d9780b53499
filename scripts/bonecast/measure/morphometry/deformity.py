"""Genant's grade of a vertebra, judged by itself and by its neighbours, and how sure it is.

Heights can only be too short: bone is lost, never gained. What is expected is therefore
fitted to the neighbours that are not short, however many others are.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from bonecast.levels import order_of

GENANT_LOSS = (0.20, 0.25, 0.40)
"""Least loss of height of grade 1, 2 and 3 (Genant et al., J Bone Miner Res 1993;8:1137,
10.1002/jbmr.5650080915)."""

STEPS = {
    **{f"T{i}": 0.03 for i in range(2, 10)},
    **dict.fromkeys(("T10", "T11", "T12"), 0.06),
    **{"T13": 0.03, "L1": 0.06, "L2": 0.03, "L3": 0.0, "L4": -0.03, "L5": -0.06, "L6": 0.0},
}
"""Growth of the posterior height from the level above, as a share. T9 to L1: 6.5 % a level
in 262 healthy adults (Palm et al., Sci Rep 2025, 10.1038/s41598-025-05091-0); T2 to T9:
2.2 % (Egwu et al., J Anat Soc India 2019;68:110, 10.4103/JASI.JASI_8_19). Rounded, and chosen
here below L1. A scan's own slope is fitted on top of it."""

WEDGE = {
    **{f"T{i}": 0.94 for i in range(1, 11)},
    **{"T11": 0.93, "T12": 0.92, "T13": 0.92, "L1": 0.93, "L2": 0.97, "L3": 1.0},
    **{"L4": 1.05, "L5": 1.12, "L6": 1.12},
}
"""Anterior over posterior height of an intact body, smoothed from: T10 to L2 0.89 to 0.92, SD
0.06 to 0.08 (MRI of 115 healthy adults, Surg Radiol Anat 2011;33:223,
10.1007/s00276-010-0746-x); T9 to L5 wedging of 4 degrees forwards to 6 backwards (means of 240
adults, Eur Spine J 2010;19:768, 10.1007/s00586-009-1256-6, table 1); L5 30.3 over 26.3 mm
(CT of 196, Int J Spine Surg 2021;15:1072). A scan's own offset is fitted on top of it."""

HOLLOW = 0.06
"""By how much of the posterior height an intact middle height falls short of the mean of
anterior and posterior: 0.937 at L3, 0.88 to 0.98 in 120 healthy women (PubMed 10091205)."""

NEIGHBOURS = 4
"""Measured vertebrae on each side that a vertebra is compared with."""

SHORT = 0.10
"""A neighbour shorter by more than this than what is fitted is left out of the fit."""

UPPER_QUANTILE = 0.75
"""Where the fit starts: above the median, because several neighbours may be short."""

LEVEL_SD = 0.025
"""Spread of one intact vertebra about the line, as a share. Chosen here: it was 0.022 to 0.028
among the vertebrae of grade 0 of three public spines."""

SLOPE_SD = 0.01
"""By how much a person's slope per level departs from `STEPS`; chosen here."""

OFFSET_SD = 0.04
"""By how much a person's wedging departs from `WEDGE`; chosen here, of the published SD of
0.06 to 0.08 that which is common to a spine."""

UNSURE = 0.20
"""Least probability of a second grade that is named."""


@dataclass(frozen=True)
class Deformity:
    """How one vertebra departs from what is expected. Losses and ratios are shares.

    Attributes:
        anterior_ratio, middle_ratio, posterior_ratio: height over that expected from the
            neighbours; None without any.
        loss, loss_sd: the greatest loss, and the standard deviation of its error.
        grade, kind: Genant's grade 0 to 3; none, wedge, biconcave or crush.
        probability: that the true loss lies within the grade's limits.
        alternative: the likeliest other grade, where its probability is `UNSURE` or more.
    """

    anterior_ratio: float | None
    middle_ratio: float | None
    posterior_ratio: float | None
    loss: float
    loss_sd: float
    grade: int
    kind: str
    probability: float
    alternative: int | None


@dataclass(frozen=True)
class Expected:
    """Heights (mm) expected at one level, and the relative SD of that expectation."""

    heights: np.ndarray
    relative_sd: float


def judge(heights: dict[str, np.ndarray], errors: dict[str, np.ndarray]) -> dict[str, Deformity]:
    """Grade every vertebra of a scan.

    Args:
        heights: anterior, middle and posterior height in mm by level.
        errors: their standard errors in mm.
    """
    expected = expect(heights)
    return {
        level: grade_deformity(level, measured, errors[level], expected.get(level))
        for level, measured in heights.items()
        if level in WEDGE
    }


def expect(heights: dict[str, np.ndarray]) -> dict[str, Expected]:
    """What the neighbours of each vertebra let one expect of it.

    The posterior height follows a straight line through the neighbours' (in logarithms,
    on top of `STEPS`); the anterior and middle one their ratio to it, on top of `WEDGE`
    and `HOLLOW`. All three fits leave out what is `SHORT`.

    Returns:
        Nothing for a vertebra without a measured neighbour.
    """
    known = [level for level in WEDGE if level in heights]
    if not known:
        return {}
    order = order_of(known)
    place = np.array([order.index(level) for level in known], float)
    measured = np.array([heights[level] for level in known])
    natural = np.array([intact(level) for level in known])
    posterior = np.log(measured[:, 2] / natural[:, 2])
    shape = np.log(measured[:, :2] / measured[:, 2:] * natural[:, 2:] / natural[:, :2])
    found = {}
    for i, level in enumerate(known):
        away = place - place[i]
        near = (away != 0) & (np.abs(away) <= NEIGHBOURS)
        if near.any():
            size, sd = _fit(away[near], posterior[near], (np.inf, SLOPE_SD))
            offsets = [_fit(away[near], s, (OFFSET_SD, 0.0))[0] for s in shape[near].T]
            found[level] = Expected(natural[i] * np.exp([size + o for o in (*offsets, 0)]), sd)
    return found


def intact(level: str) -> np.ndarray:
    """Anterior, middle and posterior height of an intact body; the posterior one of T1 is 1."""
    levels = list(STEPS)
    above = levels[: levels.index(level) + 1] if level in STEPS else []
    # T13 lies between T12 and L1 without lifting L1.
    steps = [STEPS[name] for name in above if name != "T13" or level == "T13"]
    posterior = float(np.prod(1 + np.array(steps)))
    middle = (1 + WEDGE[level]) / 2 - HOLLOW
    return posterior * np.array([WEDGE[level], middle, 1.0])


def _fit(away: np.ndarray, values: np.ndarray, prior_sd: tuple[float, float]):
    """Value at distance 0 of a line through the values that are not short, and its SD.

    Args:
        away: distances in levels.
        values: logarithms.
        prior_sd: of value and slope about 0.
    """
    precision = np.diag([1 / sd**2 if sd else np.inf for sd in prior_sd])
    terms = 1 if np.isinf(precision[1, 1]) else 2
    design = np.stack([np.ones_like(away), away], axis=1)[:, :terms]
    precision = precision[:terms, :terms]
    keep = values > np.quantile(values, UPPER_QUANTILE) - SHORT
    for _ in range(4):
        used = design[keep]
        covariance = np.linalg.inv(used.T @ used / LEVEL_SD**2 + precision)
        line = covariance @ used.T @ values[keep] / LEVEL_SD**2
        now = values - design @ line > -SHORT
        if not now.any() or (now == keep).all():
            break
        keep = now
    return float(line[0]), float(np.sqrt(covariance[0, 0] + LEVEL_SD**2))


def grade_deformity(
    level: str, heights: np.ndarray, errors: np.ndarray, expected: Expected | None
) -> Deformity:
    """Genant's grade and type from the three heights.

    Against the neighbours each height is compared with what they let one expect. Against
    the vertebra itself the anterior height is compared with the posterior one, allowing
    for natural wedging; the middle one with the posterior one as it stands, as readers
    do: a natural hollow (`HOLLOW`) stays far from the first limit, natural wedging does
    not. The greatest loss decides.

    Args:
        heights, errors: anterior, middle and posterior, mm.
        expected: from the neighbours, or None.

    Returns:
        A body that has lost height at its posterior wall too is crushed, whatever else
        it lost.
    """
    natural = intact(level) if expected is None else expected.heights
    wedge = natural[0] / natural[2]
    relative = errors / heights
    itself = np.hypot(relative[:2], relative[2])
    # (loss, SD of its error, type)
    judged = [
        (1 - heights[0] / (wedge * heights[2]), np.hypot(itself[0], LEVEL_SD), "wedge"),
        (1 - heights[1] / heights[2], itself[1], "biconcave"),
    ]
    ratios: tuple[float | None, ...] = (None, None, None)
    if expected is not None:
        ratios = tuple(float(r) for r in heights / expected.heights)
        sds = np.hypot(relative, expected.relative_sd)
        kinds = ("wedge", "biconcave", "crush")
        judged += [(1 - r, sd, kind) for r, sd, kind in zip(ratios, sds, kinds, strict=True)]
    loss, sd, kind = max(judged, key=lambda entry: entry[0])
    # 16 of 20 mm is a loss of 20 %, though not in binary fractions.
    loss, sd = round(float(loss), 9), float(sd * (1 - loss))
    grade = int(np.searchsorted(GENANT_LOSS, loss, side="right"))
    if grade == 0:
        kind = "none"
    elif expected is not None and 1 - ratios[2] >= GENANT_LOSS[0]:
        kind = "crush"
    shares = grade_probabilities(loss, sd)
    second = int(np.argsort(shares)[-2])
    if second == grade:
        second = int(np.argmax(shares))
    return Deformity(
        *ratios,
        loss=loss,
        loss_sd=sd,
        grade=grade,
        kind=kind,
        probability=float(shares[grade]),
        alternative=second if shares[second] >= UNSURE else None,
    )


def grade_probabilities(loss: float, sd: float) -> np.ndarray:
    """Share of a normal distribution about the measured loss within each grade's limits."""
    below = ndtr((np.array(GENANT_LOSS) - loss) / max(sd, 1e-9))
    return np.diff(np.concatenate([[0.0], below, [1.0]]))
