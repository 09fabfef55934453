import csv
import itertools
import math
import re

import pytest
import toys

from closedbook import files, plots, report, seeds
from closedbook.records import EntityList, Passage, Passages
from closedbook.strategies import STRATEGIES

TASKS = ["quality_closed_text", "quality_closed"]
HOSTILE = """<script>alert("1")</script><img src=x onerror='2'>{{ 7 * 7 }}"""


def score(folder, arm, strategy, corpus_tokens, accuracy, seed=1, **changes):
    task = {"metric": "acc", "accuracy": accuracy, "stderr": 0.05, "accuracy_hard": None, "stderr_hard": None, "n": 80, "n_hard": 0}
    run = f"{arm}-s{seed}" if seed else arm
    facts = {"run": run, "arm": arm, "strategy": strategy, "corpus_tokens": corpus_tokens, "train_tokens": 2 * corpus_tokens, "seed": seed}
    tasks = {"quality_closed_text": {**task, "n_documents": 2, **changes}, "quality_closed": {**task, "n_documents": 2, "accuracy": 0.25}}
    path = folder / "scores" / f"{run}.json"
    files.write_json(path, {**facts, "n": 80, "explanation": None, "questions_sha256": "cd" * 32, "tasks": tasks})
    return path


def run(folder, arm, strategy, losses, seed=1):
    path = folder / "runs" / f"{arm}-s{seed}" / "run.json"
    facts = {"run": f"{arm}-s{seed}", "arm": arm, "strategy": strategy, "seed": seed, "corpus_tokens": 1000, "train_tokens": 2000, "replay_tokens": 222,
             "existing_tokens": 1500, "num_passages_left_out": 7}
    files.write_json(path, {**facts, "num_steps": len(losses), "first_loss": losses[0], "last_loss": losses[-1]})
    rows = "".join(f"{step},{loss}\n" for step, loss in enumerate(losses, 1))
    files.write_text(path.parent / "losses.csv", "step,loss\n" + rows)
    return path


def call(key, cost=0.5, usage=(70, 30)):
    usage = dict(zip(("prompt_tokens", "completion_tokens"), usage))
    return {"key": key, "model": "openai/large", "model_answered": "large-2", "usage": usage, "cost_usd": cost}


def entity_list(folder, document, why=None):
    path = folder / "entities" / f"{document}.json"
    made = {"made_by": "llm", "maker": "large-2", "call": call(document)}
    if why:
        made = {"made_by": "spacy", "maker": "blank en", "call": None}
    EntityList(document=document, summary="", entities=["Varn", "Mira"], why=why, **made).write(path)
    return path


def passages(folder, document, strategy, texts, *, kind="pair", writer="llm", dropped=(), entities=("Varn", "Mira"), calls=None):
    path = folder / "passages" / strategy / f"{document}.json"
    calls = calls or [call(f"{document}{number}") if writer == "llm" else None for number in range(len(texts))]
    written = [
        Passage(id=f"{document}/{strategy}/{number}", document=document, strategy=strategy, kind=kind, entities=list(entities), sample=0,
                writer=writer, text=text, call=calls[number])
        for number, text in enumerate(texts)
    ]  # fmt: skip
    lost = [{"kind": kind, "entities": [], "sample": 0, "reason": reason} for reason in dropped]
    Passages(document=document, strategy=strategy, passages=written, dropped=lost).write(path)
    return path


@pytest.fixture
def inputs(tmp_path):
    """Two documents, a base and two arms; a test changes what it is about."""
    written = [
        passages(tmp_path, "varn-1", "raw", ["A lighthouse."], kind="document", writer="document"),
        passages(tmp_path, "varn-1", "entigraph", ["Varn and Mira.", "Mira and Varn."]),
    ]
    return {
        "scores": [
            score(tmp_path, "entigraph", "entigraph", 4000, 0.6),
            score(tmp_path, "base", "base", 0, 0.2625, seed=None),
            score(tmp_path, "raw", "raw", 1000, 0.3),
        ],
        "runs": [run(tmp_path, "raw", "raw", [4.0, 2.0, 1.0]), run(tmp_path, "entigraph", "entigraph", [4.0, 3.0])],
        "entities": [entity_list(tmp_path, "varn-1"), entity_list(tmp_path, "varn-2")],
        "corpora": [toys.corpus(tmp_path, path.parent.name, [path]) for path in written],
        "passages": written,
        "tasks": TASKS,
        "notes": ["A toy: believe nothing."],
        "examples": 2,
        "seed": 1,
        "folder": tmp_path / "report",
    }


def built(inputs):
    documents = [toys.document(inputs["folder"].parent, path.stem) for path in inputs["entities"]]
    report.build(documents=documents, **inputs)
    return (inputs["folder"] / "report.html").read_text(encoding="utf-8")


def words(page):
    """What a reader sees, as one line."""
    body = page.split("<body>")[1]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def assert_inert(page):
    assert "<script" not in page and "<img src=x" not in page and "onerror='" not in page and "alert(\"" not in page


def test_the_table_has_a_row_an_arm_seed_and_task(inputs):
    built(inputs)
    assert (inputs["folder"] / "table.csv").read_text() == (
        "strategy,corpus_tokens,train_tokens,seed,task,accuracy,stderr,n,n_documents\n"
        "base,0,0,,quality_closed_text,0.2625,0.05,80,2\n"
        "raw,1000,2000,1,quality_closed_text,0.3,0.05,80,2\n"
        "entigraph,4000,8000,1,quality_closed_text,0.6,0.05,80,2\n"
        "base,0,0,,quality_closed,0.25,0.05,80,2\n"
        "raw,1000,2000,1,quality_closed,0.25,0.05,80,2\n"
        "entigraph,4000,8000,1,quality_closed,0.25,0.05,80,2\n"
    )


def test_the_page_begins_with_what_was_taught_and_what_came_of_it(inputs):
    seen = words(built(inputs))
    assert "2 documents taught, 80 four-option questions asked about them" in seen
    assert "base model is right on 0.263 ± 0.050 of them; taught, the best of 2 runs, entigraph , on 0.600 ± 0.050" in seen
    assert "2 passages were written by openai/large." in seen
    assert seen.index("A toy: believe nothing.") < seen.index("corpus tokens") < seen.index("Training")


def test_the_terminal_gets_the_arms_by_name(inputs):
    first, second = report.table(inputs["scores"], TASKS).split("\n\n")
    assert first.splitlines() == [
        "quality_closed_text       accuracy  corpus tokens  train tokens  seed",
        "base                 0.263 ± 0.050              0             0     –",
        "raw                  0.300 ± 0.050          1,000         2,000     1",
        "entigraph            0.600 ± 0.050          4,000         8,000     1",
    ]
    assert second.startswith("quality_closed ")


def test_the_same_inputs_give_the_same_bytes_whatever_this_machine_prefers(inputs, tmp_path, monkeypatch):
    import matplotlib

    built(inputs)
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 30)
    monkeypatch.setitem(matplotlib.rcParams, "savefig.facecolor", "black")
    built({**inputs, "folder": tmp_path / "again", "scores": inputs["scores"][::-1], "runs": inputs["runs"][::-1]})
    names = sorted(str(path.relative_to(inputs["folder"])) for path in inputs["folder"].rglob("*") if path.is_file())
    assert [name for name in names if not name.startswith("lineage")] == [
        "accuracy.png", "losses.csv", "losses.png", "metrics.json", "report.html", "table.csv"
    ]
    assert {"lineage.html", "lineage/data/index.js", "lineage/data/passages/entigraph/varn-1.js"} <= set(names)
    for name in names:
        assert (inputs["folder"] / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_pictures_follow_the_numbers(inputs, tmp_path):
    built(inputs)
    score(tmp_path, "raw", "raw", 1000, 0.31)
    run(tmp_path, "raw", "raw", [4.0, 2.5, 1.0])
    before = {name: (inputs["folder"] / name).read_bytes() for name in ("accuracy.png", "losses.png")}
    built(inputs)
    assert all((inputs["folder"] / name).read_bytes() != picture for name, picture in before.items())


@pytest.fixture
def hostile(inputs, tmp_path):
    inputs["notes"] = [HOSTILE]
    inputs["entities"] = [entity_list(tmp_path, HOSTILE.replace("/", ""), why=HOSTILE)]
    inputs["passages"] = [passages(tmp_path, "x", "entigraph", [HOSTILE], entities=[HOSTILE], dropped=[HOSTILE])]
    return inputs


def test_mixtures_are_lines_of_their_own_after_the_strategies(inputs, tmp_path):
    for place, strategy in enumerate(["qa+active_reading", "entigraph:2+qa:1", "qa", "summaries", "spa", "active_reading", "rephrase"]):
        inputs["scores"].append(score(tmp_path, f"arm-{place}", strategy, 2000 + 100 * place, 0.3 + 0.05 * place))
        inputs["runs"].append(run(tmp_path, f"arm-{place}", strategy, [4.0, 3.0]))
    page = built(inputs)
    lines = [row.split(",")[0] for row in (inputs["folder"] / "table.csv").read_text().splitlines()[1:] if f",{TASKS[0]}," in row]
    assert lines == ["base", "raw", "rephrase", "entigraph", "summaries", "spa", "qa", "active_reading", "entigraph:2+qa:1", "qa+active_reading"]
    looks = plots.looks(lines)
    assert len({looks[line] for line in lines}) == 10 and all(f"background:{looks[line][0]}" in page for line in lines)


def lab(colour):
    """CIE L*a*b* of an sRGB colour, in which distances are those that eyes see, about 2 the least of them."""
    values = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    r, g, b = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
    x, y, z = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505, 0.2126 * r + 0.7152 * g + 0.0722 * b, (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089
    x, y, z = [value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in (x, y, z)]
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def nearest(colours):
    return min(math.dist(lab(one), lab(other)) for one, other in itertools.combinations(colours, 2))


def test_the_colours_of_a_dozen_lines_stay_apart():
    lines = [*STRATEGIES, *(f"qa+mixture-{number}" for number in range(5))]
    looks = plots.looks(lines)
    assert list(looks) == ["base", *lines] and len({marker for _, marker in looks.values()}) == 13
    assert nearest([colour for colour, _ in looks.values()]) > 20 > nearest(["#0072B2", "#1E80BE"])


def test_no_text_becomes_markup(hostile):
    page = built(hostile)
    assert_inert(page)
    assert page.count("&lt;script&gt;") == 5
    assert "{{ 7 * 7 }}" in page


def test_the_check_for_markup_would_see_some(hostile, monkeypatch):
    import jinja2

    real = jinja2.Environment
    monkeypatch.setattr(jinja2, "Environment", lambda **options: real(**{**options, "autoescape": False}))
    with pytest.raises(AssertionError):
        assert_inert(built(hostile))


def test_the_page_needs_nothing_but_itself_and_leads_to_the_lineage_page(inputs):
    page = built(inputs)
    assert set(re.findall(r'(?:src|href|srcset)="(?!data:image/png;base64,)([^"]*)"', page)) == {"lineage.html"} | {
        f"lineage.html#{place}" for place in ("score/base", "score/raw-s1", "score/entigraph-s1", "model/raw-s1", "model/entigraph-s1",
                                              "passage/varn-1/raw/0", "passage/varn-1/entigraph/0", "passage/varn-1/entigraph/1")
    }  # fmt: skip
    assert not re.search(r"https?:|url\(|@import|<link|<script", page)


def test_without_questions_it_says_so_and_shows_the_rest(inputs):
    for path in inputs["scores"]:
        files.write_json(path, {**files.read_json(path), "tasks": {}, "explanation": "no questions: accuracy not measured"})
    page = built(inputs)
    seen = words(page)
    assert "no questions: accuracy not measured" in seen
    assert "Varn and Mira." in seen and "0.300" not in seen
    assert page.count("data:image/png") == 1  # the losses
    assert (inputs["folder"] / "table.csv").read_text().count("\n") == 1
    assert files.read_json(inputs["folder"] / "metrics.json") == {}
    assert report.table(inputs["scores"], TASKS).splitlines()[1:] == [
        "base                   0             0     –",
        "raw                1,000         2,000     1",
        "entigraph          4,000         8,000     1",
        "no questions: accuracy not measured",
    ]


def test_what_fell_back_and_what_was_dropped_is_counted_with_its_reason(inputs, tmp_path):
    inputs["entities"] = [entity_list(tmp_path, f"varn-{number}", why=why) for number, why in enumerate([None, "refused", "refused"])]
    inputs["passages"] = [
        passages(tmp_path, "varn-0", "entigraph", ["a", "b"], dropped=["cut off", "empty", "cut off"]),
        passages(tmp_path, "varn-1", "entigraph", ["c"], writer="extractive", dropped=["cut off"]),
        passages(tmp_path, "varn-2", "entigraph", ["d"], kind="summary", writer="spacy"),
    ]
    seen = words(built(inputs))
    assert "openai/large 1 – spaCy, blank en 2 refused" in seen
    assert "entigraph pair openai/large 2" in seen and "entigraph pair the extractive writer 1" in seen
    assert "entigraph summary spaCy’s extractor 1" in seen
    assert "The extractive writer is no language model" in seen
    assert "entigraph pair 3 cut off" in seen and "entigraph pair 1 empty" in seen
    assert "Nothing was dropped" not in seen


def test_where_nothing_was_dropped_it_says_that(inputs):
    seen = words(built(inputs))
    assert "Nothing was dropped" in seen and "extractive" not in seen
    assert "took 1,000 of the 1,500 tokens that exist; 7 passages had no place" in seen


def test_each_call_is_paid_once(inputs, tmp_path):
    shared = call("varn-1")  # the call behind the entity list, whose summary is a passage
    inputs["passages"] = [passages(tmp_path, "varn-1", "entigraph", ["a", "b"], calls=[shared, call("other", cost=0.25)])]
    seen = words(built(inputs))
    assert "entity lists openai/large, answered by large-2 2 140 60 1.0000" in seen
    assert "entigraph openai/large, answered by large-2 1 70 30 0.2500" in seen
    assert "all 3 210 90 1.2500" in seen
    assert "price is not known" not in seen and "did not count" not in seen


def test_unknown_prices_and_uncounted_tokens_are_said(inputs, tmp_path):
    calls = [call("a", cost=None), call("b", usage=())]
    inputs["passages"] = [passages(tmp_path, "varn-1", "entigraph", ["a", "b"], calls=calls)]
    seen = words(built(inputs))
    assert "Of 1 call the price is not known" in seen
    assert "Of 1 call the provider did not count the tokens" in seen


def test_without_a_model_no_call_is_listed(inputs, tmp_path):
    inputs["entities"] = [entity_list(tmp_path, "varn-1", why="llm.model is null")]
    inputs["passages"] = [passages(tmp_path, "varn-1", "rephrase", ["a"], kind="easy", writer="extractive")]
    assert "No language model was called." in words(built(inputs))


def test_several_seeds_are_rows_of_their_own_and_means_in_the_metrics(inputs, tmp_path):
    inputs["scores"].append(score(tmp_path, "raw", "raw", 1000, 0.4, seed=2))
    inputs["runs"].append(run(tmp_path, "raw", "raw", [5.0, 2.0, 1.0], seed=2))
    built(inputs)
    assert files.read_json(inputs["folder"] / "metrics.json")["raw"] == {"quality_closed_text": 0.35, "quality_closed": 0.25}
    with open(inputs["folder"] / "losses.csv") as handle:
        rows = [tuple(row.values()) for row in csv.DictReader(handle)]
    assert rows == [("raw", "1", "4.5"), ("raw", "2", "2.0"), ("raw", "3", "1.0"), ("entigraph", "1", "4.0"), ("entigraph", "2", "3.0")]
    assert "raw,1000,2000,2,quality_closed_text,0.4," in (inputs["folder"] / "table.csv").read_text()


def test_the_hard_subset_is_shown_where_it_is_known(inputs, tmp_path):
    assert "hard subset" not in words(built(inputs))
    score(tmp_path, "raw", "raw", 1000, 0.3, accuracy_hard=0.21, stderr_hard=0.07, n_hard=30)
    assert "0.210 ± 0.070" in words(built(inputs))


def test_a_single_question_has_no_standard_error(inputs, tmp_path):
    score(tmp_path, "raw", "raw", 1000, 1.0, stderr=None, n=1, n_documents=1)
    assert "raw 1.000 raw" in words(built(inputs))


def test_examples_are_the_seeds_choice_and_cut_openly(inputs, tmp_path):
    texts = [f"Passage number {number}." for number in range(30)]
    inputs["passages"] = [passages(tmp_path, "varn-1", "entigraph", texts)]
    shown = [set(re.findall(r"Passage number \d+\.", built({**inputs, "seed": seed}))) for seed in (1, 1, 2)]
    order = sorted(range(30), key=lambda number: seeds.derive(1, "example", f"varn-1/entigraph/{number}"))
    assert shown[0] == shown[1] == {texts[number] for number in order[:2]} != shown[2]
    inputs["passages"] = [passages(tmp_path, "varn-1", "raw", ["a" * 1200 + "b" * 34], kind="document", writer="document")]
    assert "aa … (34 more characters)" in words(built(inputs))
