"""Values, texts and bytes as people, editors and servers spoil them; all drawn from the random.Random that is given."""

import copy
import json
import random

WORDS = ("Mira", "the harbour", "Varn", "counted", "ships", "by lamp", "and", "the council met", "in winter", "sold a compass")
TEXTS = ("", " ", "x", "null", "yes", "2023-02-30", "---", "...", "../..", "/etc/passwd", "\x1b[31mred\x1b[0m", "\u202egnp", "\u200b",
         "\x00", "\ufeff", "<b>", "</html>", "&#0;&#xd800;", "{{", "$first", "%s", "’quoted’", "é", "e\u0301", "港口", "עברית", "😀",
         "\r", "\n\n", "\t", "a: b: c", "!!python/object/apply:os.system [ls]", "<think>", "</think>", "<|im_start|>", "9" * 400, "x" * 5_000,
         "\r\n", "\x85", "\u200d", "\u00ad", "\u2028", "\u2029", "\x0c", "\x91", "<p>", "<!--", "-->", "&shy;", "&nbsp;", "ที่", "می\u200cخواهم",
         "👩\u200d❤\ufe0f", "\u0301", "\ufffe", "\u3000", '"', "\\")  # fmt: skip
VALUES = (None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e-9, 1e308, 2**31, 2**63, 10**30, float("inf"), float("nan"), [], {}, [[]],
          [None], {"": None}, {"a": {"b": []}}, ["x"] * 300)  # fmt: skip
HALF = "\ud83d"
"""half a character, which JSON can spell and UTF-8 can't"""
BYTES = (b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"<", b">", b"&", b'"', b"{", b"}", b"/", b"%PDF-1.7", b"PK\x03\x04",
         b"endobj", b"<?xml version='1.0' encoding='utf-7'?>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"</head>", b"<script>",
         b"\xed\xa0\xbd")  # fmt: skip


def prose(draw: random.Random, words: int = 40) -> str:
    return " ".join(draw.choices(WORDS, k=words)) + "."


def junk(draw: random.Random):
    """A value of any type that YAML and JSON know."""
    kind = draw.random()
    if kind < 0.4:
        return draw.choice(TEXTS)
    if kind < 0.9:
        return copy.deepcopy(draw.choice(VALUES))
    return draw.choice((nested(50), draw.randrange(-(10**6), 10**6), draw.uniform(-100, 100), HALF))


def nested(depth: int) -> list:
    found = []
    for _ in range(depth):
        found = [found]
    return found


def mutated(draw: random.Random, value):
    """A copy of nested dicts and lists with one to three places changed, added, renamed, doubled or removed."""
    value = copy.deepcopy(value)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            return junk(draw)
        holder, key = draw.choice(places)
        change = draw.random()
        if change < 0.6:
            holder[key] = junk(draw)
        elif change < 0.75:
            del holder[key]
        elif isinstance(holder, list):
            holder.insert(draw.randrange(len(holder) + 1), draw.choice((holder[key], junk(draw))))
        else:
            holder[draw.choice((f"{key}s", str(key)[:-1], draw.choice(TEXTS)))] = holder.pop(key) if change < 0.85 else junk(draw)
    return value


def _places(value):
    """Every (holder, key or index) in nested dicts and lists, as deep as people nest."""
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            yield holder, key
            waiting.append(holder[key])


def spoilt(draw: random.Random, data: bytes) -> bytes:
    """With bytes changed, cut out, doubled, put in, or the end missing."""
    for _ in range(draw.choice((1, 1, 2, 5, 20))):
        begin, end = sorted(draw.randrange(len(data) + 1) for _ in range(2))
        change = draw.random()
        if change < 0.4:
            data = data[:begin] + draw.choice(BYTES) + data[begin + draw.randrange(3) :]
        elif change < 0.6:
            data = data[:begin] + bytes([draw.randrange(256)]) + data[begin + 1 :]
        elif change < 0.75:
            data = data[:begin] + data[min(end, begin + draw.randrange(200)) :]
        elif change < 0.9:
            data = data[:end] + data[begin:end][:2_000] * draw.choice((1, 3)) + data[end:]
        else:
            data = data[:end]
    return data


def as_json(value) -> bytes:
    """NaN and half characters as Python spells them: servers do so too."""
    return json.dumps(value).encode()


def deep(draw: random.Random) -> bytes:
    """JSON, and YAML, deeper than a recursive parser can go."""
    depth = draw.choice((900, 5_000, 100_000))
    return draw.choice((b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth))
