"""Text without invisible characters: they would be learnt as letters, and would keep words from being found."""

import re

LINE_END = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028]")
"""of other systems and times"""
WINDOWS = re.compile("[\x80-\x84\x86-\x9f]")
"""control characters that are letters of windows-1252 taken for those of Latin-1"""
JOINING = "\u0600-\u1cff\u2190-\u2bff\ua800-\uabff\ufb50-\ufdff\ufe0f\ufe70-\ufefc\U00010000-\U0001ffff"
"""scripts from Arabic on, and emoji: there a joiner or non-joiner after a letter changes what is read"""
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
"""what there may be to clean in a text of ASCII"""
UNSEEN = re.compile(
    "(\U0001f3f4[\U000e0020-\U000e007f]+)"  # a region's flag, which is kept
    "|\u00ad[ \t]*\n[ \t]*"  # a word cut at a line's end
    f"|(?<![{JOINING}])[\u200c\u200d]"
    "|\x1b\\[[0-?]*[ -/]*[@-~]"  # colours of a terminal
    "|[\x00-\x08\x0e-\x1f\x7f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0001\U000e0020-\U000e007f]"
)


def clean(text: str) -> str:
    """A text with line feeds for all line ends, and without soft hyphens, characters of no width, and control characters other than tabs.

    Joiners stay where they follow a letter of a script that needs them (Persian, Hindi) or an emoji. Marks of writing direction go.
    """
    if text.isascii() and not CONTROL.search(text):
        return text
    if WINDOWS.search(text):
        text = re.sub("[\x80-\x9f]", lambda one: one[0].encode("latin-1").decode("cp1252", "ignore"), text)
    return UNSEEN.sub(r"\1", LINE_END.sub("\n", text).replace("\u2029", "\n\n"))
