import csv
import itertools
import math
import re

import pytest
import toys

from closedbook import params
from closedbook.analysis import plots, table
from closedbook.generation.strategies import STRATEGIES
from closedbook.records import EntityList, Passage, Passages
from closedbook.stages import report
from closedbook.util import files, seeds
from closedbook.util.errors import UserError

TASKS = ["quality_closed_text", "quality_closed"]
SETTINGS = params.Report(examples=2, paper_curve=False, notes=["A toy: believe nothing."])
HOSTILE = """<script>alert("1")</script><img src=x onerror='2'>{{ 7 * 7 }}"""


def score(folder, arm, strategy, corpus_tokens, accuracy, seed=1, forgetting=None, **changes):
    """A score of 80 questions about two documents, and the answers behind it: right from the first question on."""
    nothing = {f"{key}{part}": 0 if key == "n" else None for key in ("accuracy", "stderr", "n") for part in ("_hard", "_not_hard")}
    splits = {split: {"accuracy": None, "stderr": None, "n": 0} for split in ("validation", "test")}
    task = {"version": 1.0, "metric": "acc", "accuracy": accuracy, "stderr": 0.05, "n": 80, "n_documents": 2, **nothing, **splits}
    run = f"{arm}-s{seed}" if seed else arm
    facts = {"run": run, "arm": arm, "strategy": strategy, "corpus_tokens": corpus_tokens, "train_tokens": 2 * corpus_tokens, "seed": seed}
    tasks = {"quality_closed_text": {**task, **changes}, "quality_closed": {**task, "accuracy": 0.25}}
    path = folder / "scores" / f"{run}.json"
    numbers = {"n": 80, "explanation": None, "questions_sha256": "cd" * 32, "questions": {}, "tasks": tasks, "forgetting": forgetting}
    files.write_json(path, {**facts, **numbers})
    answered = [(name, number, number < 80 * measured["accuracy"]) for name, measured in tasks.items() for number in range(80)]
    answered = [{"task": name, "id": f"q{number}", "document": f"varn-{1 + number % 2}", "gold": 0, "chosen": int(not right), "correct": right}
                for name, number, right in answered]  # fmt: skip
    files.write_json_lines(path.with_suffix(".samples.jsonl"), answered)
    return path


def run(folder, arm, strategy, losses, seed=1):
    path = folder / "runs" / f"{arm}-s{seed}" / "run.json"
    facts = {"run": f"{arm}-s{seed}", "corpus": arm, "arm": arm, "strategy": strategy, "seed": seed, "corpus_tokens": 1000, "train_tokens": 2000, "replay_tokens": 222,
             "existing_tokens": 1500, "num_passages_left_out": 7}
    files.write_json(path, {**facts, "base": {"model": "toys/base"}, "num_steps": len(losses), "first_loss": losses[0], "last_loss": losses[-1], "sha256": {"model.safetensors": "5a" * 32}})
    rows = "".join(f"{step},{loss}\n" for step, loss in enumerate(losses, 1))
    files.write_text(path.parent / "losses.csv", "step,loss\n" + rows)
    files.write_text(path.parent / "held_out.csv", "step,passages,replay\n" + "".join(f"{step},{2 - step / 10},\n" for step in (0, 5)))
    return path


def questions(folder, document, **changes):
    """Those of a document that `score` was asked."""
    path = folder / "questions" / f"{document}.json"
    rows = [{"id": f"q{number}", "question": f"Who kept lamp {number}?", "options": ["Mira", "Bram"], "gold": 0, "document": document, "title": "Varn"}
            for number in range(80) if document == f"varn-{1 + number % 2}"]  # fmt: skip
    files.write_json(path, [{**row, **changes} for row in rows])
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


def passages(folder, document, strategy, texts, *, kind="pair", writer="llm", dropped=(), entities=("Varn", "Mira"), calls=None, references=None):
    path = folder / "passages" / strategy / f"{document}.json"
    calls = calls or [call(f"{document}{number}") if writer == "llm" else None for number in range(len(texts))]
    written = [
        Passage(id=f"{document}/{strategy}/{number}", document=document, strategy=strategy, kind=kind, entities=list(entities), sample=0,
                writer=writer, text=text, call=calls[number])
        for number, text in enumerate(texts)
    ]  # fmt: skip
    lost = [{"kind": kind, "entities": [], "sample": 0, "reason": reason} for reason in dropped]
    Passages(document=document, strategy=strategy, passages=written, dropped=lost, references=references).write(path)
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
        "questions": [questions(tmp_path, f"varn-{number}") for number in (1, 2)],
        "entities": [entity_list(tmp_path, "varn-1"), entity_list(tmp_path, "varn-2")],
        "corpora": [toys.corpus(tmp_path, path.parent.name, [path]) for path in written],
        "passages": written,
        "judgements": [],
        "summaries": [],
        "verdicts": [],
        "tasks": TASKS,
        "settings": SETTINGS,
        "seed": 1,
        "folder": tmp_path / "report",
    }


def built(inputs, pictures=False):
    """The page; with an empty picture in place of each, unless a test is about them: most of the time goes into drawing."""
    samples = [path.with_suffix(".samples.jsonl") for path in inputs["scores"]]
    with pytest.MonkeyPatch.context() as patch:
        for name in () if pictures else ("accuracy", "losses"):
            patch.setattr(plots, name, lambda path, **_: path.write_bytes(b""))
        report.build(samples=samples, **inputs)
    return (inputs["folder"] / "report.html").read_text(encoding="utf-8")


def words(page):
    """The visible text, as one line."""
    body = page.split("<body>")[1]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def assert_inert(page):
    assert "<script" not in page and "<img src=x" not in page and "onerror='" not in page and "alert(\"" not in page


def test_the_table_has_a_row_an_arm_seed_and_task(inputs):
    built(inputs)
    assert (inputs["folder"] / "table.csv").read_text() == (
        "arm,strategy,corpus_tokens,train_tokens,seed,task,metric,accuracy,stderr,n,n_documents,"
        "accuracy_mean,accuracy_stderr,accuracy_low,accuracy_high,accuracy_over,accuracy_sd\n"
        "base,base,0,0,,quality_closed_text,acc,0.2625,0.05,80,2,0.2625,0.05,0.0,0.89781,questions only,\n"
        "raw,raw,1000,2000,1,quality_closed_text,acc,0.3,0.05,80,2,0.3,0.05,0.0,0.93531,questions only,\n"
        "entigraph,entigraph,4000,8000,1,quality_closed_text,acc,0.6,0.05,80,2,0.6,0.05,0.0,1.0,questions only,\n"
        "base,base,0,0,,quality_closed,acc,0.25,0.05,80,2,0.25,0.05,0.0,0.88531,questions only,\n"
        "raw,raw,1000,2000,1,quality_closed,acc,0.25,0.05,80,2,0.25,0.05,0.0,0.88531,questions only,\n"
        "entigraph,entigraph,4000,8000,1,quality_closed,acc,0.25,0.05,80,2,0.25,0.05,0.0,0.88531,questions only,\n"
    )


def test_the_page_begins_with_what_was_taught_and_what_came_of_it(inputs):
    seen = words(built(inputs))
    assert "2 documents taught, 80 questions asked about them" in seen
    assert "base model is right on 0.263 ± 0.050 of them (± over questions only); taught, the best of 2 arms, entigraph , on 0.600 ± 0.050" in seen
    assert "Learnt from: raw, 1 passage of 13 tokens; entigraph, 2 passages of 28 tokens. Written: 2 passages by openai/large." in seen
    assert seen.index("A toy: believe nothing.") < seen.index("corpus tokens") < seen.index("Training")


def test_of_one_size_the_longer_training_comes_later_and_what_is_one_arms_stands_together(tmp_path):
    sizes = [("raw", 60, 900, 2), ("a-longer", 60, 400, 1), ("b-short", 60, 60, 1), ("raw", 55, 900, 1), ("quarter", 15, 60, 1)]
    for number, (arm, corpus_tokens, train_tokens, seed) in enumerate(sizes):
        facts = {"arm": arm, "strategy": "raw", "corpus_tokens": corpus_tokens, "train_tokens": train_tokens, "seed": seed}
        files.write_json(tmp_path / f"{number}.json", facts)
    found = [(one["arm"], one["seed"]) for one in table.in_order([*tmp_path.glob("*.json")])]
    assert found == [("quarter", 1), ("raw", 1), ("raw", 2), ("b-short", 1), ("a-longer", 1)]


def test_an_open_book_headline_is_not_called_closed(inputs):
    for path in inputs["scores"]:
        found = files.read_json(path)
        files.write_json(path, {**found, "tasks": {"quality_open": {**found["tasks"]["quality_closed"], "documents_cut": 0}}})
    for path in (path.with_suffix(".samples.jsonl") for path in inputs["scores"]):
        files.write_json_lines(path, [row | {"task": "quality_open"} for row in files.read_json_lines(path)[80:]])
    assert words(built({**inputs, "tasks": ["quality_open"]})).startswith("What the model knows, open-book")


def test_the_terminal_gets_the_arms_by_name(inputs):
    first, second = table.text(inputs["scores"], TASKS).split("\n\n")
    assert first.splitlines() == [
        "quality_closed_text  accuracy (acc)          ± over    95% interval  corpus tokens  train tokens  seeds",
        "chance                        0.250",
        "base                  0.263 ± 0.050  questions only  0.000 to 0.898              0             0      –",
        "raw                   0.300 ± 0.050  questions only  0.000 to 0.935          1,000         2,000      1",
        "entigraph             0.600 ± 0.050  questions only  0.000 to 1.000          4,000         8,000      1",
    ]
    assert second.startswith("quality_closed ")


def test_the_same_inputs_give_the_same_bytes_whatever_this_machine_prefers(inputs, tmp_path, monkeypatch):
    import matplotlib

    built(inputs, pictures=True)
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 30)
    monkeypatch.setitem(matplotlib.rcParams, "savefig.facecolor", "black")
    built({**inputs, "folder": tmp_path / "again", "scores": inputs["scores"][::-1], "runs": inputs["runs"][::-1]}, pictures=True)
    names = sorted(str(path.relative_to(inputs["folder"])) for path in inputs["folder"].rglob("*") if path.is_file())
    assert names == [
        "accuracy.png", "comparisons.json", "curve.json", "diversity.json", "losses.csv", "losses.png", "metrics.json", "report.html",
        "table.csv",
    ]
    for name in names:
        assert (inputs["folder"] / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_pictures_follow_the_numbers(inputs, tmp_path):
    built(inputs, pictures=True)
    score(tmp_path, "raw", "raw", 1000, 0.31)
    run(tmp_path, "raw", "raw", [4.0, 2.5, 1.0])
    before = {name: (inputs["folder"] / name).read_bytes() for name in ("accuracy.png", "losses.png")}
    built(inputs, pictures=True)
    assert all((inputs["folder"] / name).read_bytes() != picture for name, picture in before.items())


@pytest.fixture
def hostile(inputs, tmp_path):
    inputs["settings"] = SETTINGS.model_copy(update={"notes": [HOSTILE]})
    inputs["entities"] = [entity_list(tmp_path, HOSTILE.replace("/", ""), why=HOSTILE)]
    inputs["passages"] = [passages(tmp_path, "x", "entigraph", [HOSTILE], entities=[HOSTILE], dropped=[HOSTILE])]
    return inputs


def test_mixtures_are_lines_of_their_own_after_the_strategies(inputs, tmp_path):
    for place, strategy in enumerate(["qa+active_reading", "entigraph:2+qa:1", "qa", "summaries", "spa", "active_reading", "rephrase"]):
        inputs["scores"].append(score(tmp_path, f"arm-{place}", strategy, 2000 + 100 * place, 0.3 + 0.05 * place))
        inputs["runs"].append(run(tmp_path, f"arm-{place}", strategy, [4.0, 3.0]))
    page = built(inputs)
    lines = [row.split(",")[1] for row in (inputs["folder"] / "table.csv").read_text().splitlines()[1:] if f",{TASKS[0]}," in row]
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
    lines = [*STRATEGIES, *(f"qa+mixture-{number}" for number in range(4))]
    looks = plots.looks(lines)
    assert list(looks) == ["base", "released", "api_model", *lines] and len({marker for _, marker in looks.values()}) == len(lines) + 1
    assert nearest([looks[line][0] for line in ["base", *lines]]) > 20 > nearest(["#0072B2", "#1E80BE"])


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


def test_the_page_needs_nothing_but_itself_and_leads_to_the_served_one(inputs):
    page = built(inputs)
    assert set(re.findall(r'(?:src|href|srcset)="(?!data:image/png;base64,)([^"]*)"', page)) == {report.SERVED} | {
        f"{report.SERVED}#{place}" for place in ("lineage", "score/base", "score/raw-s1", "score/entigraph-s1", "model/raw-s1", "model/entigraph-s1",
                                              "passage/varn-1/raw/0", "passage/varn-1/entigraph/0", "passage/varn-1/entigraph/1")
    }  # fmt: skip
    assert not re.search(r"https?:|url\(|@import|<link|<script", page.replace(f'href="{report.SERVED}', "href"))


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
    assert table.text(inputs["scores"], TASKS).splitlines()[1:] == [
        "base                      0             0",
        "raw-s1                1,000         2,000",
        "entigraph-s1          4,000         8,000",
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
    assert "entigraph pair openai/large 2" in seen and "entigraph pair the extractive generator 1" in seen
    assert "entigraph summary spaCy’s extractor 1" in seen
    assert "The extractive generator is no language model" in seen
    assert "entigraph pair 3 cut off" in seen and "entigraph pair 1 empty" in seen
    assert "Nothing was dropped" not in seen


def test_how_often_it_was_found_who_is_meant_is_counted_once_a_document(inputs, tmp_path):
    def counts(seen, resolved):
        return {"pronoun": {"seen": seen, "resolved": resolved, "left": seen - resolved}}

    inputs["passages"] = [passages(tmp_path, document, strategy, ["a"], writer="extractive", references=references)
                          for document, references in (("varn-1", counts(1000, 90)), ("kell-1", counts(500, 30)))
                          for strategy in ("rephrase", "entigraph")]
    assert "“he”, “her”, … 1,500 120 1,380" in words(built(inputs))


def test_where_nothing_was_dropped_it_says_that(inputs):
    seen = words(built(inputs))
    assert "Nothing was dropped" in seen and "extractive" not in seen
    assert "No passage was rejected: each was checked for question, exact duplicate." in seen
    assert "took 1,000 of the 1,500 tokens that exist; 7 passages had no place" in seen


def test_rejected_dialogues_are_counted_by_who_reads_them_and_rule(inputs, tmp_path):
    place = tmp_path / "dialogues/helper/dialogues.json"
    files.write_json(place, {"num_dialogues": 7, "num_rejected": 2, "rejected": {"question": 0, "special_token": 2}})
    assert "dialogues of rule rejected kept helper special token 2 7" in words(built({**inputs, "dialogues": [place]}))
    files.write_json(place, {"num_dialogues": 7, "num_rejected": 0, "rejected": {"question": 0, "special_token": 0}})
    assert "Rejected dialogues" not in words(built({**inputs, "dialogues": [place]}))


def test_rejected_passages_are_counted_by_corpus_and_rule(inputs):
    place = inputs["corpora"][0] / "corpus.json"
    files.write_json(place, {**files.read_json(place), "num_rejected": 3, "rejected": {"question": 0, "near_duplicate": 3}})
    seen = words(built(inputs))
    assert "corpus rule passages raw near duplicate 3 Which ones" in seen and "No passage was rejected" not in seen


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
    assert "For 1 call the price is not known" in seen
    assert "For 1 call the provider did not count the tokens" in seen


def test_without_a_model_no_call_is_listed(inputs, tmp_path):
    inputs["entities"] = [entity_list(tmp_path, "varn-1", why="llm.model is null")]
    inputs["passages"] = [passages(tmp_path, "varn-1", "rephrase", ["a"], kind="easy", writer="extractive")]
    assert "No language model was called." in words(built(inputs))


def test_how_varied_the_texts_are_stands_before_what_else_the_numbers_say(inputs):
    seen = words(built(inputs))
    assert re.search(r"raw 1.000 \S+ its text is shorter 2 entigraph 1.000 \S+ 1.000 \S+ 6 ", seen) and "1,000,000 at most" in seen
    assert seen.index("How varied the texts are") < seen.index("Each arm against the base")
    assert files.read_json(inputs["folder"] / "diversity.json")["lengths"] == [2, 6]


def test_the_best_arm_is_the_best_over_its_seeds_not_the_one_with_the_luckiest(inputs, tmp_path):
    inputs["scores"].append(score(tmp_path, "raw", "raw", 1000, 0.8, seed=2))
    inputs["runs"].append(run(tmp_path, "raw", "raw", [5.0, 2.0, 1.0], seed=2))
    built(inputs)
    seen = words((inputs["folder"] / "report.html").read_text(encoding="utf-8"))
    assert "the best of 2 arms, entigraph , on 0.600" in seen and "raw 0.550" in seen


def test_several_seeds_are_rows_of_their_own_and_means_in_the_metrics(inputs, tmp_path):
    inputs["scores"].append(score(tmp_path, "raw", "raw", 1000, 0.4, seed=2))
    inputs["runs"].append(run(tmp_path, "raw", "raw", [5.0, 2.0, 1.0, 0.5], seed=2))
    built(inputs)
    assert files.read_json(inputs["folder"] / "metrics.json")["raw"] == {"quality_closed_text": 0.35, "quality_closed": 0.25}
    with open(inputs["folder"] / "losses.csv") as handle:
        rows = [tuple(row.values()) for row in csv.DictReader(handle)]
    assert rows == [("raw", "1", "4.5"), ("raw", "2", "2.0"), ("raw", "3", "1.0"), ("raw", "4", "0.5"), ("entigraph", "1", "4.0"), ("entigraph", "2", "3.0")]
    seen = words((inputs["folder"] / "report.html").read_text(encoding="utf-8"))  # two documents alike, two seeds of .3 and .4: t of one
    assert "raw 0.350 ± 0.050 seeds and questions 0.000 to 0.985 sd 0.071 mean of 2" in seen  # degree is 12.706
    assert "raw 0.300 ± 0.050 questions only raw 1,000 2,000 1 80" in seen
    assert re.search("raw +0.350 ± 0.050 +seeds and questions +0.000 to 0.985 +1,000 +2,000 +1 2", table.text(inputs["scores"], TASKS))
    assert "raw,raw,1000,2000,2,quality_closed_text,acc,0.4,0.05,80,2,0.35,0.05,0.0,0.98531,seeds and questions,0.070711\n" in (
        inputs["folder"] / "table.csv").read_text()


def test_parts_of_the_questions_are_shown_where_there_are_any(inputs, tmp_path):
    assert "Validation and test" not in words(built(inputs))
    validation = {"accuracy": 0.125, "stderr": None, "n": 8}
    score(tmp_path, "raw", "raw", 1000, 0.3, accuracy_hard=0.21, stderr_hard=0.07, n_hard=30, validation=validation)
    seen = words(built(inputs))
    assert "base – – – raw 1 0.125 (8) 0.210 ± 0.070 (30)" in seen
    first = (inputs["folder"] / "table.csv").read_text().splitlines()
    assert first[0].endswith("accuracy_sd,accuracy_validation,stderr_validation,n_validation,accuracy_hard,stderr_hard,n_hard")
    assert first[1].endswith(",,,,,,") and first[2].endswith(",0.125,,8,0.21,0.07,30")
    assert re.search(r"^raw +0.300 ± 0.050 +questions only +0.000 to 0.935 +0.125 +0.210 ", table.text(inputs["scores"], TASKS), re.MULTILINE)


def test_each_arm_is_compared_with_the_base_and_the_largest_plain_one(inputs):
    seen = words(built(inputs))
    assert "raw base +0.037" in seen and "entigraph base +0.338" in seen and "entigraph raw +0.300" in seen
    compared = files.read_json(inputs["folder"] / "comparisons.json")
    (pair,) = compared["comparisons"]["quality_closed_text"][1]["seeds"]
    assert pair["p"] is None and "27 0 none" in seen
    assert "None: two models differ on fewer than 6 documents, too few for a p of 0.05." in seen
    assert len(pair["won"]) == 27 and pair["lost"] == [] and pair["won"][0]["document"].startswith("varn-")
    assert compared["shares"] == [] and "text’s gain" not in seen


def test_versions_and_questions_that_differ_are_not_put_side_by_side(inputs, tmp_path):
    score(tmp_path, "raw", "raw", 1000, 0.3, version=2.0)
    with pytest.raises(UserError, match="other versions of quality_closed_text"):
        built(inputs)
    path = score(tmp_path, "raw", "raw", 1000, 0.3)
    files.write_json(path, {**files.read_json(path), "questions_sha256": "ef" * 32})
    with pytest.raises(UserError, match="other questions"):
        table.text(inputs["scores"], TASKS)


def test_the_share_of_the_gain_is_shown_where_there_is_an_open_book_task(inputs):
    right = {"base": 0.75, "raw": 0.7, "entigraph": 0.8}
    for path in inputs["scores"]:
        found = files.read_json(path)
        accuracy = right[found["arm"]]
        found["tasks"]["quality_open"] = {**found["tasks"]["quality_closed_text"], "accuracy": accuracy}
        files.write_json(path, found)
        rows = files.read_json_lines(path.with_suffix(".samples.jsonl"))
        rows += [row | {"task": "quality_open", "correct": int(row["id"][1:]) < 80 * accuracy} for row in rows[:80]]
        files.write_json_lines(path.with_suffix(".samples.jsonl"), rows)
    seen = words(built(inputs))
    assert "base 0.263 0.750 raw 0.300 0.700 8%" in seen and "entigraph 0.600 0.800 69%" in seen


def test_the_curve_is_fitted_by_strategy_and_words_stand_where_it_is_not(inputs, tmp_path):
    inputs["scores"] += [score(tmp_path, f"entigraph-{size}", "entigraph", size, accuracy) for size, accuracy in ((40, 0.4), (400, 0.5))]
    seen = words(built(inputs, pictures=True))
    fits = files.read_json(inputs["folder"] / "curve.json")["quality_closed_text"]
    assert fits["entigraph"]["log_linear"]["parameters"]["b"]["value"] == pytest.approx(0.1)
    assert "entigraph 80 a + b·log10(tokens)" in seen and "b = 0.1" in seen and "raw 80 a + b·log10(tokens) Not fitted: a line needs arms of at least two sizes, and there is one." in seen
    assert "the lines fitted to a strategy’s arms" in seen and "0.8961" not in seen
    plain = (inputs["folder"] / "accuracy.png").read_bytes()
    inputs["settings"] = SETTINGS.model_copy(update={"paper_curve": True})
    assert "0.8961^x" in words(built(inputs, pictures=True)) and (inputs["folder"] / "accuracy.png").read_bytes() != plain


def of_own_documents(path, number):
    """The score as that of a seed that has documents, and so questions, of its own."""
    files.write_json(path, {**files.read_json(path), "questions_sha256": str(number) * 64})
    samples = path.with_suffix(".samples.jsonl")
    files.write_json_lines(samples, [{**row, "id": f"{row['id']}-{number}", "document": f"{row['document']}-{number}"}
                                     for row in files.read_json_lines(samples)])  # fmt: skip


def test_the_curve_is_fitted_on_the_questions_that_all_its_points_share(inputs, tmp_path):
    """A small arm has learnt the first seed's documents, the largest those of two: its luck with the second's is no part of the curve."""
    inputs["scores"] = [score(tmp_path, "entigraph-400", "entigraph", 400, 0.5), score(tmp_path, "entigraph", "entigraph", 4000, 0.6),
                        score(tmp_path, "entigraph", "entigraph", 4000, 0.9, seed=2)]  # fmt: skip
    of_own_documents(inputs["scores"][-1], 2)
    seen = words(built(inputs))
    fitted = files.read_json(inputs["folder"] / "curve.json")["quality_closed_text"]["entigraph"]
    assert fitted["points"] == [{"tokens": 400, "accuracy": 0.5}, {"tokens": 4000, "accuracy": 0.6}] and fitted["n"] == 80
    assert "entigraph 0.750" in seen, "the arm's accuracy is over all that it was asked"
    of_own_documents(inputs["scores"][0], 3)
    inputs["scores"][0] = inputs["scores"][0].rename(tmp_path / "scores" / "entigraph-400-s3.json")
    inputs["scores"][0].with_name("entigraph-400-s1.samples.jsonl").rename(inputs["scores"][0].with_suffix(".samples.jsonl"))
    found = files.read_json(inputs["scores"][0])
    files.write_json(inputs["scores"][0], {**found, "run": "entigraph-400-s3", "seed": 3})
    assert "entigraph 0 a + b·log10(tokens) Not fitted: its arms share no questions." in words(built(inputs))


def test_on_the_same_documents_all_seeds_are_in_the_curve(inputs, tmp_path):
    inputs["scores"] = [score(tmp_path, "entigraph-400", "entigraph", 400, 0.5), score(tmp_path, "entigraph", "entigraph", 4000, 0.6),
                        score(tmp_path, "entigraph", "entigraph", 4000, 0.9, seed=2)]  # fmt: skip
    built(inputs)
    fitted = files.read_json(inputs["folder"] / "curve.json")["quality_closed_text"]["entigraph"]
    assert [point["accuracy"] for point in fitted["points"]] == [0.5, pytest.approx(0.75)]


def test_a_size_of_which_there_are_several_trainings_is_one_point_of_a_fit(inputs, tmp_path):
    inputs["scores"] += [score(tmp_path, f"raw-{number}", "raw", 1000, 0.3) for number in range(9)]
    built(inputs)
    line = files.read_json(inputs["folder"] / "curve.json")["quality_closed_text"]["raw"]
    assert line["points"] == [{"tokens": 1000, "accuracy": 0.3}]
    assert line["log_linear"]["parameters"] is None is line["mixture"]["parameters"]


def test_what_was_forgotten_stands_beside_the_base(inputs, tmp_path):
    assert "What was forgotten" not in words(built(inputs))
    for arm, nats, seed in (("base", 10.0, None), ("raw", 15.0, 1), ("entigraph", 12.0, 1)):
        texts = [{"id": str(number), "tokens": 10, "bytes": 40, "log_likelihood": -nats} for number in range(3)]
        replay = {"sha256": "x", "perplexity": math.exp(nats / 10), "bits_per_byte": 0.5, "texts": texts}
        score(tmp_path, arm, arm, 1000, 0.3, seed=seed, forgetting={"replay": replay, "tasks": {"hellaswag": {"acc": nats / 100}}})
    seen = words(built(inputs))
    assert "base – 2.718 1.000 – 0.500" in seen and "raw 1 4.482 1.649 1.649 to 1.649 0.500" in seen
    assert "hellaswag arm seed acc base – 0.1000 raw 1 0.1500 entigraph 1 0.1200" in seen
    assert files.read_json(inputs["folder"] / "metrics.json")["raw"]["replay_perplexity"] == 4.4817


def test_an_api_model_is_a_row_and_a_level_but_no_point(inputs, tmp_path):
    inputs["scores"].append(score(tmp_path, "api-large", "api_model", 0, 0.7, seed=None))
    path = inputs["scores"][-1]
    found = files.read_json(path)
    del found["tasks"]["quality_closed"], found["forgetting"]
    files.write_json(path, found)
    seen = words(built(inputs))
    assert "api-large 0.700 ± 0.050 questions only 0.065 to 1.000 api_model" in seen and "the best of 2 arms, entigraph" in seen
    assert "api-large base +0.438" in seen and "api_model" not in files.read_json(inputs["folder"] / "curve.json")["quality_closed_text"]
    first, second = table.text(inputs["scores"], TASKS).split("\n\n")
    assert first.splitlines()[-1].startswith("api-large") and "api-large" not in second
    linked = re.findall(f"{report.SERVED}#score/([a-z0-9-]+)", (inputs["folder"] / "report.html").read_text())
    assert {*linked} == {"base", "raw-s1", "entigraph-s1"}, "nothing was trained for an API model"


def test_how_the_questions_were_answered_is_shown_where_there_is_more_to_show(inputs, tmp_path):
    assert "How the questions were answered" not in words(built(inputs))
    votes = {"repository": {"accuracy": None, "stderr": None, "n": 0}, "majority": {"accuracy": 0.5, "stderr": 0.1, "n": 80}}
    for path in inputs["scores"]:
        found = files.read_json(path)
        asked = found["tasks"]["quality_closed"]
        found["tasks"] |= {"quality_closed_text": asked | {"attempt_rate": 0.125, **votes, "temperature": 0.1},
                           "quality_closed": asked | {"documents_cut": 1, "recall": 0.75, "chunks": 8, "order": "best_last", "grid": [],
                                                      "test": {"accuracy": 0.2, "stderr": 0.1, "n": 60}}}
        files.write_json(path, found)
    seen = words(built(inputs))
    assert "majority temperature base – 0.125 – 0.500 ± 0.100 0.1 raw 1 0.125" in seen
    assert "order accuracy on test base – 1 of 2 0.750 8 best last 0.200 ± 0.100 raw 1" in seen


def test_a_single_question_has_no_standard_error(inputs, tmp_path):
    score(tmp_path, "raw", "raw", 1000, 1.0, stderr=None, n=1, n_documents=1)
    assert "raw 1 of 1 – – raw" in words(built(inputs))


def test_examples_are_the_seeds_choice_and_cut_openly(inputs, tmp_path):
    texts = [f"Passage number {number}." for number in range(30)]
    inputs["passages"] = [passages(tmp_path, "varn-1", "entigraph", texts)]
    shown = [set(re.findall(r"Passage number \d+\.", built({**inputs, "seed": seed}))) for seed in (1, 1, 2)]
    order = sorted(range(30), key=lambda number: seeds.derive(1, "example", f"varn-1/entigraph/{number}"))
    assert shown[0] == shown[1] == {texts[number] for number in order[:2]} != shown[2]
    inputs["passages"] = [passages(tmp_path, "varn-1", "raw", ["a" * 1200 + "b" * 34], kind="document", writer="document")]
    assert "aa … (34 more characters)" in words(built(inputs))
    assert "2 of 30 passages, chosen at random" in words(built({**inputs, "passages": [passages(tmp_path, "varn-1", "entigraph", texts)]}))


def test_a_task_that_only_an_api_model_answered_has_its_row_alone(inputs, tmp_path):
    path = score(tmp_path, "api-gpt", "api_model", 0, 0.9, seed=None)
    answered = files.read_json(path)
    files.write_json(path, {**answered, "tasks": {"quality_cot": answered["tasks"]["quality_closed"]}})
    blocks = table.text([*inputs["scores"], path], [*TASKS, "quality_cot"]).split("\n\n")
    assert [line.split()[0] for line in blocks[-1].splitlines()] == ["quality_cot", "chance", "api-gpt"]
    assert not any("api-gpt" in block for block in blocks[:-1])


def test_summaries_are_counted_for_each_arm_and_what_models_wrote_becomes_no_markup(inputs, tmp_path):
    claim = {"claim": "<b>x</b>", "sentences": [1], "article": "supports", "salient": True}
    rows = [{"document": f"varn-{number}", "kind": "named", "sentences": ["x."], "claims": [claim] * number, "reason": None, "call": call(f"v{number}")}
            for number in (1, 2)] + [{"document": "varn-1", "kind": "unnamed", "sentences": [], "claims": [], "reason": "<i>gone</i>", "call": None}]  # fmt: skip
    facts = {"run": "raw-s1", "arm": "raw", "strategy": "raw", "corpus_tokens": 9, "train_tokens": 9, "seed": 1}
    for name, told in {"summaries": {"summaries": [{"call": None}]}, "verdicts": {**facts, "judge": "openai/judging", "summaries": rows}}.items():
        inputs[name] = [tmp_path / f"{name}.json"]
        files.write_json(inputs[name][0], told)
    page = built(inputs)
    text, (named, unnamed) = words(page), files.read_json(inputs["folder"] / "comparisons.json")["summaries"]
    assert "Summed up from memory" in text and "openai/judging took every answer apart" in text and "verdicts" in text.partition("What it cost")[2]
    assert (named["counts"]["claims"]["mean"], named["n"], unnamed["n"]) == (1.5, 2, 0) and unnamed["counts"]["claims"]["mean"] is None
    assert "1.50" in text and "1 × &lt;i&gt;gone" in text and "<i>gone" not in page


def test_without_summaries_the_report_says_nothing_of_them(inputs):
    assert "Summed up" not in built(inputs) and "summaries" not in files.read_json(inputs["folder"] / "comparisons.json")


def asked_of(page):
    return page.split("<h2>Question by question</h2>")[1].split("</section>")[0]


def test_each_question_has_its_options_the_answers_of_each_arm_and_the_learnt_passages_that_hold_it(inputs, tmp_path):
    page = asked_of(built(inputs))
    first, last = (words(f"<body>{row}") for row in page.split("<tr>")[2:82:79])
    assert first.startswith("Varn Who kept lamp 0? Mira Bram A right A right A right entigraph 1 2")
    assert last.startswith("Varn Who kept lamp 79? Mira Bram B wrong B wrong B wrong none"), "of its own document alone"
    assert '<li class="right">Mira</li><li>Bram</li>' in page and 'served}}' not in page and "#passage/varn-1/entigraph/1" in page
    questions(tmp_path, "varn-1", options=["Mir", "Bram"])
    assert "#passage/varn-1/entigraph/1" not in asked_of(built(inputs)), "a part of a word is no answer"
    questions(tmp_path, "varn-1")
    inputs["corpora"][1] = toys.corpus(tmp_path, "entigraph", [inputs["passages"][1]], left_out=1)
    assert "#passage/varn-1/entigraph/1" not in asked_of(built(inputs)), "what was written and not learnt holds no answer"


def test_of_many_questions_some_are_shown_and_it_is_said(inputs, monkeypatch):
    monkeypatch.setattr(report.asked, "MOST", 5)
    page = asked_of(built(inputs))
    assert page.count("<ol>") == 5 and "5 of 80 questions, chosen at random" in page and asked_of(built(inputs)) == page


def test_a_hostile_question_becomes_no_markup(inputs, tmp_path):
    questions(tmp_path, "varn-1", question=HOSTILE, options=[HOSTILE, "b"], title=HOSTILE)
    page = built(inputs)
    assert_inert(page)
    assert page.count("alert(&#34;1&#34;)") >= 3 and "{{ 7 * 7 }}" in page


def test_whether_it_is_better_is_said_first_and_how_sure(inputs, tmp_path):
    assert re.search("Is it better\\? (Yes|Not sure): against the base its accuracy differs by \\+0.338 , with a 95% interval of", words(built(inputs)))
    assert "are few" not in words(built(inputs)) and "Base model: toys/base. Measured: acc of quality_closed_text. Seeds: 1." in words(built(inputs))


def test_few_questions_are_counted_and_warned_of(inputs, tmp_path):
    for arm, strategy, seed, accuracy in (("base", "base", None, 1 / 6), ("raw", "raw", 1, 0.5), ("entigraph", "entigraph", 1, 0.5)):
        score(tmp_path, arm, strategy, 1000 * (seed or 0), accuracy, seed=seed, n=6)
    seen = words(built(inputs))
    assert "6 questions are few. One answer more or less moves the accuracy by 0.17" in seen and "right on 1 of 6" in seen
    assert "Is it better? Too few questions to say: against the base" in seen
    assert "0.167 ±" not in seen.split("Question by question")[0] and "1 of 6" in table.text(inputs["scores"], TASKS)


def test_a_task_at_chance_is_said_to_be(inputs):
    assert words(built(inputs)).count("No model is surely better than guessing here : 25% of guesses are right") == 2


def test_sections_without_anything_to_say_are_not_there(inputs):
    page = built(inputs)
    assert not {"The curve", "Validation and test, hard and not hard"} & set(re.findall("<h2>(.*?)</h2>", page))


def test_the_templates_hold_no_marks_of_a_merge():
    assert not [path for path in report.TEMPLATES.iterdir() if re.search("^(<<<<<<<|>>>>>>>)", path.read_text(), re.MULTILINE)]
