"""Composition of a scan at one level, its indices by height, and published limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log1p

from bonecast.measure.acquisition import THRESHOLD_KVP
from bonecast.measure.columns import Column, names, reason
from bonecast.measure.composition.calcium import AORTA, CALCIUM_LEVELS
from bonecast.measure.composition.regions import DERIVED, MASKS, REGIONS
from bonecast.reasons import Reason

FALLBACK = ("L3", "L2", "L4", "L5", "L1", "T12", "T11", "T10")
"""Level of a scan's composition: the first of these that was measured (Derstine et al., Sci Rep
2018;8:11369)."""

MARTIN = "Martin et al., J Clin Oncol 2013;31:1539"
DERSTINE = "Derstine et al., Sci Rep 2018;8:11369"
PRADO = "Prado et al., Lancet Oncol 2008;9:629"
OVERWEIGHT_BMI = 25.0


@dataclass(frozen=True)
class Limit:
    """A published limit: who lies below it has little or fatty muscle.

    Attributes:
        judged: column it judges.
        women, men: below a BMI of 25 kg/m2, and from there on.
        source: of the limit.
    """

    judged: str
    women: tuple[float, float]
    men: tuple[float, float]
    source: str

    @property
    def of_attenuation(self) -> bool:
        """Whether it is a limit of HU, which tube voltage and contrast medium change."""
        return self.judged.endswith("_hu")

    @property
    def words(self) -> str:
        """The limit for people."""
        if self.women == self.men:
            return f"Whether {self.judged} is below {_by_bmi(self.women)}"
        women, men = _by_bmi(self.women), _by_bmi(self.men)
        return f"Whether {self.judged} is below {women} in women, {men} in men"


def _by_bmi(pair: tuple[float, float]) -> str:
    low, high = pair
    return f"{low:g}" if low == high else f"{low:g} (BMI below {OVERWEIGHT_BMI:g}) or {high:g}"


LIMITS: dict[str, Limit] = {
    "low_smi_martin": Limit("smi_cm2_m2", (41, 41), (43, 53), MARTIN),
    "low_smd_martin": Limit("muscle_density_hu", (41, 33), (41, 33), MARTIN),
    "low_sma_derstine": Limit("muscle_area_cm2", (92.2, 92.2), (144.3, 144.3), DERSTINE),
    "low_smi_derstine": Limit("smi_cm2_m2", (34.4, 34.4), (45.4, 45.4), DERSTINE),
    "low_smd_derstine": Limit("muscle_density_hu", (34.3, 34.3), (38.5, 38.5), DERSTINE),
    "low_smi_prado": Limit("smi_cm2_m2", (38.5, 38.5), (52.4, 52.4), PRADO),
}
"""Published limits at L3, by column. They disagree: none is a diagnosis."""


@dataclass(frozen=True)
class Person:
    """What of a participant indices and limits need; None where not known.

    Attributes:
        sex: F or M.
        height_m: body height.
        weight_kg: body weight.
    """

    sex: str | None = None
    height_m: float | None = None
    weight_kg: float | None = None

    @property
    def bmi(self) -> float | None:
        """Body mass index in kg/m2."""
        if self.height_m is None or self.weight_kg is None:
            return None
        return self.weight_kg / self.height_m**2


def limit_for(limit: Limit, person: Person) -> float | Reason:
    """The value of a limit for a person, or what would have to be known of them."""
    if person.sex is None and limit.women != limit.men:
        return Reason.NO_SEX
    low, high = limit.men if person.sex == "M" else limit.women
    if low == high:
        return low
    if person.bmi is None:
        return Reason.NO_HEIGHT if person.height_m is None else Reason.NO_WEIGHT
    return low if person.bmi < OVERWEIGHT_BMI else high


def summarise_composition(
    levels: Mapping[str, Mapping[str, dict]], person: Person, kvp: float | None = None
) -> dict:
    """Composition of a scan, as in `COMPOSITION_SUMMARY_COLUMNS`.

    Args:
        levels: by level and region, the columns of composition.tsv.
        person: the participant.
        kvp: tube voltage in kV, None where not known.
    """
    out: dict = dict.fromkeys(names(COMPOSITION_SUMMARY_COLUMNS))
    level = level_used(levels)
    regions = levels.get(level, {})
    used = {name: regions[name] for name in REGIONS if regions.get(name, {}).get("included")}
    for name, row in used.items():
        for value in ("area_cm2", "density_hu"):
            if f"{name}_{value}" in out:
                out[f"{name}_{value}"] = row[value]
    out["composition_level"] = level
    out["composition_method"] = " ".join(sorted({row["method"] for row in used.values()})) or None
    out["vs_ratio"] = _ratio(regions)
    out["vs_ratio_l1"] = _ratio(levels.get("L1", {}))
    if "muscle" not in used:
        out["composition_reason"] = _why(levels, "muscle")
    if person.height_m is not None:
        for index, name in (("smi_cm2_m2", "muscle"), ("psoas_index_cm2_m2", "psoas")):
            area = out[f"{name}_area_cm2"]
            out[index] = None if area is None else area / person.height_m**2
        if out["smi_cm2_m2"] is not None:
            out["smg"] = out["smi_cm2_m2"] * out["muscle_density_hu"]
    return out | _judged(out, person, kvp) | _calcium(levels)


def level_used(levels: Mapping[str, Mapping[str, dict]]) -> str | None:
    """The first of `FALLBACK` at which muscle was measured or, if at none, back muscle or fat."""
    for region in ("muscle", "back_muscles", "sat"):
        for level in FALLBACK:
            if levels.get(level, {}).get(region, {}).get("included"):
                return level
    return None


def _why(levels: Mapping[str, Mapping[str, dict]], region: str) -> str:
    """Why no level has a region: the reason at the first of `FALLBACK` that is in view."""
    seen = (levels[level][region] for level in FALLBACK if region in levels.get(level, {}))
    return next((str(row["reason"]) for row in seen), str(Reason.TOO_FEW_LEVELS))


def _ratio(regions: Mapping[str, dict]) -> float | None:
    """Visceral over subcutaneous fat area of a level."""
    areas = [regions.get(name, {}).get("area_cm2") for name in ("vat", "sat")]
    return areas[0] / areas[1] if None not in areas and areas[1] > 0 else None


def _judged(values: Mapping, person: Person, kvp: float | None) -> dict:
    """What is below a published limit, and the first reason why one could not be judged.

    Limits of attenuation are not judged at a tube voltage known to be other than THRESHOLD_KVP.
    """
    out: dict = dict.fromkeys([*LIMITS, "limits_reason"])
    if values["composition_reason"] or values["composition_level"] != FALLBACK[0]:
        not_there = str(Reason.NOT_AT_L3)
        return out | {"limits_reason": values["composition_reason"] or not_there}
    missing = set()
    for name, limit in LIMITS.items():
        value, lowest = values[limit.judged], limit_for(limit, person)
        if limit.of_attenuation and kvp not in (None, THRESHOLD_KVP):
            missing.add(Reason.KVP_NOT_120)
        elif value is None:
            missing.add(Reason.NO_HEIGHT)
        elif isinstance(lowest, Reason):
            missing.add(lowest)
        else:
            out[name] = value < lowest
    first = (Reason.KVP_NOT_120, Reason.NO_SEX, Reason.NO_HEIGHT, Reason.NO_WEIGHT)
    out["limits_reason"] = next((str(code) for code in first if code in missing), None)
    return out


def _calcium(levels: Mapping[str, Mapping[str, dict]]) -> dict:
    """Aortic calcium, where all of `CALCIUM_LEVELS` were scored: part of an aorta has less."""
    rows = [levels.get(level, {}).get(AORTA) for level in CALCIUM_LEVELS]
    scores = [row["agatston"] for row in rows if row and row["included"]]
    if len(scores) == len(CALCIUM_LEVELS):
        total = sum(scores)
        return {"aortic_calcium_agatston": total, "aortic_calcium_log1p": log1p(total)}
    why = next((row["reason"] for row in rows if row and not row["included"]), None)
    return {"aortic_calcium_reason": str(why or Reason.TOO_FEW_LEVELS)}


ATTENUATION_WORDS = (
    "; contrast medium raises the attenuation of muscle; empty where the tube voltage is known "
    f"not to be {THRESHOLD_KVP:g} kV"
)
"""What more there is to say of a limit of attenuation."""


def _value(name: str, unit: str, definition: str, source: str = "composition.tsv", **more):
    return Column(name, unit, definition, source, **({"block": "composition"} | more))


def _region_columns() -> list[Column]:
    """Area and, of muscles, attenuation of every region at the level used."""
    columns = []
    for name, region in REGIONS.items():
        where = f"{region.words}, at composition_level"
        columns.append(_value(f"{name}_area_cm2", "cm2", f"Area of {where}", low=0))
        if region.window_hu[1] > 0:
            low, high = region.window_hu
            text = f"Mean attenuation of {where}"
            columns.append(_value(f"{name}_density_hu", "HU", text, low=low, high=high))
    return columns


COMPOSITION_SUMMARY_COLUMNS = (
    *_region_columns(),
    _value("vs_ratio", "ratio", "Visceral over subcutaneous fat area, at composition_level", low=0),
    _value("vs_ratio_l1", "ratio", "Visceral over subcutaneous fat area, at L1", low=0),
    _value("smi_cm2_m2", "cm2/m2", "Skeletal muscle index: muscle area over height squared", low=0),
    _value("psoas_index_cm2_m2", "cm2/m2", "Psoas area over height squared", low=0),
    _value("smg", "HU cm2/m2", "Skeletal muscle gauge: muscle index times attenuation"),
    _value("aortic_calcium_log1p", "", "log(1 + aortic_calcium_agatston)", low=0),
    _value(
        "aortic_calcium_agatston",
        "",
        "Agatston score of the aorta from the disc above L1 to that below L4; only where all of it "
        "is in view",
        low=0,
        block="calcium",
    ),
    *(
        Column(
            name,
            "",
            f"{limit.words}, at L3{ATTENUATION_WORDS if limit.of_attenuation else ''}",
            limit.source,
            kind="bool",
            block="limits",
        )
        for name, limit in LIMITS.items()
    ),
    Column(
        "composition_level",
        "",
        f"Level of muscle and fat: the first measured of {', '.join(FALLBACK)}",
        DERSTINE,
        kind="text",
        words=FALLBACK,
    ),
    Column(
        "composition_method",
        "",
        "How the values there were made, as in composition.tsv",
        kind="text",
        words=(MASKS, DERIVED, f"{DERIVED} {MASKS}"),
    ),
    reason("Why muscle area is empty", "composition_reason"),
    reason("What keeps a published limit from being judged", "limits_reason"),
    reason("Why aortic calcium is empty", "aortic_calcium_reason"),
)
"""Columns of composition in the table of scans."""
