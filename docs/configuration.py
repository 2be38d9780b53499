"""Writes configuration.md from the schema: run after changing an option."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "rules" / "schemas" / "config.schema.yaml"
PAGE = ROOT / "docs" / "configuration.md"

HEAD = """# Options

Made by `docs/configuration.py` from `rules/schemas/config.schema.yaml`. Put what differs for your
cohort into a file of your own and pass it with `--configfile`.
"""


def page(schema: dict) -> str:
    """The whole page as Markdown: one section per part of the configuration."""
    sections = [HEAD]
    for name, part in schema["properties"].items():
        sections.append(f"\n## {name}\n\n{part['description']}\n\n{_table(name, part, schema)}")
    return "".join(sections)


def _table(prefix: str, part: dict, schema: dict) -> str:
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, default, option in options(prefix, part):
        cells = (f"`{key}`", _values(option, schema), f"`{default}`", option["description"])
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def options(prefix: str, part: dict):
    """Every option below a part as (dotted key, default as text, its schema)."""
    for key, option in part["properties"].items():
        if "properties" in option:
            yield from options(f"{prefix}.{key}", option)
        else:
            default = yaml.safe_dump(option["default"], default_flow_style=True, width=10_000)
            yield f"{prefix}.{key}", default.removesuffix("...\n").strip(), option


def _values(option: dict, schema: dict) -> str:
    """Allowed values in words."""
    if "$ref" in option:
        option = schema["$defs"][option["$ref"].rsplit("/", 1)[1]]
    if "oneOf" in option:
        return " or ".join(_values(choice, schema) for choice in option["oneOf"])
    if "enum" in option:
        return ", ".join("null" if value is None else str(value) for value in option["enum"])
    kinds = option.get("type", "any")
    words = " or ".join(kinds) if isinstance(kinds, list) else kinds
    if "items" in option:
        words = f"list of: {_values(option['items'], schema)}"
    limits = [
        f"{sign} {option[name]}"
        for name, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
            ("exclusiveMaximum", "<"),
            ("pattern", "matching"),
        )
        if name in option
    ]
    return " ".join([words, *limits])


if __name__ == "__main__":
    PAGE.write_text(page(yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))), encoding="utf-8")
