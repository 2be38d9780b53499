"""The report: complete, self-contained, free of identifying paths and of missing numbers."""

import copy
import html.parser
import json
import re
import shutil
from dataclasses import replace

import pandas as pd
import pytest
import yaml

from bonecast.measure.outliers import OUTLIER_COLUMNS, REFERENCE_COLUMNS
from bonecast.measure.tables import write_table
from bonecast.reasons import Reason
from bonecast.report import (
    figures_composition,
    figures_density,
    figures_flow,
    figures_measure,
    figures_model_blocks,
    figures_model_outcome,
    figures_shape,
    figures_vbmd,
)
from bonecast.report import page as page_module
from bonecast.report.comparison import Comparison
from bonecast.report.facts import Paths, gather
from bonecast.report.page import MAX_THUMBNAILS, flat_settings, number, render, write_report
from bonecast.report.summary import summary_text

LEVELS = ["L1", "L2", "L3", "L4"]
BLOCKS = ["clinical", "hu", "radiomics", "multimodal"]


@pytest.fixture(scope="module")
def config(repo):
    return yaml.safe_load((repo / "config.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def paths(results, tmp_path_factory):
    """Every input of the report, with small figures."""
    folder = tmp_path_factory.mktemp("figures")
    tables, models = results.path("tables"), results.path("models/fracture")

    def files(name):
        return {kind: str(folder / f"{name}.{kind}") for kind in ("pdf", "svg", "png", "csv")}

    scans, analysis = tables / "scans.parquet", models / "analysis_set.parquet"
    excluded = models / "exclusions.tsv"
    figures_flow.flow_diagram(
        scans,
        *(tables / "exclusions.tsv", tables / "ledger.tsv", analysis, excluded),
        files("flow_diagram"),
        50,
    )
    figures_measure.example_segmentations(
        scans, results.pictures, "hu_vol", LEVELS, files("example_segmentations"), 50
    )
    figures_measure.hu_by_level_and_age(
        tables / "vertebrae.parquet",
        scans,
        analysis,
        "hu_vol",
        LEVELS,
        files("hu_by_level_and_age"),
        50,
    )
    figures_density.roi_agreement(
        tables / "vertebrae.parquet",
        ["hu_vol", "hu_circle200"],
        20260101,
        files("roi_agreement"),
        50,
    )
    slices = [path.with_name("composition.png") for path in results.pictures]
    figures_composition.body_composition(scans, analysis, slices, files("body_composition"), 50)
    figures_vbmd.vbmd_by_age(scans, analysis, files("vbmd_by_age"), 50)
    figures_shape.deformities_by_level(
        tables / "vertebrae.parquet", files("deformities_by_level"), 50
    )
    compared = Comparison("fracture", BLOCKS, ["penalised"], ["repeated_nested_cv"])
    figures_model_outcome.outcome_by_risk_group(
        models / "predictions.parquet", compared, files("outcome_by_risk_group_fracture"), 50
    )
    figures_model_blocks.block_comparison(
        models / "metrics.tsv", compared, files("block_comparison_fracture"), 50
    )
    return Paths(
        scans=scans,
        vertebrae=tables / "vertebrae.parquet",
        exclusions=tables / "exclusions.tsv",
        ledger=tables / "ledger.tsv",
        dictionary=tables / "data_dictionary.csv",
        level_sensitivity=tables / "level_sensitivity.tsv",
        analysis_set=analysis,
        model_exclusions=excluded,
        models=[models / "settings.json"],
        segmentations=results.segmentations,
        pictures=results.pictures,
        figures=sorted(folder.glob("*.png")),
    )


@pytest.fixture(scope="module")
def page(paths, config):
    return render(gather(paths, "tiny", True, config), paths, config)


def test_a_large_cohort_links_the_pictures_to_be_checked_and_says_where_all_are(
    paths, config, results, monkeypatch
):
    monkeypatch.setattr("bonecast.report.page.MAX_LINKED", 10)
    text = render(gather(paths, "tiny", True, config), paths, config)
    section = text.partition('id="checks"')[2].partition("</section>")[0]
    pictures = section.rpartition("<details>")[2]
    assert len(results.participants) > 10 > pictures.count("/qc.png") > 0
    assert f"each of the {len(results.participants)} participants" in pictures
    assert 'href="figures/contact_sheet.csv"' in pictures


def test_what_to_check_links_to_every_picture(paths, config, results, tmp_path):
    row = {"participant_id": "D003", "level": "L2", "quantity": "volume", "value": 9000.0}
    row |= {"unit": "mm3", "expected": 27000.0, "robust_z": -9.3, "n_scans": 36}
    write_table([row], OUTLIER_COLUMNS, tmp_path / "outliers.tsv")
    level = {"level": "L2", "quantity": "volume", "n_scans": 36, "compared": True}
    write_table([level], REFERENCE_COLUMNS, tmp_path / "reference.tsv")
    with_tables = replace(
        paths, outliers=tmp_path / "outliers.tsv", reference=tmp_path / "reference.tsv"
    )
    facts = gather(with_tables, "tiny", True, config)
    facts.all_scans["ct_resampled"] = ["tilt of 12.0 degrees", *[None] * (len(facts.all_scans) - 1)]
    text = render(facts, with_tables, config)
    section = text.partition('id="checks"')[2].partition("</section>")[0]
    # The outlier, and the one whose level names are ambiguous.
    assert "2 participants to look at" in section
    assert "Interpolated to a rectangular volume: 1 participant" in section
    assert "tilt of 12.0 degrees" in section
    assert "9,000 mm³" in section and "27,000 mm³" in section
    for name in results.participants:
        assert f'href="participants/{name}/qc.png"' in section
    assert "figures/contact_sheet.pdf" in section


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ([False, None], None),
        ([True, False], "1 participant called what the DICOM header calls it: use pseudonyms"),
        ([True, True], "2 participants called what the DICOM header calls them: use pseudonyms"),
    ],
)
def test_ids_that_the_headers_give_away_are_told(paths, config, tmp_path, named, words):
    records = [tmp_path / f"{number}.json" for number in range(len(named))]
    for path, value in zip(records, named, strict=True):
        path.write_text(json.dumps({} if value is None else {"id_in_header": value}))
    facts = gather(replace(paths, ct=records), "tiny", True, config)
    told = [summary_text(facts, "report.html"), render(facts, paths, config)]
    assert all((words in text) if words else ("use pseudonyms" not in text) for text in told)


class _Reader(html.parser.HTMLParser):
    """Collects what a browser would load, alternative texts and the text people read."""

    def __init__(self):
        super().__init__()
        self.loads, self.alts, self.text, self.ids, self.targets = [], [], [], [], []
        self.headings, self.plain_headers, self._hidden = [], 0, False

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self._hidden = tag == "style"
        if "src" in attributes:
            self.loads.append(attributes["src"])
        if tag in ("link", "script", "iframe", "object", "embed"):
            self.loads.append(str(attributes))
        if tag == "img":
            self.alts.append(attributes.get("alt", ""))
        if tag == "a":
            self.targets.append(attributes["href"])
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag in ("h1", "h2", "h3"):
            self.headings.append(int(tag[1]))
        if tag == "th" and "scope" not in attributes:
            self.plain_headers += 1

    def handle_data(self, data):
        if not self._hidden:
            self.text.append(data)


@pytest.fixture(scope="module")
def read(page):
    reader = _Reader()
    reader.feed(page)
    return reader


def test_it_opens_with_the_flow_diagram(page):
    assert page.index('id="flow_diagram"') < page.index("<table")
    assert page.index('id="flow_diagram"') < page.index('id="excluded"')


def test_everyone_left_out_is_named_with_the_reason(read):
    text = " ".join(" ".join(read.text).split())
    for participant, reason in {
        "D037": Reason.EMPTY_FOLDER,
        "D038": Reason.CORRUPT_PIXELS,
        "D039": Reason.NO_AXIAL_CT,
        "D040": Reason.LEVELS_NOT_ANCHORED,
        "D036": Reason.NO_OUTCOME,
    }.items():
        assert re.search(f"{participant} .{{0,40}}{re.escape(reason.sentence)}", text), participant
    assert "slice 12 of 80" in text
    assert "X999" not in text, "people of the clinical table who are not in the cohort"


def test_ambiguous_levels_are_listed_with_their_picture(read):
    text = " ".join(" ".join(read.text).split())
    assert "1 of 36 scans can be read otherwise and is ambiguous" in text
    assert re.search(r"D005 Ambiguous\. Six vertebrae without ribs .* T11 has ribs\.", text)
    assert "Decided: level_shift -1." in text
    assert "participants/D005/qc.png" in read.targets
    assert "tables/level_sensitivity.tsv" in read.targets


def test_a_long_list_of_those_left_out_says_where_all_are(paths, config, results, monkeypatch):
    monkeypatch.setattr(page_module, "MAX_EXCLUDED_ROWS", 2)
    text = render(gather(paths, "tiny", True, config), paths, config)
    assert "the first 2 are shown" in text
    linked = re.findall(r'href="([\w/]+/exclusions\.tsv)"', text)
    assert linked == ["tables/exclusions.tsv", "models/fracture/exclusions.tsv"]
    assert all(results.path(file).is_file() for file in linked)

    no_images = replace(
        paths, scans=None, vertebrae=None, exclusions=None, dictionary=None, figures=paths.figures
    )
    text = render(gather(no_images, "tiny", True, config), no_images, config)
    assert re.findall(r'href="([\w/]+/exclusions\.tsv)"', text) == linked[1:]


def test_nothing_is_loaded_from_elsewhere(page, read):
    assert read.loads and all(source.startswith("data:image/") for source in read.loads)
    assert not re.search(r"https?://|//[a-z]+\.|url\(|@import", page)
    assert all(not re.match(r"[a-z]+:|/", target) for target in read.targets)
    inside = [target[1:] for target in read.targets if target.startswith("#")]
    assert inside and set(inside) <= set(read.ids)


def test_no_missing_number_is_printed(read):
    words = re.findall(r"\b(?:nan|NaN|None|NaT|inf|<NA>|Undefined)\b", " ".join(read.text))
    assert words == []


def test_it_can_be_read_by_a_machine_that_reads_aloud(page, read):
    assert '<html lang="en-GB">' in page
    assert all(read.alts)
    assert read.plain_headers == 0
    assert read.headings[0] == 1
    assert all(b - a <= 1 for a, b in zip(read.headings, read.headings[1:], strict=False))
    assert len(read.ids) == len(set(read.ids))


def test_numbers_on_the_page_are_those_of_the_tables(read, paths):
    text = " ".join(" ".join(read.text).split())
    hu = pd.read_parquet(paths.scans)["hu_vol_mean_l1l4_hu"].dropna()
    assert f"{hu.median():.0f} HU (median; quartiles" in text
    assert "0.75 (0.65–0.85)" in text
    assert "+0.15 (+0.02 to +0.27)" in text
    assert "1.050 (1.030 to 1.070)" in text


def test_synthetic_cohorts_say_so(paths, config):
    real = render(gather(paths, "mine", False, config), paths, config)
    assert "synthetic" not in real.lower()


def test_real_scans_outlined_by_the_embedded_model_carry_a_warning(paths, config):
    facts = gather(paths, "mine", False, config)
    assert "learned from synthetic scans alone" not in render(facts, paths, config)
    embedded = [way | {"model": {"name": "embedded_model"}} for way in facts.segmentation]
    warned = render(replace(facts, segmentation=embedded), paths, config)
    assert warned.index("learned from synthetic scans alone") < warned.index('id="participants"')
    demo = replace(facts, segmentation=embedded, synthetic=True)
    assert "learned from synthetic scans alone" not in render(demo, paths, config)


def test_methods_say_how_many_masks_a_person_corrected(paths, config):
    facts = gather(paths, "mine", False, config)
    way = facts.segmentation[0]
    ways = [way | {"n": 3, "corrected": True}, way | {"n": 1, "backend": "corrections"}]
    page = render(replace(facts, segmentation=ways), paths, config)
    assert "3 scans (corrected by hand afterwards): nnU-Net" in page
    assert "1 scan: masks drawn by hand, where the backend found none." in page


def test_methods_say_how_radiomics_were_computed_and_chosen(paths, config):
    changed = yaml.safe_load(yaml.safe_dump(config))
    changed["measure"]["radiomics"] |= {"preset": "ibsi_e", "wavelet": "haar"}
    changed["model"]["min_robustness"] = 0.75
    page = render(gather(paths, "mine", False, config), paths, changed)
    assert "settings ibsi_e): image resampled to 2 mm by cubic interpolation" in page
    assert "values within 3 standard deviations kept" in page
    assert "32 bins between" in page and "wavelet_haar_hhh" in page
    assert "reached 0.75, over the scans of at most 20 participants" in page
    plain = render(gather(paths, "mine", False, config), paths, config)
    assert "bins of 25 HU from −1000 HU" in plain and "Radiomics were modelled only" not in plain


def test_summary_is_about_ten_lines(paths, config):
    text = summary_text(gather(paths, "tiny", True, config), "results/tiny/report.html")
    lines = text.splitlines()
    assert len(lines) <= 12
    assert lines[0].endswith("tiny (synthetic patients): 40 participants found at 2 sites")
    assert "37 converted, 36 segmented, 36 measured, 35 modelled" in text
    assert "1 The input folder holds no files" in text
    assert sum(line.startswith("C-index") for line in lines) == len(BLOCKS)
    assert lines[-1].endswith("results/tiny/report.html")


def test_a_cohort_without_clinical_table(paths, config):
    measured = replace(
        paths,
        analysis_set=None,
        model_exclusions=None,
        models=(),
    )
    page = render(gather(measured, "tiny", False, config), measured, config)
    assert 'id="models_fracture"' not in page and 'id="measurements"' in page
    assert "C-index" not in summary_text(gather(measured, "tiny", False, config), "r.html")


def test_a_table_alone(paths, config, tmp_path):
    models = replace(
        paths,
        scans=None,
        vertebrae=None,
        exclusions=None,
        dictionary=None,
        segmentations=(),
        pictures=(),
    )
    write_report(models, tmp_path / "r.html", tmp_path / "s.txt", "r.html", "fit", False, config)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert 'id="measurements"' not in page and 'id="models_fracture"' in page
    assert "no images" in (tmp_path / "s.txt").read_text(encoding="utf-8")


def test_models_that_were_not_fitted_say_why(paths, config, tmp_path):
    for file in paths.models[0].parent.glob("*.*"):
        shutil.copy(file, tmp_path)
    settings = json.loads((tmp_path / "settings.json").read_text())
    settings |= {"status": "not_fitted", "detail": "3 fractures among 35 patients"}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    header = (tmp_path / "metrics.tsv").read_text().splitlines()[0]
    (tmp_path / "metrics.tsv").write_text(header + "\n")
    broken = replace(paths, models=[tmp_path / "settings.json"])
    facts = gather(broken, "tiny", True, config)
    page = render(facts, broken, config)
    assert page.count("3 fractures among 35 patients") >= 2
    assert "judged in the same folds" not in page
    assert "Groups of the risk" not in page
    assert "not fitted: 3 fractures among 35 patients" in summary_text(facts, "r.html")


def test_folders_of_the_machine_are_not_printed(config):
    changed = copy.deepcopy(config)
    changed["segment"]["model"] = "/home/somebody/models/spine"
    changed["cohort"]["input"] = "/data/hospital"
    rows = dict(flat_settings(changed))
    assert rows["segment.model"] == "spine"
    assert not any("hospital" in value or "somebody" in value for value in rows.values())


def test_thumbnails_are_limited(paths, config, results):
    many = replace(paths, pictures=results.pictures * 3)
    page = render(gather(many, "tiny", True, config), many, config)
    assert 0 < page.count('alt="Segmentation of') <= MAX_THUMBNAILS


def test_the_same_results_give_the_same_page(page, paths, config):
    assert render(gather(paths, "tiny", True, config), paths, config) == page


def test_numbers_as_printed():
    assert number(1234.5678) == "1,235"
    assert number(-0.5, 1) == "−0.5"
    assert number(None) == number(float("nan")) == "–"
