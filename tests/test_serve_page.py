"""The served page: a walk through the lineage in a real browser with titles and passages that try to be markup."""

import json
import re
import shutil
import threading
from contextlib import chdir
from pathlib import Path

import pytest
import toy_project
import toys
from browser import Browser
from openai_server import Server, streams
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from toy_project import FIRST, HOSTILE, ONE_LINE, OTHER

from closedbook import layout
from closedbook.serve import app
from closedbook.util import files

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    started = Browser()
    yield started
    started.driver.quit()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return toy_project.make(tmp_path_factory.mktemp("made") / "project", context=1024)


@pytest.fixture(scope="module")
def page(made):
    with toy_project.served(made) as address:
        yield address


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture
def project(made, tmp_path):
    """Results that a test may change."""
    return shutil.copytree(made, tmp_path / "project")


OURS = {"A", "ARTICLE", "B", "BDI", "BUTTON", "CODE", "DD", "DETAILS", "DIV", "DL", "DT", "FORM", "H1", "H2", "H3", "INPUT", "LABEL", "LI", "NAV",
        "OL", "OPTION", "P", "SECTION", "SELECT", "SPAN", "SUMMARY", "TABLE", "TBODY", "TD", "TEXTAREA", "TH", "THEAD", "TR", "UL"}  # fmt: skip


def assert_inert(browser):
    """No element but the page's own, no script but those beside it, and nothing that the hostile texts would run."""
    tags, handlers, scripts, ran = browser.js("""
        const all = [...document.querySelectorAll("main, main *")];
        return [all.map(each => each.tagName), all.flatMap(each => each.getAttributeNames()).filter(name => name.startsWith("on")),
                [...document.scripts].map(each => each.getAttribute("src") ?? "inline"), alerts.length || window.pwned]""")
    assert set(tags) <= OURS | {"MAIN"} and not handlers and not ran
    assert all(re.fullmatch(r"/page/[a-z]+\.js", script) for script in scripts)


def test_from_an_assistant_s_score_one_comes_to_its_run(browser, project):
    with chdir(project):
        path = toy_project.score(Path("results"), "talker-s1", "talker")
        files.write_json(path, files.read_json(path) | {"strategy": "assistant", "of": {"run": "entigraph-s1", "arm": "entigraph", "method": "vector"}})
        toys.receipt("scores/talker-s1", [], [path])
        for name in ("talker-s1", "quiet-s1"):
            files.write_json(layout.assistant_facts(name), {"assistant": name, "run": "entigraph-s1", "method": "vector"})
            toys.receipt(f"assistants/{name}", [], [layout.ASSISTANTS / name])
    with toy_project.served(project) as page:
        browser.open(page, "#model/entigraph-s1")
        assert "assistants made of itquiet-s1, talker-s1" in browser.text("dl")
        browser.open(page, "#lineage")
        assert "quiet-s1 (not scored)" in browser.text("main")
        browser.click("talker-s1")
        assert browser.address == "#score/talker-s1" and "an assistant of entigraph-s1 (vector)" in browser.text("main")
        browser.click("entigraph-s1", "dl")
        assert browser.address == "#model/entigraph-s1" and "talker-s1" in browser.text(".box.score")


def test_a_walk_from_a_score_to_a_call_and_back(browser, page):
    browser.open(page, "#score/entigraph-s1")
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


def test_every_box_leads_back(browser, page):
    browser.open(page, f"#passage/{FIRST}/entigraph/{7:012x}")
    assert browser.text("article") == f"Passage 7 {HOSTILE}"
    headings = {".box.document": f"{ONE_LINE} by {ONE_LINE}", ".box.entity": f"Entity list of {ONE_LINE}", ".box.call": f"Call {FIRST}"}
    for within, heading in headings.items():
        browser.click("", within)
        assert browser.text("h1") == heading
        assert_inert(browser)
    browser.click(f"{FIRST}/entigraph/{0:012x}")
    browser.click("entigraph-s1 0.600", ".box.score")
    assert browser.address == "#score/entigraph-s1"
    browser.click("results/base", ".box.base")
    browser.click("base 0.600", ".box.score")
    assert browser.address == "#score/base" and "quality_closed" in browser.text("main")


def test_passages_come_fifty_at_a_time_and_going_back_finds_page_and_filter(browser, page):
    browser.open(page, f"#passages/{FIRST}/entigraph")
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


def test_a_text_is_not_cut_through_a_character(browser, project):
    path = project / "results/passages/raw" / f"{OTHER}.json"
    record = files.read_json(path)
    record["passages"][0]["text"] = "\U0001f642" * 40 + "xlamp y" + "\U0001f642" * 200
    files.write_json(path, record)
    with chdir(project):
        toy_project.keep("raw", OTHER)
    with toy_project.served(project) as page:
        for address in (f"#passages/{OTHER}/raw", "#search?words=lamp"):
            browser.open(page, f"#passages/{OTHER}/raw")
            browser.js("location.hash = arguments[0]", address)
            browser.until(f"document.querySelector('main').dataset.shown === '{address}'")
            assert browser.js("return document.querySelector('main').textContent.isWellFormed()"), address
            assert "lamp y" in browser.text("main")


def test_a_passage_beyond_the_budget_says_so_and_what_was_dropped_is_listed(browser, page):
    browser.open(page, f"#passage/{OTHER}/entigraph/{119:012x}")
    assert "It had no place within the budget of entigraph." in browser.text("main")
    browser.open(page, f"#passages/{OTHER}/entigraph")
    assert f"refused {ONE_LINE}" in browser.text("main")


def test_search_finds_documents_entities_corpora_and_words(browser, page):
    browser.open(page)
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
def test_an_address_that_leads_nowhere_says_so(browser, page, address):
    browser.open(page, address)
    assert browser.text("h1") == "Not here"
    assert_inert(browser)


def test_a_result_that_is_gone_or_was_edited_is_named_and_one_made_again_is_shown(browser, project):
    path = project / "results/passages/raw" / f"{OTHER}.json"
    before = path.read_text()
    with toy_project.served(project) as page:
        browser.open(page, f"#document/{OTHER}")
        path.unlink()
        browser.click("raw", "table")
        assert f"results/passages/raw/{OTHER}.json: is not here" in browser.text("main")
        path.write_text(before.replace('"Raw ', '"Rare '))
        browser.open(page, f"#passages/{OTHER}/raw")
        assert "is not what results/receipts" in browser.text("main")
        browser.open(page, "#lineage")
        with chdir(project):
            toy_project.keep("raw", OTHER)
        browser.js("location.hash = arguments[0]", f"#passages/{OTHER}/raw")
        browser.until(f"document.querySelector('main').dataset.shown === '#passages/{OTHER}/raw'")
        assert "Rare " in browser.text("main")


def planted(folder, *, policy: bool) -> str:
    """Code that has the server show a page which makes markup of texts, with or without the policy that keeps scripts from running."""
    copy = shutil.copytree(app.PAGE, folder / "page")
    script = copy / "dom.js"
    careless = re.sub(r'make\("bdi", \{\}, .*?\);', 'Object.assign(make("bdi", {}), {innerHTML: text});', script.read_text())
    assert careless != script.read_text()
    script.write_text(careless)
    return (f"from pathlib import Path; from closedbook.serve import app, guard; app.PAGE = Path({str(copy)!r})"
            + ("" if policy else "; guard.POLICY = 'img-src *'"))


def test_the_check_for_inertness_would_see_markup_and_a_script(browser, made, tmp_path):
    with toy_project.served(made, planted=planted(tmp_path, policy=True)) as page:
        browser.open(page, f"#document/{FIRST}")
        assert not browser.js("return alerts.length || window.pwned"), "the page's policy lets no handler run even so"
        with pytest.raises(AssertionError):
            assert_inert(browser)
    with toy_project.served(made, planted=planted(tmp_path / "bare", policy=False)) as page:
        browser.open(page, f"#document/{FIRST}")
        browser.until("window.pwned === 1 && alerts.length")


def test_a_mixture_leads_to_the_passages_of_each_strategy_and_a_proposal_to_its_call(browser, project):
    toy_project.mixed(project)
    with toy_project.served(project) as page:
        browser.open(page, "#corpus/entigraph")
        assert "0.500" in browser.text("main") and "raw+entigraph" in browser.text("main")
        browser.click("raw", ".listing")
        assert browser.address == f"#passages/{OTHER}/raw" and "entigraph" in browser.text(".box.corpus"), "a corpus of two strategies"
        browser.open(page, f"#passage/{FIRST}/entigraph/{7:012x}")
        assert f"way of study{HOSTILE[:40]}" in browser.text("main dl")
        browser.open(page, f"#passages/{FIRST}/entigraph")
        assert browser.text("article") == f"1. {HOSTILE}"
        browser.click("e" * 64)
        assert browser.text("h1") == f"Call {'e' * 16}"
        assert_inert(browser)


QUESTION = "form:not(.settings) textarea"
DONE = "document.querySelectorAll('.cursor').length === 0 && stopping === null && [...document.querySelectorAll('.behind')].every(each => each.querySelector('h3'))"


def ask(browser, text: str) -> None:
    browser.js("document.querySelector(arguments[0]).focus()", QUESTION)
    browser.driver.switch_to.active_element.send_keys(text, Keys.ENTER)
    browser.until(DONE, 90)  # the first answer waits for libraries, and for the index of passages


def test_two_models_answer_side_by_side_and_the_passages_behind_lead_into_the_lineage(browser, page):
    browser.open(page, "#chat/base/entigraph-s1")
    ask(browser, f"Who sold the brass compass? {HOSTILE}")
    assert [browser.text(each) for each in browser.driver.find_elements(By.CSS_SELECTOR, ".answer h2")] == ["base", "entigraph-s1"]
    assert "no chat template" in browser.text(".answer") and "Nearness is evidence, not proof" in browser.text(".answer:last-child")
    assert browser.driver.find_elements(By.CSS_SELECTOR, ".answer:first-child .behind") == [], "the base was taught none of these"
    assert_inert(browser)
    browser.click("entigraph", ".behind")
    assert browser.address == "#corpus/entigraph"
    browser.back()
    assert browser.text(".question").startswith("Who sold"), "the conversation is still there"


def test_a_conversation_can_be_copied_and_saved_and_begun_again(browser, page):
    browser.open(page, "#chat/raw-s1")
    ask(browser, HOSTILE[:20])
    browser.js("""window.kept = [];
        navigator.clipboard.writeText = async text => kept.push(text);
        URL.createObjectURL = blob => { blob.text().then(text => kept.push(text)); return "blob:none"; };
        const click = text => [...document.querySelectorAll("button")].find(button => button.textContent === text).click();
        click("copy"); click("export"); click("new conversation")""")
    browser.until("kept.length === 2")
    copied, saved = browser.js("return kept")
    [[turn]] = json.loads(saved)
    assert turn["question"] == HOSTILE[:20] and turn["model"] == "raw-s1" and turn["settings"]["seed"] == 1
    assert copied == f"{turn['question']}\n\nraw-s1: {turn['answer']}\n" and not browser.js("return document.querySelector('.turn')")


def test_what_a_model_says_is_text(browser, made, server):
    server.trouble = {0: streams(["<script>window.pwned=1</script>", HOSTILE, " Mira Oldan sold the brass compass to a captain from the north."])}
    with toy_project.served(made, "--run", "base", "--api-base", server.url, "--api-model", "entigraph-s1", OPENAI_API_KEY="sk-hidden") as page:
        browser.open(page, "#chat/server:entigraph-s1")
        ask(browser, "Who sold what?")
        assert browser.text(".answer .text").startswith(f"<script>window.pwned=1</script>{HOSTILE}")
        assert "in one sentence" in browser.text(".behind"), "a model that is called as a run was taught what that was"
        assert_inert(browser)
        everything = browser.js("return document.documentElement.outerHTML")
        assert "sk-hidden" not in everything and server.keys == {"Bearer sk-hidden"}
        browser.js("for (const each of document.querySelectorAll('.behind details')) each.open = true")
        browser.click("passage", ".behind li:last-child")
        assert browser.address.endswith(f"/entigraph/{1:012x}") and toys.SENTENCES[1] in browser.text("article")


def test_escape_stops_an_answer_and_the_server_behind_is_told(browser, made, server):
    gone = threading.Event()

    def endless(handler, request) -> None:
        try:
            streams(["word "] * 2000, 0.01)(handler, request)
        except OSError:
            gone.set()

    server.trouble = {0: endless}
    with toy_project.served(made, "--run", "base", "--api-base", server.url, "--api-model", "toy") as page:
        browser.open(page, "#chat/server:toy")
        browser.driver.find_element(By.CSS_SELECTOR, QUESTION).send_keys("On and on?", Keys.ENTER)
        browser.until("document.querySelector('.answer .text')?.textContent.includes('word')")
        browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
        browser.until(DONE, 90)  # the first answer waits for libraries, and for the index of passages
        assert "stopped" in browser.text(".answer") and gone.wait(10)


def test_a_refusal_is_shown_where_the_answer_would_be(browser, page):
    browser.open(page, "#chat/entigraph-s1")
    ask(browser, "long " * 1000)
    assert "shorten it" in browser.text(".answer .error")
