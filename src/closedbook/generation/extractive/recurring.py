"""What a text in a script without spaces names: the runs of words (see units) that come back in it.

Where no capital and no space marks a name, its repetition does. A word of a closed class of Chinese ends a run, and so does hiragana,
which is Japanese grammar for the most part. That finds terms rather than names, and nothing that is said once: a trained pipeline
(spacy.model) or a language model does better.
"""

import re
from collections import defaultdict

from closedbook.generation.extractive.mentions import Mention
from closedbook.generation.extractive.reading import Sentence, Word
from closedbook.util import units

LONGEST = 8
ENDS = frozenset("的了在是和与及而就也都着过吗呢吧啊这那哪他她它们我你您个之其于以把被从向对没不很每又但或到去来说")
HIRAGANA = re.compile("[\u3041-\u309f]")
WIDE = re.compile(f"[{units.WIDE}]")
FEWEST_WIDE, FEWEST = 2, 4
"""words of a run: of Chinese or Japanese, of others, whose words are letters"""
TIMES = 2
DOTS = frozenset("·・‧")
"""between the parts of a foreign name"""


def runs(sentences: list[Sentence]) -> list[Mention]:
    """Those that are said at least twice, without any that is only ever part of one longer run."""
    found: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for sentence in sentences:
        for stretch in _stretches(sentence.words):
            for start in range(len(stretch)):
                for end in range(start + 1, min(start + LONGEST, len(stretch)) + 1):
                    found[tuple(stretch[start:end])].append(sentence.index)
    found = {run: places for run, places in found.items() if len(places) >= TIMES}
    within = {part for run, places in found.items() for part in (run[1:], run[:-1]) if part and len(found[part]) == len(places)}
    return [_mention("".join(run), places) for run, places in found.items()
            if run not in within and len(run) >= _fewest(run) and not DOTS & {run[0], run[-1]}]


def _mention(name: str, places: list[int]) -> Mention:
    mention = Mention(name, "name")
    for place in places:
        mention.add(place, name)
    return mention


def _fewest(run: tuple[str, ...]) -> int:
    return FEWEST_WIDE if WIDE.match(run[0]) else FEWEST


def _stretches(words: tuple[Word, ...]):
    """Words side by side of a script without spaces, between punctuation, spaces and what ends a run."""
    stretch: list[str] = []
    for word in words:
        letter = units.is_unspaced(word.text) and word.text not in ENDS and not HIRAGANA.match(word.text)
        inside = letter or (stretch and word.text in DOTS)
        if inside:
            stretch.append(word.text)
        if stretch and (not inside or word.spaced):
            yield stretch
            stretch = []
    if stretch:
        yield stretch
