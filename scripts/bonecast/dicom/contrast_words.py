"""What people write of contrast medium in descriptions, in the words of ContrastWord.

Descriptions are typed, in many languages and with few letters. Accents are taken off and
underscores are blanks before a text is read. A word is one only between characters that are
neither letters nor digits. Text that tells of several series ("with and without", "triphasic")
tells nothing of one.
"""

import re
import unicodedata
from enum import StrEnum


class ContrastWord(StrEnum):
    """What a text says of contrast medium in the blood."""

    NATIVE = "native"
    GIVEN = "given"
    ARTERIAL = "arterial"
    PORTAL = "portal"
    LATE = "late"
    ORAL = "oral"


ENHANCED = frozenset(
    {ContrastWord.GIVEN, ContrastWord.ARTERIAL, ContrastWord.PORTAL, ContrastWord.LATE}
)
"""Words of a scan with contrast medium in the blood: one that was drunk is none."""

PHASES_TOLD = ENHANCED - {ContrastWord.GIVEN} | {ContrastWord.NATIVE}
"""Words that exclude each other."""


def _words(*patterns: str) -> re.Pattern:
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(patterns)})(?![a-z0-9])")


MEDIUM = (
    r"(?:(?:iv|i\.v\.?|intraven\w*|iodinated|iodhaltig\w*) ?)?"
    r"(?:(?:produit|medio|mezzo|meio|mdc|milieu) (?:de |di )?)?"
    r"(?:contrast\w*|kontrast\w*|km|mdc|pdc|inj\w*|ce)"
)
"""Contrast medium, its abbreviations (KM, MdC, PdC) and its injection."""

INJECTED = rf"(?:{MEDIUM}|iv|i\.v\.?)"
"""The same after a word like `with`: by itself, IV is also a number."""

WITHOUT = (
    r"(?:without|w/ ?o|wo|w\.o\.?|ohne|kein\w*|sans|sin|senza|zonder|sem|utan|uden|bez|no|non)"
)
JOIN = r" ?(?:and|und|et|y|e|i|og|och|en|or|&|\+|/|,|u\.)? ?"

SEVERAL = _words(
    rf"w/?{JOIN}w/?o(?: {MEDIUM})?",
    rf"(?:with|mit|avec|con|com|med|met){JOIN}{WITHOUT}(?: {MEDIUM})?",
    rf"(?:without|ohne|sans|sin|senza|zonder){JOIN}(?:with|mit|avec|con|met)(?: {MEDIUM})?",
    rf"pre{JOIN}(?:and)? ?post(?: {MEDIUM})?",
    *(r"(?:multi|bi|tri|dual|two|three|four|[2-4])[ -]?phas\w*",),
)
"""Text that is of several series."""

DRUNK = r"(?:oral\w*|peroral\w*|per os|po|p\.o\.?)"
IV_AND_ORAL = _words(
    rf"iv{JOIN}{DRUNK}(?: {MEDIUM})?", rf"{DRUNK}{JOIN}(?:iv|i\.v\.?)(?: {MEDIUM})?"
)
NO_ORAL = _words(rf"{WITHOUT} (?:oral\w*|po|p\.o\.?|rectal\w*|rektal\w*)(?: {MEDIUM})?")
ORAL = _words(
    rf"(?:oral\w*|peroral\w*|per os|po|p\.o\.?|rectal\w*|rektal\w*|enteral\w*)(?: {MEDIUM})?",
    r"(?:gastro|gastrografin\w*|gastrolux|gastromiro|telebrix gastro|peritrast|micropaque)",
    *(r"(?:barium\w*|baryt\w*|bario|readi-?cat|volumen|water|wasser|mannitol|drink\w*)",),
)
"""Contrast medium that is drunk or given as an enema."""

NATIVE = _words(
    *(r"nativ(?:e|es|er|en|o|a)?", "natif", "plain", "nc", "ncct", "nect", "tnc", "ncc"),
    *(r"un-?enh\w*", r"non?[ -]?enh\w*", r"non?[ -.]?con\w*", r"non?[ -]?kontrast\w*"),
    rf"{WITHOUT} (?:any )?{INJECTED}",
    r"(?:without|w/ ?o|wo) con",
    r"(?:without|w/ ?o|ohne)(?! ?(?:gap|mar|imar|omar|filter|gating|tilt|arm|arms|aec|clip|metal))",
    *(rf"(?:o|s)[./] ?{MEDIUM}", "okm", "spc"),
    *(rf"pre[ -]?{MEDIUM}", rf"(?:before|vor|avant|antes|prima) {MEDIUM}"),
)
NATIVE_SIGN = re.compile(
    r"(?<![a-z0-9])(?:c|iv|km)-(?![a-z0-9])|(?:^|(?<=[ (]))- ?(?:c|km)(?![a-z0-9])"
)
"""C-, IV-, -C: but no C-spine."""

IMAGE_CONTRAST = _words(r"(?:high|low|hi|lo|hohe\w*|soft tissue) ?-?contrast\w*")
"""Contrast as a property of the image."""

GIVEN = _words(
    rf"(?:with |w/ ?|w |mit |m\. ?|avec |con |com |med |met |post[ -]?|nach |apres ){INJECTED}",
    MEDIUM,
    *(r"(?:with|w/?) ?con", r"enhanced", "cect", r"inject\w*"),
)
GIVEN_SIGN = re.compile(r"(?<![a-z0-9])(?:c|iv|km) ?\+(?![a-z0-9])|\+ ?(?:c|iv|km|ce)(?![a-z0-9])")

LATE_ARTERIAL = _words(
    r"(?:late|early|spat|spaet|frueh|fruh|tardi\w*|precoce) ?-?(?:arterial\w*|arteriel\w*|art)"
)
LATE_VENOUS = _words(r"(?:late|delayed|spat|spaet) ?-?(?:venous|venos\w*|venoes\w*|ven)")

ARTERIAL = _words(
    *(r"arterial\w*", r"arteriel\w*", r"arterios[oa]", "art", "arter", "artphase"),
    *(r"[ck]orti[ck]o-?medull\w*", "hap"),
)
PORTAL = _words(
    *(r"portal\w*", r"porto-?\w*ven\w*", "porto", r"portov\w*", "pv", "pvp"),
    *("ven", "venous", r"venos\w*", r"venoes\w*", r"veneu[sz]\w*", r"veineu(?:x|se|ses)"),
)
LATE = _words(
    *("late", r"delay\w*", "del", r"tardi\w*", r"spat\w*", r"spaet\w*", r"equilib\w*"),
    *("nephro", r"nephrogr\w*", r"nephrogen\w*", r"excret\w*", r"ausscheid\w*", r"pyelogr\w*"),
    r"(?:[3-9]|1[0-5]) ?min\w*",
)

PROTOCOLS = (
    (_words(r"angio\w*", "cta", r"cta ?\w*"), ContrastWord.ARTERIAL),
    (_words("uro", r"urogr\w*", r"ct-?uro\w*"), ContrastWord.LATE),
)
"""Names of examinations whose series are not all of that phase: they count where no word of a
phase stands beside them."""

PATTERNS = (
    (SEVERAL, ()),
    (NO_ORAL, ()),
    (IMAGE_CONTRAST, ()),
    (IV_AND_ORAL, (ContrastWord.GIVEN, ContrastWord.ORAL)),
    (ORAL, (ContrastWord.ORAL,)),
    (NATIVE, (ContrastWord.NATIVE,)),
    (NATIVE_SIGN, (ContrastWord.NATIVE,)),
    (LATE_ARTERIAL, (ContrastWord.ARTERIAL,)),
    (LATE_VENOUS, (ContrastWord.LATE,)),
    (ARTERIAL, (ContrastWord.ARTERIAL,)),
    (PORTAL, (ContrastWord.PORTAL,)),
    (LATE, (ContrastWord.LATE,)),
    (GIVEN, (ContrastWord.GIVEN,)),
    (GIVEN_SIGN, (ContrastWord.GIVEN,)),
)
"""In this order; what one has read is taken out of the text before the next."""

NO_AGENT = {"none", "no", "nil", "nein", "non", "kein", "keine", "keines", "ohne", "n", "n/a", "na"}
NO_AGENT |= {"0", "-", "without", "not applied", "not given", "nicht appliziert", "aucun", "false"}
NO_AGENT |= {"off", "none given", "none used", "not administered", "not used", "sans", "pas", "sin"}
"""What is typed as a contrast agent where there was none."""

UNTOLD_AGENT = {"unknown", "unk", "unspecified", "unbekannt", "inconnu", "?", "other", "see report"}
"""What is typed where nobody knows: it says as little as an empty field."""

INERT = {"h2o", "nacl", "saline", "normal saline", "kochsalz", "air", "co2"}
"""What is drunk or flushed and enhances no blood."""

AGENTS = _words(
    *(r"omni\w*", r"visipaque\w*", r"isovue\w*", r"iopami\w*", r"solutrast\w*", r"ultravist\w*"),
    *(r"i?omeron\w*", r"imeron\w*", r"xenetix\w*", r"optiray\w*", r"accupaque\w*", r"oxilan\w*"),
    r"io(?:hexol|dixanol|meprol|promid\w*|versol|bitridol)\w*",
)
"""Agents that are injected."""

INTRAVENOUS = _words("iv", r"i\.v\.?", r"intra-?ven\w*", r"intra-?arter\w*", r"vein\w*", "inj")
"""Routes into the blood."""

LONGEST = 1000
"""Characters that are read; DICOM allows 64, a damaged header holds any number."""


def folded(text: str) -> str:
    """Lower case without accents; underscores and runs of blanks are one blank."""
    plain = unicodedata.normalize("NFKD", text[:LONGEST]).casefold()
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.sub(r"[\s_^]+", " ", plain).strip()


def contrast_words(text: str) -> frozenset[ContrastWord]:
    """What a description says of contrast medium; nothing where it says nothing.

    Native and a word of a phase together are both given: the text contradicts itself. Native
    stands above contrast medium as such, which may name the examination.
    """
    rest, found = folded(text), set()
    for pattern, words in PATTERNS:
        reduced = pattern.sub(" ; ", rest)
        if reduced != rest:
            found.update(words)
            rest = reduced
    if not found & PHASES_TOLD:
        found |= {word for pattern, word in PROTOCOLS if pattern.search(rest)}
    if ContrastWord.NATIVE in found:
        found.discard(ContrastWord.GIVEN)
    return frozenset(found)


def agent_word(agent: str, route: str = "") -> ContrastWord | None:
    """What the contrast agent and its route say: NATIVE, GIVEN or ORAL; None where nothing.

    Args:
        agent: (0018,0010), or the meanings of its codes.
        route: (0018,1040), or the meanings of its codes.
    """
    name = folded(agent)
    if not name or name in UNTOLD_AGENT:
        return None
    if name in INERT:
        return ContrastWord.ORAL
    words = contrast_words(agent)
    if name in NO_AGENT or ContrastWord.NATIVE in words:
        return ContrastWord.NATIVE
    way = folded(route)
    told = way if ORAL.search(way) or INTRAVENOUS.search(way) else name
    drunk, injected = ORAL.search(told), INTRAVENOUS.search(told) or AGENTS.search(told)
    return ContrastWord.ORAL if drunk and not injected else ContrastWord.GIVEN
