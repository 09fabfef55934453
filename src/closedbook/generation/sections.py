"""Long documents in sections: stretches of at most llm.sections words, each of which a language model is asked about by itself."""

import logging
import re
from bisect import bisect_left
from dataclasses import asdict, replace

from closedbook.records import Document, EntityList, Section
from closedbook.util import units

HEADING = re.compile(r"#{1,6} ")
"""of Markdown, and of a paper"""

log = logging.getLogger(__name__)


def split(document: Document, words: int | None) -> dict[str | None, Document]:
    """{None: the document} where it is no longer than `words`; else {"1 of 3": Section, …}, cut between paragraphs, of about one length.

    A heading stays with the paragraph under it. A paragraph that is longer by itself is cut between sentences, a longer sentence between words; a
    warning says so.
    """
    if words is None or units.count(document.text) <= words:
        return {None: document}
    parts = [part for paragraph in _paragraphs(document.text, words) for part in _parts(paragraph, words)]
    if cut := sum(before != "\n\n" for before, _ in parts):
        log.warning("%s: %d cuts inside of paragraphs that are longer than llm.sections, %d words", document.id, cut, words)
    texts = _packed(parts, _even(parts, words))
    found = [Section(**{**asdict(document), "text": text}, number=number, of=len(texts)) for number, text in enumerate(texts, start=1)]
    return {section.section: section for section in found}


def listed(shown: Document, entities: EntityList) -> EntityList:
    """A document's entity list; for a section of it that section's, with those entities of the document's that the section names."""
    if shown.section is None:
        return entities
    own = next(each for each in entities.sections if each.section == shown.section)
    known = {name.casefold() for name in own.entities}
    return replace(own, entities=[name for name in entities.entities if name.casefold() in known or _names(shown, name)])


def _names(shown: Document, entity: str) -> bool:
    text = units.apart(" ".join(shown.text.split()))
    return re.search(rf"(?<!\w){re.escape(units.apart(entity))}(?!\w)", text, re.IGNORECASE) is not None


def merged(lists: list[EntityList], most: int) -> EntityList:
    """One list of a document's sections' lists: first what each of them puts first, then what each puts second, …, no two alike."""
    ranks = range(max(len(each.entities) for each in lists))
    in_turn = (each.entities[rank] for rank in ranks for each in lists if rank < len(each.entities))
    names = {}
    for name in in_turn:
        names.setdefault(name.casefold(), name)
    by_model = [each for each in lists if each.made_by == "llm"]
    fell_back = [f"part {each.section}: {each.why}" for each in lists if each.why]
    return EntityList(document=lists[0].document, summary=units.joined([each.summary for each in lists]), entities=list(names.values())[:most],
                      made_by="llm" if by_model else "spacy", why="; ".join(fell_back) or None, maker=(by_model or lists)[0].maker, call=None,
                      sections=lists)


def _paragraphs(text: str, words: int) -> list[str]:
    """The paragraphs of a text, a heading as one with what follows where both together are short enough."""
    found = []
    for paragraph in text.split("\n\n"):
        if found and HEADING.match(found[-1].rpartition("\n\n")[2]) and units.count(f"{found[-1]} {paragraph}") <= words:
            found[-1] += f"\n\n{paragraph}"
        else:
            found.append(paragraph)
    return found


def _parts(paragraph: str, words: int) -> list[tuple[str, str]]:
    """(what stands before it, text) of what stays together."""
    if units.count(paragraph) <= words:
        return [("\n\n", paragraph)]
    line, found, end = " ".join(paragraph.split()), [], 0
    for piece in (piece for sentence in units.sentences(line) for piece in units.pieces(sentence, words)):
        start = line.index(piece, end)
        found.append((line[end:start] if found else "\n\n", piece))
        end = start + len(piece)
    return found


def _even(parts: list[tuple[str, str]], words: int) -> int:
    """The smallest length under which there are no more sections than there must be: the last is not a tiny one."""
    fewest, longest = len(_packed(parts, words)), max(units.count(text) for _, text in parts)
    return bisect_left(range(words), True, lo=longest, key=lambda most: len(_packed(parts, most)) <= fewest)


def _packed(parts: list[tuple[str, str]], most: int) -> list[str]:
    """Texts of at most so many words, each as full as the next part allows."""
    texts, length = [], most
    for before, text in parts:
        own = units.count(text)
        if length + own > most:
            texts.append(text)
            length = own
        else:
            texts[-1] += before + text
            length += own
    return texts
