"""Licences as documents state them, under the Hugging Face Hub's own names: a card that gives another one is refused there."""

import re
from collections.abc import Iterable

IDS = frozenset(
    "afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 "
    "cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 "
    "cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0 ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 gfdl gpl gpl-2.0 "
    "gpl-3.0 isc lgpl lgpl-2.1 lgpl-3.0 mit mpl-2.0 odbl odc-by ofl-1.1 openrail osl-3.0 pddl postgresql unlicense wtfpl zlib".split()
)
"""https://huggingface.co/docs/hub/repositories-licenses, those that texts come under"""
ADDRESS = re.compile(r"https?://creativecommons\.org/(?:licenses|publicdomain)/([a-z-]+)/([\d.]+)(?:/.*)?$")


def heading(stated: Iterable[str | None]) -> dict:
    """What a card's front matter says of documents with these licences, None where a document states none: nothing unless each states one, for a
    card speaks of all of them."""
    stated = [*stated]
    if not stated or None in stated:
        return {}
    ids = {text: hub_id(text) for text in sorted(set(stated))}
    others = [text for text, known in ids.items() if known is None]
    found = sorted({known or "other" for known in ids.values()})
    return {"license": found[0] if len(found) == 1 else found} | ({"license_name": "; ".join(others)} if others else {})


def hub_id(text: str) -> str | None:
    """The Hub's name of a licence, however it is spelt ("CC BY 4.0", "MIT License", its address); None where it has none."""
    if found := ADDRESS.match(text.strip().lower()):
        kind, version = found.groups()
        text = {"zero": "cc0", "mark": "public domain"}.get(kind, f"cc-{kind}") + f"-{version}"
    name = re.sub(r"[\s_]+", "-", text.strip().lower()).removesuffix("-license").removesuffix("-licence")
    return name if name in IDS else None
