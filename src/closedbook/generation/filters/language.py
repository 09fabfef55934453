"""Language: models drift into another one now and then, most of all in a long answer. Detected by lingua, whose language models are its own."""

from functools import lru_cache

COMMON = ("ar", "de", "en", "es", "fr", "hi", "it", "ja", "ko", "nl", "pl", "pt", "ru", "tr", "zh")
"""languages that a text is compared with, beside the wanted ones: all 75 that lingua knows take three times as long, and a text in a
language that is not here is taken for one that is, hardly ever for a wanted one"""
CHARACTERS = 500
"""read of a text's beginning, and of its end: a text that drifts has drifted by then"""


def rule(languages: list[str] | None):
    """`languages`: ISO 639-1 codes; None lets every language pass. So does a text whose language cannot be detected."""
    if languages is None:
        return None
    detector = _detector(tuple(sorted({*COMMON, *languages})))

    def look(text: str) -> dict | None:
        for part in dict.fromkeys((text[:CHARACTERS], text[-CHARACTERS:])):
            told = detector.detect_language_of(part)
            if told and (code := told.iso_code_639_1.name.lower()) not in languages:
                return {"language": code}
        return None

    return look


@lru_cache(maxsize=1)
def _detector(codes: tuple[str, ...]):
    """Made once for all documents of a process."""
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    return LanguageDetectorBuilder.from_iso_codes_639_1(*(IsoCode639_1.from_str(code.upper()) for code in codes)).build()
