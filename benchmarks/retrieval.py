"""What retrieval costs without a model: chunks and index of 265 documents, and the answers to 4,609 questions.

    PYTHONPATH=src python benchmarks/retrieval.py

The texts are synthetic, of QuALITY's size: 5,000 words each, drawn by Zipf's law from a vocabulary of 40,000.
"""

import argparse
import time

import numpy as np

from closedbook.evaluation import embedded
from closedbook.evaluation.embedded import chunks
from closedbook.records import Document
from closedbook.stages.retrieval import best, query

WORDS_A_SENTENCE, SENTENCES_A_PARAGRAPH = 14, 4


def words(draw: np.random.Generator, number: int) -> list[str]:
    """Pronounceable ones, so that their lengths are those of words; the first are the most frequent."""
    syllables = [first + second for first in "bdfglmnprstv" for second in ("a", "e", "i", "o", "u", "an", "er", "ing")]
    return ["".join(draw.choice(syllables, size=draw.integers(1, 5))) for _ in range(number)]


def text(draw: np.random.Generator, vocabulary: np.ndarray, number: int) -> str:
    ranks = np.minimum(draw.zipf(1.15, number), len(vocabulary)) - 1
    drawn = list(vocabulary[ranks])
    sentences = [" ".join(drawn[at:at + WORDS_A_SENTENCE]).capitalize() + "." for at in range(0, number, WORDS_A_SENTENCE)]
    paragraphs = [" ".join(sentences[at:at + SENTENCES_A_PARAGRAPH]) for at in range(0, len(sentences), SENTENCES_A_PARAGRAPH)]
    return "\n\n".join(paragraphs)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--documents", type=int, default=265)
    options.add_argument("--words", type=int, default=5000)
    options.add_argument("--questions", type=int, default=4609)
    given = options.parse_args()
    draw = np.random.default_rng(1)
    vocabulary = np.array(words(draw, 40_000))
    documents = [Document(id=str(number), title=text(draw, vocabulary, 3), author="Ada Byron", year=1956,
                          text=text(draw, vocabulary, given.words)) for number in range(given.documents)]
    rows = [{"title": document.title, "author": document.author, "year": document.year, "question": text(draw, vocabulary, 12),
             "options": [text(draw, vocabulary, 8) for _ in range(4)]}
            for document in (documents[number % len(documents)] for number in range(given.questions))]
    started = time.perf_counter()
    texts = [chunk.text for document in documents for chunk in chunks(document, 1024)]
    cut = time.perf_counter()
    answers = embedded.scores(texts, [query(row) for row in rows])
    hits = [best(next(answers), 128)]
    indexed = time.perf_counter()
    hits += [best(scores, 128) for scores in answers]
    answered = time.perf_counter()
    print(f"{len(documents)} documents of {given.words:,} words, {len(texts):,} chunks, {len(hits):,} questions, one thread")
    print(f"  chunks                          {cut - started:6.2f} s")
    print(f"  index, and the first answer     {indexed - cut:6.2f} s")
    print(f"  the other answers, 128 of each  {answered - indexed:6.2f} s")


if __name__ == "__main__":
    main()
