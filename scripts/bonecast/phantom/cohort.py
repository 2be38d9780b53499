"""The demo cohort: who is in it, what is planted in each, and when they fracture.

Everything follows from one seed. What is planted goes to a truth folder that no rule
of the pipeline reads; tests and `check_demo` compare results with it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bonecast.phantom.anatomy import GENANT_LOSS, SPINE, Deformity, Torso, draw_torso
from bonecast.phantom.torso import Scanner

PER_SITE = 20
SITES = ("A", "B")
BROKEN = {"A021": "empty", "B021": "corrupt", "B022": "localizer_only"}
"""Participants whose input is defective on purpose."""

MEAN_HU_AT_70, HU_PER_YEAR, HU_SD = 128.0, -2.2, 36.0
"""Trabecular HU of L1 by age, after Jang 2019 (10.1148/radiol.2019181648): about -2.5 HU a year."""

HAZARD = {
    "age_decade": 0.35,
    "female": 0.3,
    "prior_fracture": 0.5,
    "hu_sd": -1.4,
    "fractured": 0.7,
}
"""Log hazard ratios of fracture: per 10 years over 70, for women, after a prior fracture, per SD
of HU over the mean at 70, per vertebra of Genant grade 2 or more (two at most). That of HU is the
4.07 per SD of Loeffler, Eur Radiol 2019, PMC6682570: strong enough to show in 40 patients."""
FRACTURES_PER_YEAR = 0.055
DEATHS_PER_YEAR, DEATH_AGE_DECADE = 0.025, 0.8

VIEWS = ("T9-S", "T10-S", "T9-S", "T11-S", "T9-S", "T8-S", "T10-S", "T6-L3", "T9-S", "L1-S")
"""Stretches of spine in the scans, in turn; all hold the lowest ribs, the sacrum or both."""


@dataclass(frozen=True)
class Participant:
    """One demo participant: role is complete, empty, corrupt or localizer_only."""

    participant_id: str
    site: str
    role: str
    seed: int
    view: str
    row: dict

    def torso(self) -> Torso:
        """The person, as planted."""
        rng = np.random.default_rng([self.seed, 1])
        return draw_torso(
            rng,
            trabecular_hu=self.row["true_hu"],
            deformities=self.row["deformities"],
            scale=(0.95 if self.row["sex"] == "F" else 1.04) * rng.uniform(0.96, 1.04),
            texture_hu=self.row["texture_hu"],
            muscle_scale=self.row["muscle_scale"],
            contrast=self.row["contrast"],
        )

    def scanner(self, torso: Torso) -> Scanner:
        """The protocol of the site, over the participant's stretch of spine."""
        rng = np.random.default_rng([self.seed, 2])
        top_level, bottom_level = self.view.split("-")
        above = torso.vertebra(top_level)
        top = above.centre[2] + above.posterior_height_mm * 0.75 + 4
        if bottom_level == "S":
            bottom = -55.0
        else:
            below = torso.vertebra(bottom_level)
            bottom = below.centre[2] - below.posterior_height_mm * 0.75 - 4
        xy = float(rng.choice([1.17, 1.25, 1.33]))
        z = float(rng.choice([1.5, 2.0, 2.0, 2.5] if self.site == "A" else [1.25, 2.0, 2.5, 2.5]))
        in_view = [v.centre[1] for v in torso.vertebrae if bottom < v.centre[2] < top]
        return Scanner(
            shape=(168, 168, int(np.ceil((top - bottom) / z))),
            spacing_mm=(xy, xy, z),
            centre_mm=(
                float(rng.normal(0, 4)),
                float(np.mean(in_view) + 15),
                (top + bottom) / 2,
            ),
            noise_hu=float(rng.uniform(10, 22)),
            blur_mm=0.65 if self.site == "A" else 0.75,
        )


def draw_cohort(seed: int) -> list[Participant]:
    """Everyone in the demo, complete and broken, in order of participant_id."""
    people = []
    for site_index, site in enumerate(SITES):
        for number in range(1, PER_SITE + 1):
            people.append((f"{site}{number:03d}", site, "complete", site_index * 1000 + number))
    for name, role in BROKEN.items():
        people.append((name, name[0], role, 5000 + int(name[1:])))
    return [
        Participant(
            name,
            site,
            role,
            seed + offset,
            VIEWS[offset % len(VIEWS)],
            draw_row(seed + offset, VIEWS[offset % len(VIEWS)]),
        )
        for name, site, role, offset in sorted(people)
    ]


def draw_row(seed: int, view: str) -> dict:
    """Clinical facts, planted anatomy, hazard and outcome of one participant."""
    rng = np.random.default_rng([seed, 0])
    age = float(np.clip(rng.normal(71, 8), 52, 90))
    sex = "F" if rng.random() < 0.62 else "M"
    hu = MEAN_HU_AT_70 + HU_PER_YEAR * (age - 70) + rng.normal(0, HU_SD)
    hu = float(np.clip(hu, 35, 235))
    weakness = (MEAN_HU_AT_70 - hu) / HU_SD
    top, bottom = view.split("-")
    first = SPINE.index(top) + 1
    last = SPINE.index("L5" if bottom == "S" else bottom)
    deformities = {}
    for level in SPINE[first:last]:
        if rng.random() < 0.09 * np.exp(0.7 * weakness):
            grade = int(rng.choice([1, 2, 2, 3]))
            kind = str(rng.choice(["wedge", "wedge", "biconcave", "crush"]))
            deformities[level] = Deformity(kind, grade, float(rng.uniform(*GENANT_LOSS[grade])))
    fractured = sum(d.grade >= 2 for d in deformities.values())
    prior = bool(rng.random() < 1 / (1 + np.exp(1.6 - 0.5 * weakness - 0.6 * fractured)))

    log_hazard = (
        HAZARD["age_decade"] * (age - 70) / 10
        + HAZARD["female"] * (sex == "F")
        + HAZARD["prior_fracture"] * prior
        + HAZARD["hu_sd"] * (hu - MEAN_HU_AT_70) / HU_SD
        + HAZARD["fractured"] * min(fractured, 2)
    )
    fracture = rng.exponential(1 / (FRACTURES_PER_YEAR * np.exp(log_hazard)))
    death = rng.exponential(1 / (DEATHS_PER_YEAR * np.exp(DEATH_AGE_DECADE * (age - 70) / 10)))
    end = rng.uniform(4, 9)
    time = min(fracture, death, end)
    return {
        "age_years": round(age, 1),
        "sex": sex,
        "bmi_kg_m2": round(float(np.clip(rng.normal(26.5, 4), 17, 42)), 1),
        "prior_fracture": int(prior),
        "smoker": int(rng.random() < 0.18),
        "time_years": round(float(max(time, 0.01)), 3),
        "event": 1 if time == fracture else 2 if time == death else 0,
        "true_hu": hu,
        "texture_hu": float(np.clip(18 + 3 * weakness + rng.normal(0, 3), 8, 35)),
        "muscle_scale": float(np.clip(rng.normal(1.0 if sex == "M" else 0.92, 0.08), 0.7, 1.2)),
        "contrast": bool(rng.random() < 0.3),
        "deformities": deformities,
        "log_hazard": float(log_hazard),
    }


CLINICAL_COLUMNS = (
    "age_years",
    "sex",
    "bmi_kg_m2",
    "prior_fracture",
    "smoker",
    "time_years",
    "event",
)


def clinical_table(cohort: list[Participant]) -> pd.DataFrame:
    """What a user would call clinical.csv, one row a participant."""
    return pd.DataFrame(
        [
            {"participant_id": p.participant_id, **{c: p.row[c] for c in CLINICAL_COLUMNS}}
            for p in cohort
        ]
    )


def truth_tables(cohort: list[Participant]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What was planted: one row a participant, one row a vertebra (heights in mm, HU)."""
    people, vertebrae = [], []
    for p in cohort:
        if p.role != "complete":
            continue
        torso = p.torso()
        people.append(
            {
                "participant_id": p.participant_id,
                "site": p.site,
                "view": p.view,
                "trabecular_hu": p.row["true_hu"],
                "muscle_scale": torso.muscle_scale,
                "contrast": p.row["contrast"],
                "log_hazard": p.row["log_hazard"],
                "time_years": p.row["time_years"],
                "event": p.row["event"],
            }
        )
        for v in torso.vertebrae:
            anterior, middle, posterior = v.heights_mm()
            vertebrae.append(
                {
                    "participant_id": p.participant_id,
                    "level": v.level,
                    "trabecular_hu": v.trabecular_hu,
                    "anterior_mm": anterior,
                    "middle_mm": middle,
                    "posterior_mm": posterior,
                    "genant_grade": v.deformity.grade if v.deformity else 0,
                    "genant_type": v.deformity.kind if v.deformity else "none",
                }
            )
    return pd.DataFrame(people), pd.DataFrame(vertebrae)
