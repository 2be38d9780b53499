"""What people type about contrast medium, in several languages."""

import time

import pytest

from bonecast.dicom.contrast_words import agent_word, contrast_words

WORDS = {
    "native": (
        *("Abdomen native 3.0", "Leber nativ", "sans injection", "Thorax ohne KM", "Abd oKM"),
        *("o. KM", "o.KM 3mm", "Sans IV", "sin contraste", "senza mdc", "CT HEAD WO CONTRAST"),
        *("CT w/o contrast", "Heart w/o  1.5  B25f  55%", "Abdomen without", "C- 5mm", "ABD -C"),
        *("pre-contrast", "PRE_CONTRAST", "noncontrast", "NON-CON", "non contrast", "unenhanced"),
        *("no iv contrast", "5/5mm Plain", "NECT", "Uro nativ", "Angio nativ", "utan kontrast"),
        *("avant injection", "Nativ, Protokoll mit KM"),
    ),
    "arterial": (
        *("ART 1.0", "Leber arteriell", "late arterial", "spätarteriell", "early arterial phase"),
        *("artériel", "fase arteriosa", "kortikomedullär", "corticomedullary", "CTA Aorta"),
        *("1_CORONARY_CTA_COMBI_SMH", "LIVER_ART_2.5", "Angio CT"),
    ),
    "portal": (
        *("Abdomen venös 1.0 Br36", "Abdomen ven. 3.0", "ABD PV 2.5", "Portal Venous"),
        *("portovenous", "porto-veineux", "temps veineux", "phase veineuse", "fase venosa"),
        "portalvenoes",
    ),
    "late": (
        *("delayed 5 min", "Spätphase", "late", "temps tardif", "fase tardiva", "nephrographic"),
        *("Excretory", "Ausscheidungsphase", "CT Urogram", "spätvenös", "equilibrium", "10min"),
    ),
    "given": (
        *("FDG_TK_KM", "with contrast", "ABD/PEL W/ CONTRAST", "mit KM", "avec injection", "+C"),
        *("C+", "post contrast", "nach KM", "con contraste", "CECT", "contrast enhanced", "IV+"),
    ),
    "oral": ("oral contrast only", "orales KM", "PO contrast", "Gastrografin", "barium"),
    "": (
        *("Abdomen 3.0", "W WO CONTRAST", "W/WO", "with and without contrast", "triphasic liver"),
        *("mit und ohne KM", "no oral contrast", "C-Spine", "High Contrast", "LATERAL", "partial"),
        *("Thorax without gap", "nephrostomy", "Ventilation", "Delta", "coronary arteries", "bone"),
        *("sinus", "Navigation", "Segment IV", "pre and post", ""),
    ),
}


@pytest.mark.parametrize(("word", "text"), [(w, t) for w, texts in WORDS.items() for t in texts])
def test_a_description_says_one_thing_or_nothing(word, text):
    assert contrast_words(text) == ({word} if word else set())
    assert contrast_words(f"Series_7 {text.upper()}") == contrast_words(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("portal + late", {"portal", "late"}),
        ("Abd+C PV", {"given", "portal"}),
        ("ART/PV split bolus", {"arterial", "portal"}),
        ("native + ven", {"native", "portal"}),
        ("with oral and IV contrast", {"given", "oral"}),
        ("IV and oral contrast, PV", {"given", "oral", "portal"}),
        ("ohne KM, orales KM", {"native", "oral"}),
    ],
)
def test_a_description_that_says_two_things_says_both(text, words):
    assert contrast_words(text) == words


@pytest.mark.parametrize(
    ("agent", "route", "word"),
    [
        ("NaCl", "", "oral"),
        ("H2O", "", "oral"),
        ("unknown", "", None),
        ("none given", "", "native"),
        ("OFF", "IV", "native"),
        ("", "", None),
        ("", "IV", None),
        ("APPLIED", "", "given"),
        ("Iomeprol 400", "", "given"),
        ("ISOVUE300/100", "IV", "given"),
        ("CE", "", "given"),
        ("NONE", "", "native"),
        ("No", "", "native"),
        ("without", "", "native"),
        ("non ionic", "", "given"),
        ("GASTRO & OMNI", "Oral & IV", "given"),
        ("GASTRO & OMNI", "", "given"),
        ("Gastrografin", "", "oral"),
        ("Iohexol", "ORAL", "oral"),
        ("Iohexol", "Intravenous route", "given"),
        ("water", "Oral route", "oral"),
    ],
)
def test_an_agent_that_is_drunk_is_not_in_the_blood(agent, route, word):
    assert agent_word(agent, route) == word


def test_a_damaged_text_of_any_length_is_read_in_no_time():
    started = time.process_time()
    assert contrast_words("nativ " + "porto" * 200_000) == {"native"}
    assert time.process_time() - started < 1
