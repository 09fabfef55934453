"""The lineage page: its data, and a walk through it in a real browser with titles and passages that try to be markup."""

import dataclasses
import json
import re
import shutil

import pytest
import toys
from browser import Browser

from closedbook.analysis import lineage_page
from closedbook.records import EntityList, Passage, Passages
from closedbook.util import files

pytestmark = pytest.mark.slow

HOSTILE = (
    """"><img src=x onerror="window.pwned=1;alert(1)"></bdi></script><script>window.pwned=1</script>"""
    """#/?%2F&lt;{{7*7}}'\\"\u2028\u2029\u202e-->"""
)
OTHER = "clock-00000002"
FIRST = "harbour-00000001"
ONE_LINE = HOSTILE.replace("\u2028", " ").replace("\u2029", " ")


def call(key):
    return {"key": key, "model": "openai/large", "model_answered": "large-2", "settings": {"temperature": 0.7, "seed": 5},
            "sample": 0, "attempt": 0, "prompt": "pair", "prompt_sha256": "ab" * 32,
            "usage": {"prompt_tokens": 70, "completion_tokens": 30}, "cost_usd": 0.25, "finish_reason": "stop",
            "response_sha256": "cd" * 32}  # fmt: skip


def passages(folder, document, strategy, texts, listed=None):
    """The first of entigraph's is the entity list's summary, with its call."""
    path = folder / "passages" / strategy / f"{document}.json"
    made = [
        Passage(id=f"{document}/{strategy}/{number:012x}", document=document, strategy=strategy,
                kind="summary" if listed and not number else "pair", entities=[HOSTILE, "Varn"] if listed else [],
                sample=0, writer="llm", text=text, call=listed if listed and not number else call(f"{number:08x}".ljust(64, "0")))
        for number, text in enumerate(texts)
    ]  # fmt: skip
    dropped = [{"kind": "pair", "entities": [HOSTILE], "sample": 0, "reason": f"refused {HOSTILE}"}]
    Passages(document=document, strategy=strategy, passages=made, dropped=dropped).write(path)
    return path


def project(folder):
    """Two documents, one of them hostile in every text, and two arms: entigraph without its last passage, raw with all."""
    documents = [toys.document(folder, FIRST, HOSTILE, HOSTILE, f"Text {HOSTILE}"), toys.document(folder, OTHER, "The Clock", None)]
    lists, written = [], {"raw": [], "entigraph": []}
    for path in documents:
        name, listed = path.stem, call(path.stem.ljust(64, "0"))
        lists.append(folder / "entities" / path.name)
        EntityList(document=name, summary=f"Summary {HOSTILE}", entities=["Varn", HOSTILE], made_by="llm", why=None, maker="large-2",
                   call=listed).write(lists[-1])  # fmt: skip
        written["raw"].append(passages(folder, name, "raw", [f"Raw {HOSTILE}"]))
        written["entigraph"].append(passages(folder, name, "entigraph", [f"Passage {number} {HOSTILE}" for number in range(120)], listed))
    arms = list(written)
    return {
        "scores": [toys.score(folder, "base", "base"), *(toys.score(folder, f"{arm}-s1", arm) for arm in arms)],
        "runs": [toys.run(folder, arm, arm) for arm in arms],
        "corpora": [toys.corpus(folder, arm, written[arm], left_out=int(arm == "entigraph")) for arm in arms],
        "documents": documents, "entities": lists, "passages": [path for paths in written.values() for path in paths],
        "folder": folder / "report",
    }  # fmt: skip


def built(folder):
    inputs = project(folder)
    lineage_page.build(**inputs)
    return inputs["folder"]


def data(report, name):
    text = (report / "lineage" / "data" / f"{name}.js").read_text(encoding="ascii")
    head = f'lineage("{name}", '
    assert text.startswith(head) and text.endswith(");\n")
    return json.loads(text[len(head):-3])


def test_the_index_says_what_there_is_and_holds_no_text(tmp_path):
    report = built(tmp_path)
    index = data(report, "index")
    assert [score["run"] for score in index["scores"]] == ["base", "raw-s1", "entigraph-s1"]
    assert [run["model_sha256"] for run in index["runs"]] == ["5a" * 32] * 2
    first, other = index["documents"]
    assert (first["title"], other["author"], other["num_entities"]) == (HOSTILE, None, 2)
    assert first["sha256"] == files.sha256_file(tmp_path / "documents" / f"{FIRST}.json")
    assert first["written"]["entigraph"] == {"kinds": {"pair": 119, "summary": 1}, "num_dropped": 1}
    raw, entigraph = index["corpora"]
    assert raw["documents"] == {FIRST: [1, len("Raw ") + len(HOSTILE)], OTHER: [1, len("Raw ") + len(HOSTILE)]}
    assert [held[0] for held in entigraph["documents"].values()] == [119, 120], "the clock's are first; the last has no place"
    assert "Passage 1" not in json.dumps(index) and "Summary" not in json.dumps(index)


def test_a_passage_knows_its_places_and_its_call(tmp_path):
    report = built(tmp_path)
    [raw] = data(report, f"passages/raw/{OTHER}")["passages"]
    length = len("Raw ") + len(HOSTILE)
    assert raw["places"] == {"raw": [length, 2 * length]} and raw["text"] == f"Raw {HOSTILE}"
    last = data(report, f"passages/entigraph/{OTHER}")["passages"][-1]
    assert last["places"] == {} and last["call"]["model_answered"] == "large-2"
    assert data(report, f"documents/{FIRST}")["same_call"] == [f"{FIRST}/entigraph/{0:012x}"]
    assert dict(data(report, "entities")) == {"Varn": [0, 1], HOSTILE: [0, 1]}


def test_the_same_inputs_give_the_same_bytes(tmp_path):
    inputs = project(tmp_path)
    lineage_page.build(**inputs)
    report = inputs["folder"]
    before = {path: path.read_bytes() for path in report.rglob("*") if path.is_file()}
    lineage_page.build(**inputs)
    assert {path: path.read_bytes() for path in report.rglob("*") if path.is_file()} == before


@pytest.fixture(scope="module")
def browser():
    started = Browser()
    yield started
    started.driver.quit()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return built(tmp_path_factory.mktemp("project"))


OURS = {"A", "ARTICLE", "B", "BDI", "CODE", "DD", "DIV", "DL", "DT", "H1", "H2", "INPUT", "LI", "NAV", "OL", "OPTION", "P", "SECTION",
        "SELECT", "SPAN", "TABLE", "TBODY", "TD", "TH", "THEAD", "TR", "UL"}  # fmt: skip


def assert_inert(browser):
    """No element but the page's own, no script but those beside it, and nothing that the hostile texts would run."""
    tags, handlers, scripts, ran = browser.js("""
        const all = [...document.querySelectorAll("main, main *")];
        return [all.map(each => each.tagName), all.flatMap(each => each.getAttributeNames()).filter(name => name.startsWith("on")),
                [...document.scripts].map(each => each.getAttribute("src") ?? "inline"), alerts.length || window.pwned]""")
    assert set(tags) <= OURS | {"MAIN"} and not handlers and not ran
    assert all(re.fullmatch(r"lineage/[a-z0-9_/-]+\.js", script) for script in scripts)


def test_a_walk_from_a_score_to_a_call_and_back(browser, report):
    browser.open(report / "lineage.html", "#score/entigraph-s1")
    places = [("model", "entigraph-s1", ".box.model"), ("corpus", "entigraph", ".box.corpus"), ("document", ONE_LINE, ".listing"),
              ("passages", "entigraph", "table"), ("passage", f"{7:012x}", ".listing"), ("call", f"{7:08x}", ".box.call")]  # fmt: skip
    addresses = [browser.address]
    for kind, text, within in places:
        browser.click(text, within)
        addresses.append(browser.address)
        assert browser.address.startswith(f"#{kind}/"), browser.address
        assert_inert(browser)
    assert "openai/large" in browser.text("main") and f"{FIRST}/entigraph/{7:012x}" in browser.text("main")
    for address in addresses[-2::-1]:
        browser.back()
        assert browser.address == address and browser.js("return document.querySelector('h1') !== null")


def test_every_box_leads_back(browser, report):
    browser.open(report / "lineage.html", f"#passage/{FIRST}/entigraph/{7:012x}")
    assert browser.text("article") == f"Passage 7 {HOSTILE}"
    headings = {".box.document": f"{ONE_LINE} by {ONE_LINE}", ".box.entity": f"Entity list of {ONE_LINE}", ".box.call": f"Call {FIRST}"}
    for within, heading in headings.items():
        browser.click("", within)
        assert browser.text("h1") == heading
        assert_inert(browser)
    browser.click(f"{FIRST}/entigraph/{0:012x}")
    browser.click("entigraph-s1 0.600", ".box.score")
    assert browser.address == "#score/entigraph-s1"
    browser.click("toy", ".box.base")
    browser.click("base 0.600", ".box.score")
    assert browser.address == "#score/base" and "quality_closed" in browser.text("main")


def test_passages_come_fifty_at_a_time_and_going_back_finds_page_and_filter(browser, report):
    browser.open(report / "lineage.html", f"#passages/{FIRST}/entigraph")
    rows = "return document.querySelectorAll('.listing tbody tr').length"
    assert browser.js(rows) == 50 and "1–50 of 120" in browser.text("main")
    browser.click("after ›")
    browser.click(f"{60:012x}")
    browser.back()
    assert "51–100 of 120" in browser.text("main")
    browser.type("passage 11", ".listing input")
    assert browser.js(rows) == 12 and "1–12 of 12 (of 120)" in browser.text("main"), "11, 110 to 119, and 17, whose id ends in 11"
    browser.click(f"{117:012x}")
    browser.back()
    assert browser.js(rows) == 12
    assert_inert(browser)


def test_a_text_is_not_cut_through_a_character(browser, tmp_path):
    inputs = project(tmp_path)
    path = tmp_path / "passages" / "raw" / f"{OTHER}.json"
    record = files.read_json(path)
    record["passages"][0]["text"] = "\U0001f642" * 40 + "xlamp y" + "\U0001f642" * 200
    files.write_json(path, record)
    lineage_page.build(**inputs)
    for address in (f"#passages/{OTHER}/raw", "#search?words=lamp"):
        browser.open(inputs["folder"] / "lineage.html", f"#passages/{OTHER}/raw")
        browser.js("location.hash = arguments[0]", address)
        browser.until(f"document.querySelector('main').dataset.shown === '{address}'")
        assert browser.js("return document.querySelector('main').textContent.isWellFormed()"), address
        assert "lamp y" in browser.text("main")


def test_a_passage_beyond_the_budget_says_so_and_what_was_dropped_is_listed(browser, report):
    browser.open(report / "lineage.html", f"#passage/{OTHER}/entigraph/{119:012x}")
    assert "It had no place within the budget of entigraph." in browser.text("main")
    browser.open(report / "lineage.html", f"#passages/{OTHER}/entigraph")
    assert f"refused {ONE_LINE}" in browser.text("main")


def test_search_finds_documents_entities_corpora_and_words(browser, report):
    browser.open(report / "lineage.html")
    browser.type("the clock")
    browser.click("The Clock")
    assert browser.address == f"#document/{OTHER}"
    browser.type("onerror=")
    assert "Documents: 1" in browser.text("main") and "Entities: 1" in browser.text("main")
    assert_inert(browser)
    browser.click(ONE_LINE, "section:nth-of-type(2)")
    assert browser.text("h1") == f"Entity {ONE_LINE}" and browser.address.startswith("#entity/")
    browser.back()
    assert browser.address == "#search?words=onerror%3D"
    browser.type(f"{OTHER}/entigraph/{3:012x}")
    browser.click(f"{OTHER}/entigraph/{3:012x}")
    browser.type("passage 113")
    assert "Passages of The Clock: 1" in browser.text("main") and "closedbook trace --text" in browser.text("main")
    browser.type("entigraph")
    assert "Corpora: 1" in browser.text("main") and "Scores: 1" in browser.text("main")


@pytest.mark.parametrize("address", ["#document/nobody", "#document/../../x", "#passages/%2e%2e%2f/raw", "#passage", "#constructor",
                                     "#model/%E0%A4%A", f"#passages/{FIRST}/toString", f"#call/{FIRST}/raw/0",
                                     f"#entity/{HOSTILE[:9]}"])  # fmt: skip
def test_an_address_that_leads_nowhere_says_so(browser, report, address):
    browser.open(report / "lineage.html", address)
    assert browser.text("h1") == "Not here"
    assert_inert(browser)


def test_a_data_file_that_is_gone_is_named(browser, report, tmp_path):
    copy = shutil.copytree(report, tmp_path / "report")
    (copy / "lineage" / "data" / "documents" / f"{OTHER}.js").unlink()
    browser.open(copy / "lineage.html", f"#document/{OTHER}")
    assert f"lineage/data/documents/{OTHER}.js can’t be read" in browser.text("main")


def planted(report, folder, *, policy):
    """A copy of the page that makes markup of texts, with or without the policy that keeps scripts from running."""
    copy = shutil.copytree(report, folder / "report")
    script, html = copy / "lineage" / "dom.js", copy / "lineage.html"
    careless = re.sub(r'make\("bdi", \{\}, .*?\);', 'Object.assign(make("bdi", {}), {innerHTML: text});', script.read_text())
    bare = re.sub(r"<meta http-equiv[^>]*>", "", html.read_text())
    assert careless != script.read_text() and bare != html.read_text()
    script.write_text(careless)
    html.write_text(html.read_text() if policy else bare)
    return html


def test_the_check_for_inertness_would_see_markup_and_a_script(browser, report, tmp_path):
    browser.open(planted(report, tmp_path, policy=True), f"#document/{FIRST}")
    assert not browser.js("return alerts.length || window.pwned"), "the page's policy lets no handler run even so"
    with pytest.raises(AssertionError):
        assert_inert(browser)
    browser.open(planted(report, tmp_path / "bare", policy=False), f"#document/{FIRST}")
    browser.until("window.pwned === 1 && alerts.length")


def test_a_mixture_leads_to_the_passages_of_each_strategy_and_a_proposal_to_its_call(browser, tmp_path):
    inputs = project(tmp_path)
    corpus = tmp_path / "corpora" / "entigraph" / "corpus.json"
    record, part = files.read_json(corpus), {"share": 0.5, "passages": 3, "tokens": 40, "existing_tokens": 50}
    files.write_json(corpus, {**record, "strategy": "raw+entigraph", "strategies": {"raw": part, "entigraph": part}})
    written = tmp_path / "passages" / "entigraph" / f"{FIRST}.json"
    made = Passages.read(written)
    proposal = Passage(id=f"{FIRST}/entigraph/ways", document=FIRST, strategy="entigraph", kind="ways", entities=[], sample=0, writer="llm",
                       text=f"1. {HOSTILE}", call=call("e" * 64))  # fmt: skip
    studied = [*made.passages[:7], dataclasses.replace(made.passages[7], way=HOSTILE), *made.passages[8:]]
    dataclasses.replace(made, passages=studied, proposals=[proposal]).write(written)
    lineage_page.build(**inputs)
    browser.open(inputs["folder"] / "lineage.html", "#corpus/entigraph")
    assert "0.500" in browser.text("main") and "raw+entigraph" in browser.text("main")
    browser.click("raw", ".listing")
    assert browser.address == f"#passages/{OTHER}/raw" and "entigraph" in browser.text(".box.corpus"), "a corpus of two strategies"
    browser.open(inputs["folder"] / "lineage.html", f"#passage/{FIRST}/entigraph/{7:012x}")
    assert f"way of study{HOSTILE[:40]}" in browser.text("main dl")
    browser.open(inputs["folder"] / "lineage.html", f"#passages/{FIRST}/entigraph")
    assert browser.text("article") == f"1. {HOSTILE}"
    browser.click("e" * 64)
    assert browser.text("h1") == f"Call {'e' * 16}"
    assert_inert(browser)
