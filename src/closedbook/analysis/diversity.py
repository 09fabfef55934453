"""How varied a strategy's texts are: the share of distinct word 4-grams, and how much zlib compresses them, over equally many words.

Distinct-n is Li et al. 2016's (arXiv 1510.03055); the compression ratio is among what Shaib et al. 2024, "Standardizing the Measurement of
Text Diversity" (arXiv 2403.00553), find enough to report. A longer text repeats more, so only texts of one length are compared.
"""

import heapq
import zlib
from pathlib import Path

from closedbook.analysis import table
from closedbook.records import Passages
from closedbook.util import files, units

SIZE = 4
"""words of an n-gram"""
MAX_WORDS = 1_000_000
"""read of a corpus; what lies behind is not held in memory"""
LEVEL = 9
"""zlib's; it sees a repetition within 32 KiB, which is about 5,000 words"""


def measure(corpora: list[Path], passages: list[Path]) -> dict:
    """{"max_words", "lengths", "strategies": [{"strategy", "corpus", "words", "measured"}]}, the contents of diversity.json.

    One row per strategy in the order of the table: its largest corpus, of the first training seed; a mixture is a strategy of its own. The text is
    the corpus's passages in order, the last one whole even where the budget cut it; words are those of units, as they are written. `lengths` (words) are
    that of the shortest text and that of the shortest that is no document; "measured" has {"distinct_4", "compression_ratio"} for each
    of them, None where the text is too short. `corpora` are folders, `passages` the files of all their strategies.
    """
    chosen = _largest(corpora)
    texts = {corpus["strategy"]: _text(corpus, passages) for corpus in chosen}
    words = {strategy: units.count(text) for strategy, text in texts.items()}
    lengths = _lengths(words)
    rows = [
        {"strategy": strategy, "corpus": corpus["path"].parent.name, "words": words[strategy],
         "measured": [_measured(units.words(texts[strategy])[:length], length) for length in lengths]}
        for strategy, corpus in zip(texts, chosen)
    ]  # fmt: skip
    return {"max_words": MAX_WORDS, "lengths": lengths, "strategies": rows}


def distinct(words: list[str]) -> float:
    """Distinct n-grams as a share of all; where there is none, none repeats."""
    grams = list(zip(*(words[start:] for start in range(SIZE))))
    return len(set(grams)) / len(grams) if grams else 1.0


def compression_ratio(words: list[str]) -> float:
    """Bytes of the words, as UTF-8 with a space between, for each byte that zlib makes of them."""
    text = " ".join(words).encode("utf-8")
    return len(text) / len(zlib.compress(text, LEVEL))


def _largest(corpora: list[Path]) -> list[dict]:
    """The corpus.json, with its path, of each strategy's largest corpus; of one size's several, the first seed's."""
    found = [{**files.read_json(path), "path": path} for path in (Path(folder) / "corpus.json" for folder in corpora)]
    firsts = {(corpus["strategy"], corpus["size"]): corpus for corpus in reversed(found)}.values()
    largest = {corpus["strategy"]: corpus for corpus in sorted(firsts, key=lambda corpus: corpus["corpus_tokens"])}
    return sorted(largest.values(), key=lambda corpus: table.place(corpus["strategy"]))


def _text(corpus: dict, passages: list[Path]) -> str:
    """The first MAX_WORDS words of a corpus. No more than these and one file of passages are held: of the passages met so far, those go
    that have as many words before them."""
    places = {row["id"]: place for place, row in enumerate(files.read_json_lines(corpus["path"].parent / "passages.jsonl"))}
    held, num_words = [], 0  # (−place, words, text): the last passage is the first to go
    for path in passages:
        if path.parent.name not in corpus["strategies"]:
            continue
        for passage in Passages.read(path).passages:
            if passage.id in places:
                heapq.heappush(held, (-places[passage.id], length := units.count(passage.text), passage.text))
                num_words += length
            while held and num_words - held[0][1] >= MAX_WORDS:
                num_words -= heapq.heappop(held)[1]
    words = [word for _, _, text in sorted(held, reverse=True) for word in units.words(text)]
    return " ".join(words[:MAX_WORDS])


def _lengths(words: dict[str, int]) -> list[int]:
    written = [length for strategy, length in words.items() if strategy != "raw"]
    return sorted({min(words.values()), min(written or words.values())})


def _measured(words: list[str], length: int) -> dict | None:
    return {"distinct_4": distinct(words), "compression_ratio": compression_ratio(words)} if len(words) == length else None
