"""What of a page's text is read: what a browser shows, in paragraphs, whatever its author forgot to close."""

import time

import pytest

from closedbook.sources import markup


@pytest.mark.parametrize(("html", "paragraphs"), [
    ("<!doctype html><meta charset=utf-8><head><title>T</title><body><h1>The Weir</h1><p>It held.<p>Still.", ["The Weir", "It held.", "Still."]),
    ("<html><head><title>T</title><main><p>No end of head.", ["No end of head."]),
    ("<p>Before.<button>Menu<p>The text goes on.<p>And on.", ["Before. Menu", "The text goes on.", "And on."]),
    ("<div>Read <button>Buy</button>this.</div>", ["Read this."]),
    ("<li><nav>Home</li></ul><p>Text.", ["Text."]),
    ("<p>One.</p><!-- never closed <p>Two.", ["One."]),
    ("<p>One.</p><script>var a = '</scriptx><p>no</p>'</script>Two.", ["One.", "Two."]),
    ("<p>a<svg><title>s</title><text>no</text></svg>b", ["ab"]),
    ("<p>a</p><p hidden>no</p><p style='color:red; display : none'>no</p><template><p>no</p></template><iframe><p>no</iframe>b", ["a", "b"]),
    ("<noscript><p>Turn it on.</p></noscript><video>Too old.</video><p>a", ["a"]),
    ("<ruby>漢<rp>[</rp><rt>kan</rt><rp>]</rp></ruby>字", ["漢(kan)字"]),
    ("one<form>two<fieldset><legend>three</legend>four</form>five", ["one", "two", "three", "four", "five"]),
    ("<table><tr><td>1<td>2<tr><td>3</table>after", ["1 2", "3", "after"]),
    ("a\0b &#x92; &nbsp;c &lt", ["ab ’ c <"]),
    ("<meta charset=latin1><?xml encoding='latin1'?><p>Müller", ["Müller"]),
    ("<body><embed src=a hidden=true><p>One.<p>a<wbr hidden>b", ["One.", "ab"]), ("<audio><source>x<embed></audio>b", ["b"]),
    ("", []),
])
def test_what_a_browser_shows(html, paragraphs):
    assert markup.read(html).paragraphs == paragraphs


def test_what_a_page_says_of_itself():
    page = markup.read("""<svg><title>no</title></svg><title> The
        Lamp </title><title>no</title><meta name=DC.Creator content="Ann Lee"><link rel="x LICENSE" href="by"><nav><h2>no</h2></nav><h1>A <b>B</b></h1><h1>C</h1>""")
    assert (page.title, page.heading, page.author, page.license) == ("The Lamp", "A B", "Ann Lee", "by")


@pytest.mark.parametrize("piece", ["<div>", "<h1>a", "<nav>", "<b><p>", "<svg ", "<!--", "<button>", "<table><td>", "<ul><li><a>", "<title>", "&", "<p>a</p>"])
def test_time_grows_with_the_length_alone(piece):
    """Ten times the text took a hundred times the time with a tree and with regular expressions that look ahead."""
    begin = time.process_time()
    markup.read(piece * 100_000).paragraphs
    markup.without_comments(piece * 100_000)
    assert time.process_time() - begin < 10, "a quadratic way takes minutes"


def test_comments_go_and_one_that_is_never_closed_stays():
    assert markup.without_comments("a<!-- b\n -->c<!-- d <!-- e -->f --> g <!-- h") == "acf --> g <!-- h"
