"""The vocabulary of level naming: what was seen of a whole scan, and of single vertebrae.

Every state and flag is a code in the tables and a sentence in the report. A state says what
was seen and what it may mean; it does not decide between readings. Anatomists call the cases
lumbosacral transitional vertebra (a sacralised L5 or lumbarised S1; Castellvi et al., Spine
1984;9:493) and thoracolumbar transitional vertebra (T12 without ribs, ribs on L1): without a
count from C2 downwards the two cannot be told apart. A code is never renamed once released.
"""

from enum import StrEnum


class LevelState(StrEnum):
    """What the names of a scan rest on."""

    NORMAL = "normal"
    SACRUM_ONLY = "sacrum_only"
    SACRUM_CUT = "sacrum_cut"
    RIBS_ONLY = "ribs_only"
    NAMED_BY_MASK = "named_by_mask"
    NAMED_BY_MODEL = "named_by_model"
    SIX_LUMBAR = "six_lumbar"
    FOUR_LUMBAR = "four_lumbar"
    THIRTEEN_THORACIC = "thirteen_thoracic"
    ELEVEN_THORACIC = "eleven_thoracic"
    IRREGULAR_COUNT = "irregular_count"
    DISORDERED = "disordered"

    @property
    def sentence(self) -> str:
        """One sentence for the report."""
        return STATE_SENTENCES[self]

    @property
    def ambiguous(self) -> bool:
        """Whether another reading of the same scan would name its levels otherwise."""
        return self in AMBIGUOUS

    @property
    def advice(self) -> str:
        """What a person can do about it; empty where nothing needs doing."""
        if self is LevelState.DISORDERED:
            return "Correct the mask: its names do not follow each other."
        if not self.ambiguous:
            return ""
        return (
            "Look at the picture and decide: level_shift 0 in the participants table keeps "
            "the names, 1 or -1 moves all of them one level down or up."
        )


AMBIGUOUS = {
    # So little of a sacrum, and nothing else to count from, may be no sacrum.
    LevelState.SACRUM_CUT,
    LevelState.SIX_LUMBAR,
    LevelState.FOUR_LUMBAR,
    LevelState.THIRTEEN_THORACIC,
    LevelState.ELEVEN_THORACIC,
    LevelState.IRREGULAR_COUNT,
    LevelState.DISORDERED,
}

STATE_SENTENCES: dict[LevelState, str] = {
    LevelState.NORMAL: "Five vertebrae lie between the lowest ribs and the sacrum.",
    LevelState.SACRUM_ONLY: "The sacrum is in view, the lowest ribs are not: counted upwards.",
    LevelState.SACRUM_CUT: (
        "Only the top of a sacrum cut by the border is in view, no ribs: counted upwards."
    ),
    LevelState.RIBS_ONLY: "The lowest ribs are in view, the sacrum is not: counted from the ribs.",
    LevelState.NAMED_BY_MASK: "The names are those of the mask.",
    LevelState.NAMED_BY_MODEL: "The names are those the segmentation model gave.",
    LevelState.SIX_LUMBAR: (
        "Six vertebrae without ribs lie above the sacrum: a sixth lumbar vertebra (L6, or S1 "
        "lumbarised), or T12 without ribs."
    ),
    LevelState.FOUR_LUMBAR: (
        "Four vertebrae without ribs lie above the sacrum: L5 is part of the sacrum "
        "(sacralised), or L1 bears ribs."
    ),
    LevelState.THIRTEEN_THORACIC: (
        "A thirteenth thoracic vertebra is named: a supernumerary one, or L1 with ribs."
    ),
    LevelState.ELEVEN_THORACIC: (
        "L1 follows T11, nothing is named T12: it is absent, or T12 was named L1."
    ),
    LevelState.IRREGULAR_COUNT: (
        "The number of vertebrae between the lowest ribs and the sacrum is none that occurs: "
        "one of the two, or a vertebra, was probably not recognised."
    ),
    LevelState.DISORDERED: "The names do not follow each other along the spine.",
}


class LevelFlag(StrEnum):
    """What is odd about one vertebra, or about the scan."""

    # A vertebra
    CUT_BY_BORDER = "cut_by_border"
    OUT_OF_ORDER = "out_of_order"
    NAME_SKIPPED = "name_skipped"
    GAP = "gap"
    WIDE_SPACING = "wide_spacing"
    NARROW_SPACING = "narrow_spacing"
    OFF_LINE = "off_line"
    TWO_PLACES = "two_places"
    FRAGMENTS = "fragments"
    TWO_BODIES = "two_bodies"
    LEAKS = "leaks_into_neighbour"
    VOLUME_JUMP = "volume_jump"
    TOUCHING = "touching"
    RIB_MISMATCH = "rib_mismatch"
    BEYOND_DOUBT = "counted_over_doubt"
    # A scan
    UPSIDE_DOWN = "upside_down"
    SIDES_SWAPPED = "sides_swapped"
    ISLANDS_DROPPED = "islands_dropped"
    SACRUM_AS_BODY = "sacrum_as_body"
    SACRUM_FAR = "sacrum_far"
    ISOLATED_RIB = "isolated_rib"

    @property
    def sentence(self) -> str:
        """One sentence for the report."""
        return FLAG_SENTENCES[self]


FLAG_SENTENCES: dict[LevelFlag, str] = {
    LevelFlag.CUT_BY_BORDER: "The border of the scan cuts the vertebra.",
    LevelFlag.OUT_OF_ORDER: "The vertebra lies on the wrong side of another by its name.",
    LevelFlag.NAME_SKIPPED: "The next vertebra follows at the usual distance, but a name is left "
    "out between them.",
    LevelFlag.GAP: "A vertebra between this one and the next was not segmented.",
    LevelFlag.WIDE_SPACING: "The next vertebra by name lies too far away.",
    LevelFlag.NARROW_SPACING: "The next vertebra lies too near.",
    LevelFlag.OFF_LINE: "The vertebra lies beside the line of its neighbours.",
    LevelFlag.TWO_PLACES: "The name is used in two places.",
    LevelFlag.FRAGMENTS: "The body is in several pieces.",
    LevelFlag.TWO_BODIES: "The body is as tall as two.",
    LevelFlag.LEAKS: "The label reaches into the neighbouring body.",
    LevelFlag.VOLUME_JUMP: "The body's volume does not fit its neighbours'.",
    LevelFlag.TOUCHING: "The body's label touches its neighbour's: no disc between them.",
    LevelFlag.RIB_MISMATCH: "The rib beside the vertebra has another number than the vertebra.",
    LevelFlag.BEYOND_DOUBT: "Between this vertebra and where counting began one may be missed.",
    LevelFlag.UPSIDE_DOWN: "All names run from foot to head: the scan or mask is upside down.",
    LevelFlag.SIDES_SWAPPED: (
        "Organs lie on the wrong sides: the scan is mirrored, or the patient has situs inversus."
    ),
    LevelFlag.ISLANDS_DROPPED: "Pieces beside the line of the spine were not taken for vertebrae.",
    LevelFlag.SACRUM_AS_BODY: "A piece enclosed by the sacrum was counted as sacrum.",
    LevelFlag.SACRUM_FAR: "The sacrum is in view but far from the lowest vertebra.",
    LevelFlag.ISOLATED_RIB: "A rib below vertebrae without ribs was not counted from.",
}
