import re

import pytest

from closedbook.sources import article


@pytest.mark.parametrize(("entry", "prose"), [
    ("Harris, Larry M.", "Larry M. Harris"),
    ("Larry M. Harris", "Larry M. Harris"),
    ("Slate", "Slate"),
    ("  Harris,\n Larry  M. ", "Larry M. Harris"),
    ("Coppel, Alfred, Jr.", "Alfred Coppel Jr."),
    ("Coppel, Jr., Alfred", "Alfred Coppel Jr."),
    ("Coppel, Alfred Jr.", "Alfred Coppel Jr."),
    ("Alfred Coppel, Jr.", "Alfred Coppel Jr."),
    ("Strykalski, David Farragut, III", "David Farragut Strykalski III"),
    ("Vogt, A. E. van", "A. E. van Vogt"),
    ("van Vogt, A. E.", "A. E. van Vogt"),
    ("Le Guin, Ursula K.", "Ursula K. Le Guin"),
    ("Pohl, Frederik; Kornbluth, C. M.", "Frederik Pohl and C. M. Kornbluth"),
    ("Pohl, Frederik; Kornbluth, C. M.; Merril, Judith", "Frederik Pohl, C. M. Kornbluth and Judith Merril"),
    ("Garrett, Randall and Janifer, Laurence M.", "Randall Garrett and Laurence M. Janifer"),
    ("Randall Garrett and Larry M. Harris", "Randall Garrett and Larry M. Harris"),
    ("Ann Lee, Bob Ray and Cy Poe", "Ann Lee, Bob Ray and Cy Poe"),
    ("Ann Lee, Bob Ray, and Cy Poe", "Ann Lee, Bob Ray, and Cy Poe"),
    ("Acme Valves, Inc.", "Acme Valves Inc."),
    ("Johnson & Johnson", "Johnson & Johnson"),
    ("Unknown", None),
    (" ", None),
    (None, None),
])
def test_author_in_prose(entry, prose):
    assert article.author_in_prose(entry) == prose


@pytest.mark.parametrize("title", ["../../etc/x", "$(touch x)", "'; \"quoted\" `x`", "two\nlines", "🙂🙂", "Ελληνικά", "x" * 500, "-- x"])
def test_ids_are_safe_in_paths(title):
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}-[0-9a-f]{8}", article.document_id(title, title))


def test_ids_tell_identities_apart_and_accents_from_nothing():
    assert article.document_id("The Café", "a") != article.document_id("The Café", "b")
    assert article.document_id("The Café", "a").startswith("the-cafe-")
    assert article.document_id("e\u0301", "e\u0301") == article.document_id("é", "é")
