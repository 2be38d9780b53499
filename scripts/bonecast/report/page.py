"""The report: one HTML file that needs nothing else, readable on a phone and on paper."""

import base64
import io
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePath

import jinja2
from PIL import Image

from bonecast.report.checks import read_checks
from bonecast.report.density import density_facts
from bonecast.report.facts import Facts, Paths, gather
from bonecast.report.levels import MAX_ROWS as MAX_LEVEL_ROWS
from bonecast.report.methods import methods
from bonecast.report.model_facts import FIGURE_CAPTIONS, model_alt_texts
from bonecast.report.publication_page import publication_facts
from bonecast.report.run import run_facts
from bonecast.report.summary import summary_text
from bonecast.report.tables import METRIC_WORDS, counted, headline_block, minus
from bonecast.sessions import scan_ids

MAX_THUMBNAILS = 48
"""More pictures than this would make the page too heavy for a phone."""
THUMBNAIL_PX = 300
MAX_LINKED = 500
"""Of more scans than this the page links the pictures of those to be checked, and no more."""
MAX_EXCLUDED_ROWS = 500
"""The table of exclusions beside the report lists everyone."""
MAX_RATIO_ROWS = 40

LEDGER_WORDS = {"file": "files", "series": "series", "scan": "scans", "vertebra": "vertebrae"}


def write_report(
    paths: Paths,
    report_path: str | Path,
    summary_path: str | Path,
    place: str,
    cohort: str,
    synthetic: bool,
    config: dict,
) -> None:
    """Write report.html and summary.txt.

    Args:
        place: where the report will be, for the summary.
        cohort: name of the cohort.
        synthetic: whether its patients are made up; the page says so at the top.
        config: the merged configuration.
    """
    facts = gather(paths, cohort, synthetic, config)
    Path(report_path).write_text(render(facts, paths, config), encoding="utf-8")
    Path(summary_path).write_text(summary_text(facts, place), encoding="utf-8")


def render(facts: Facts, paths: Paths, config: dict) -> str:
    """The page as text.

    Raises:
        jinja2.UndefinedError: the template uses a name that it is not given.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["counted"] = counted
    checks = read_checks(paths.segmentations, paths.outliers, paths.reference, facts.all_scans)
    shown, n_pictures = thumbnails(facts, paths.pictures, checks.to_check)
    return environment.get_template("report.html.j2").render(
        facts=facts,
        figures={Path(path).stem: figure(Path(path)) for path in paths.figures},
        alt=alt_texts(facts),
        excluded=facts.exclusions[:MAX_EXCLUDED_ROWS],
        exclusion_files=exclusion_files(facts),
        ledger_words=LEDGER_WORDS,
        level_rows=[] if facts.naming is None else facts.naming.rows[:MAX_LEVEL_ROWS],
        ratios={m.endpoint: ratio_rows(m.hazard_ratios.head(MAX_RATIO_ROWS)) for m in facts.models},
        publications={m.endpoint: publication_facts(m.path) for m in facts.models},
        metric_words=METRIC_WORDS,
        figure_captions=FIGURE_CAPTIONS,
        tiles=tiles(facts),
        quartiles=quartiles(facts),
        density=density_facts(facts.scans),
        methods=methods(facts, config),
        settings=flat_settings(config),
        dictionary=[row for row in facts.dictionary if row["block"] != "radiomics"],
        n_features=len({row["column"] for row in facts.dictionary if row["block"] == "radiomics"}),
        thumbnails=shown,
        n_pictures=n_pictures,
        checks=checks,
        run=run_facts(paths.benchmarks) if paths.benchmarks else None,
        who="scan" if facts.has_sessions else "participant",
        linked=linked([Path(path).parent.name for path in paths.pictures], checks.to_check),
        n_scans=len(paths.pictures),
    )


def exclusion_files(facts: Facts) -> list[str]:
    """The tables that list everyone left out, relative to the page."""
    files = ["tables/exclusions.tsv"] if facts.has_scans else []
    return files + [f"{model.folder}/exclusions.tsv" for model in facts.models]


def number(value, digits: int = 0) -> str:
    """A number as the page prints it: thousands separated, a dash where there is none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "\N{EN DASH}"
    return minus(f"{value:,.{digits}f}")


def figure(path: Path) -> dict:
    """A figure's picture as a data URI with its size in pixels."""
    with Image.open(path) as picture:
        width, height = picture.size
    return {"uri": data_uri(path.read_bytes(), "png"), "width": width, "height": height}


def data_uri(content: bytes, kind: str) -> str:
    """Bytes of a picture as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def thumbnails(
    facts: Facts, pictures: Sequence[Path], first: Collection[str] = ()
) -> tuple[list[dict], int]:
    """Small pictures of the scans segmented, and how many there would be.

    Where there are too many, half the room goes to those in `first`; of the others every k-th in
    the cohort's order is shown.
    """
    if facts.all_scans is None:
        return [], 0
    segmented = set(scan_ids(facts.all_scans[facts.all_scans["n_levels_seen"] > 0]))
    all_paths = [path for path in map(Path, pictures) if path.parent.name in segmented]
    chosen, others = _chosen(all_paths, first)
    shown = []
    for path in chosen + others:
        with Image.open(path) as picture:
            small = picture.convert("RGB")
            small.thumbnail((THUMBNAIL_PX, 2 * THUMBNAIL_PX))
        buffer = io.BytesIO()
        small.save(buffer, format="JPEG", quality=72, optimize=True)
        shown.append(
            {
                "participant_id": path.parent.name,
                "uri": data_uri(buffer.getvalue(), "jpeg"),
                "width": small.width,
                "height": small.height,
            }
        )
    return shown, len(all_paths)


def _chosen(paths: list[Path], first: Collection[str]) -> tuple[list[Path], list[Path]]:
    """Pictures to be checked, and others at even steps, MAX_THUMBNAILS together at most."""
    chosen = [path for path in paths if path.parent.name in first]
    others = [path for path in paths if path.parent.name not in first]
    if len(paths) > MAX_THUMBNAILS:
        chosen = chosen[: max(MAX_THUMBNAILS // 2, MAX_THUMBNAILS - len(others))]
    room = MAX_THUMBNAILS - len(chosen)
    return chosen, others[:: max(1, math.ceil(len(others) / room))]


def linked(scans: Sequence[str], to_check: Collection[str]) -> list[str]:
    """Scans whose pictures the page links: all, or the first of those to be checked."""
    if len(scans) <= MAX_LINKED:
        return list(scans)
    return [name for name in scans if name in to_check][:MAX_LINKED]


def quartiles(facts: Facts) -> Mapping[str, float] | None:
    """Quartiles of the scan's mean attenuation, None where nobody was measured."""
    if facts.hu.empty:
        return None
    low, middle, high = facts.hu.quantile([0.25, 0.5, 0.75])
    return {"low": low, "middle": middle, "high": high, "n": len(facts.hu)}


def tiles(facts: Facts) -> list[tuple[str, str]]:
    """The few numbers a reader looks for first: label and value."""
    shown = []
    if facts.has_scans:
        fractured, graded = facts.fractured
        shown.append(("scans measured", number(facts.reached("measured"))))
        if not facts.hu.empty:
            median = number(float(facts.hu.median()))
            shown.append((f"HU, median attenuation {facts.scope}", median))
        shown.append((f"of {graded:,} with a vertebral fracture in the scan", number(fractured)))
    for model in facts.models[:1]:
        cohort = model.settings["cohort"]
        shown.append(("patients modelled", number(cohort["patients"])))
        if "fractures" in cohort:
            shown.append(("fractures during follow-up", number(cohort["fractures"])))
        elif "diagnoses" in cohort:
            shown.append(("with the diagnosis", number(cohort["diagnoses"])))
        rows = {row["key"]: row for row in model.block_rows(every=False)}
        if rows:
            row = rows[headline_block(list(rows))]
            name = METRIC_WORDS[model.headline]
            shown.append((f"{name}, block {row['block']}", number(row["value"], 2)))
    return shown


def ratio_rows(ratios) -> list[dict]:
    """Hazard ratios in words."""
    rows = []
    for row in ratios.to_dict("records"):
        estimable = math.isfinite(row["hr"])
        interval = f"{row['hr']:.3f} ({row['lower']:.3f} to {row['upper']:.3f})"
        rows.append(
            {
                "model": row["model"],
                "term": row["term"],
                "unit": "standard deviation" if row["unit"] == "sd" else "unit",
                "ratio": interval if estimable else "not estimable",
                "n": row["n"],
                "events": row["events"],
            }
        )
    return rows


def alt_texts(facts: Facts) -> dict[str, str]:
    """What a reader who cannot see a figure is told."""
    reached = "; ".join(f"{step.title}: {step.n}" for step in facts.steps)
    levels = ", ".join(f"{row['level']} {row['median_hu']:.0f}" for row in facts.levels)
    models = {
        f"{name}_{model.endpoint}": text
        for model in facts.models
        for name, text in model_alt_texts(model).items()
    }
    return models | {
        "flow_diagram": f"Flow diagram. {reached}. Reasons are in the table below.",
        "example_segmentations": "Sagittal and coronal pictures with vertebrae outlined and named.",
        "hu_by_level_and_age": f"Median attenuation in HU by level: {levels or 'none measured'}.",
        "roi_agreement": (
            "Difference against mean of the attenuation in every pair of regions of interest; mean "
            "difference, limits of agreement and ICC are in roi_agreement.csv."
        ),
        "body_composition": (
            "An axial slice coloured by muscle and fat, and attenuation and area of muscle and fat "
            "of each scan against age; the numbers are in the table beside the figure."
        ),
        "vbmd_by_age": "Density of L1 and L2 against age; the numbers are in the table below.",
        "deformities_by_level": (
            "Share of vertebrae of each Genant grade by level, and the loss of height of each "
            "vertebra; the numbers are in the table beside the figure."
        ),
    }


def flat_settings(config: Mapping, prefix: str = "") -> list[tuple[str, str]]:
    """The configuration as pairs of key and value, without folders of this machine."""
    rows: list[tuple[str, str]] = []
    for key, value in config.items():
        name = f"{prefix}{key}"
        if name in ("cohort", "export"):
            continue  # paths of the input; the name heads the page
        if isinstance(value, Mapping) and value:
            rows += flat_settings(value, f"{name}.")
        else:
            rows.append((name, _setting(value)))
    return rows


def _setting(value) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_setting(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return "none"
    if isinstance(value, str) and PurePath(value).is_absolute():
        return PurePath(value).name
    return str(value)
