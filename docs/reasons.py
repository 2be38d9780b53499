"""Writes reasons.md from the vocabulary of reasons: run after adding one."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reasons.md"
sys.path.insert(0, str(ROOT / "scripts"))

from bonecast.reasons import Reason  # noqa: E402
from bonecast.remedies import REMEDIES  # noqa: E402

HEAD = """# Why something was left out, and what can be done

Made by `docs/reasons.py` from the vocabulary in the code. `tables/ledger.tsv` counts every file,
series, scan and vertebra of a cohort under one of these codes or as kept; `tables/exclusions.tsv`
has each scan that was left out, `tables/series.tsv` each series. Codes are never renamed.

| code | what was found | what can be done |
|---|---|---|
"""


def page() -> str:
    """The whole page as Markdown: one row per reason, in the order data flows."""
    rows = [f"| `{reason}` | {reason.sentence} | {REMEDIES[reason]} |" for reason in Reason]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
