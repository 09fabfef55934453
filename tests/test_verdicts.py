"""verdicts: a false claim is counted false, a verdict on what is not there is asked again, and what was not judged is counted as that."""

import json
from types import SimpleNamespace

import openai_server
import pytest
import toys
from openai_server import Server, says

from closedbook import params
from closedbook.analysis import summed_up
from closedbook.llm import Invalid, prompts
from closedbook.stages import verdicts
from closedbook.util import files

TRUE, FALSE, STRANGE = "Mira Oldan sold the compass.", "The bridge of Varn never fell.", "Peter Lamm lives in Kell."


def claim(text, sentences=(1,), article="supports", salient=True):
    return {"claim": text, "sentences": list(sentences), "article": article, "salient": salient}


def verdict(request):
    """What an honest judge says of the sentences above, each of which is a claim."""
    _, fields = prompts.parse(request["messages"][-1]["content"])
    said = {TRUE: "supports", FALSE: "contradicts", STRANGE: "silent"}
    return json.dumps({"claims": [claim(text, [int(number)], said[text]) for number, text in json.loads(fields["summary"]).items() if text in said]})


def told(folder, texts, run="raw-s1"):
    rows = [{"document": document, "kind": "named", "prompt": "?", "cut": False, "reason": None, "call": None, **row} for document, row in texts]
    facts = {"run": run, "arm": "raw", "strategy": "raw", "corpus_tokens": 9, "train_tokens": 9, "seed": 1}
    files.write_json(folder / "told.json", {**facts, "summaries": rows})
    return folder / "told.json"


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Judges [(document, summary's fields)] by a loopback server with these troubles, and gives the file."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(openai_server, "answer_to", verdict)

    def run(texts, troubles=None, attempts=1):
        documents = [toys.document(tmp_path, name) for name in dict.fromkeys(name for name, _ in texts)]
        with Server(troubles) as server:
            settings = {"model": "openai/toy", "api_base": server.url, "temperature": 0.0, "max_tokens": 100, "attempts": attempts}
            verdicts.build(summaries=told(tmp_path, texts), documents=documents, params=params.typed({"seed": 1, "judge": settings}),
                           limits=params.load().limits, output=tmp_path / "verdicts.json")  # fmt: skip
            run.server = server
        return files.read_json(tmp_path / "verdicts.json")

    return run


def test_what_is_false_lowers_the_counts_by_itself_and_each_sentence_is_accounted_for(judged):
    found = judged([("varn", {"text": f"{TRUE} {FALSE} It rained."}), ("kell", {"text": f"{TRUE} {STRANGE}"})])
    assert [summed_up.counts(row) for row in found["summaries"]] == [
        {"claims": 2, "supported": 1, "contradicted": 1, "invented": 0, "salient": 1},
        {"claims": 2, "supported": 1, "contradicted": 0, "invented": 1, "salient": 1},
    ]
    row, = summed_up.rows([found])
    assert (row["n"], row["sentences"], row["without_claim"], row["unusable"]) == (2, 5, 1, {})
    assert row["counts"]["supported"]["mean"] == 1 and row["share"]["mean"] == 0.5
    low, high = row["counts"]["contradicted"]["interval"]
    assert row["counts"]["contradicted"]["mean"] == 0.5 and low == 0 and high > 2, "two documents tell little"
    assert found["judge"] == "openai/toy" and found["answered"] == ["toy-0001"] and found["summaries"][0]["call"]["prompt"] == "verdict"


def test_a_verdict_on_what_is_not_there_is_asked_for_again(judged):
    invented = says(json.dumps({"claims": [claim(TRUE), claim("Ghosts haunt Paris nightly.")]}))
    found = judged([("varn", {"text": TRUE})], troubles={0: invented}, attempts=2)
    assert judged.server.received == 2 and summed_up.counts(found["summaries"][0])["claims"] == 1


def test_what_was_not_judged_counts_in_no_mean_and_says_why(judged):
    texts = [("varn", {"text": TRUE}), ("kell", {"text": f"{TRUE} {FALSE}"}), ("mill", {"text": TRUE}), ("lamp", {"text": None, "reason": "the model refused"}),
             ("clock", {"text": ""})]  # fmt: skip
    troubles = {0: "refusal", 1: says(json.dumps({"claims": [claim(TRUE, [7])]})), 2: says("no JSON")}
    row, = summed_up.rows([judged(texts, troubles)])
    assert judged.server.received == 3, "nobody is asked about a text that is not there, or empty"
    assert row["n"] == 1 and row["counts"]["claims"]["mean"] == 0, "an empty summary claims nothing"
    assert sum(row["unusable"].values()) == 4 and row["unusable"]["the model refused"] == 2
    assert any("names sentence 7 of" in reason for reason in row["unusable"])


def test_a_text_that_was_cut_ends_with_its_last_whole_sentence(judged):
    texts = [("varn", {"text": f"{TRUE} Mira Oldan then", "cut": True})]
    assert judged(texts)["summaries"][0]["sentences"] == [TRUE]
    assert verdicts.sentences("A b.\n\nC\nd", False) == ["A b.", "C d"] and verdicts.sentences("", True) == []


@pytest.mark.parametrize("claims, why", [
    ([claim(TRUE, [2])], "sentence 2 of 1"), ([claim(TRUE, [0])], "sentence 0 of 1"), ([claim(TRUE, [])], "not the JSON"),
    ([claim("")], "not in the summary"), ([claim("Peter Lamm winds clocks.")], "not in the summary"), ([claim("Er ist da.")], "not in the summary"), ([claim(TRUE), claim(TRUE.upper())], "twice"),
    ([claim(TRUE, article="true")], "not the JSON"), ([{"claim": TRUE, "sentences": [1], "article": "supports"}], "not the JSON"),
])  # fmt: skip
def test_a_verdict_that_is_none_is_not_believed(claims, why):
    with pytest.raises(Invalid, match=why):
        verdicts.parse(json.dumps({"claims": claims}), [TRUE])


def test_other_forms_of_the_summary_s_words_are_its_own_and_no_claim_at_all_is_a_verdict():
    said = [claim("Mira Oldan was the seller of a compass."), claim("Peter Lamm had compasses.", [2])]
    assert len(verdicts.parse(f"```json\n{json.dumps({'claims': said})}\n```", ["Mira Oldan sells a compass.", "He had a compass."]).claims) == 2
    assert len(verdicts.parse(json.dumps({"claims": [claim("Er ist da.")]}), ["Er ist da."]).claims) == 1, "short words are better than none"
    assert verdicts.parse('{"claims": []}', ["It rained."]).claims == []


def test_seeds_of_one_arm_are_one_row_and_arms_stand_in_their_order():
    row = {"document": "varn", "kind": "named", "sentences": [TRUE], "claims": [claim(TRUE)], "reason": None}
    found = [{"arm": arm, "strategy": arm, "seed": seed, "summaries": [row, row | {"kind": "unnamed", "document": f"{seed}"}]}
             for arm, seed in (("base", None), ("raw", 1), ("raw", 2))]  # fmt: skip
    assert [(one["kind"], one["arm"], one["n"], one["seeds"]) for one in summed_up.rows(found)] == [
        ("named", "base", 1, [None]), ("named", "raw", 2, [1, 2]), ("unnamed", "base", 1, [None]), ("unnamed", "raw", 2, [1, 2])]  # fmt: skip
    assert SimpleNamespace(**summed_up.rows([found[0] | {"summaries": [row | {"claims": [], "reason": "x"}]}])[0]).share["mean"] is None
