"""The identity of code: what counts for a stage, and what does not."""

import itertools

import pytest

from closedbook.util import files, fingerprint
from closedbook.workflow.registry import STAGES, STEPS

PLAIN = {
    "stage": "from closedbook import used\nfrom closedbook.box import Box\n\n\ndef job(x):\n    return used.f(x) + Box().open()\n",
    "used": "LIMIT = 2\n\n\ndef f(x):\n    return g(x) * LIMIT\n\n\ndef g(x):\n    return x\n",
    "box": "class Box:\n    def open(self):\n        from closedbook.deep import far\n\n        return far.away()\n",
    "deep/__init__": "",
    "deep/far": "def away():\n    return 1\n",
    "apart": "def f(x):\n    return x * 3\n\n\ndef g(x):\n    return x\n",
}


@pytest.fixture
def digest(tmp_path):
    """The digest of the stage in a package of these modules, some of them replaced (None: taken away)."""
    packages = itertools.count()

    def digest(**changes):
        place = tmp_path / str(next(packages))
        texts = PLAIN | {name.replace("__", "/", 1) if name.startswith("deep__") else name: text for name, text in changes.items()}
        for name, text in texts.items():
            if text is not None:
                files.write_text(place / f"{name}.py", text)
        return fingerprint.digest("closedbook.stage:job", package=place)

    return digest


def edited(module, before, after):
    assert before in PLAIN[module]
    return {module.replace("/", "__"): PLAIN[module].replace(before, after)}


@pytest.mark.parametrize("change", [
    edited("used", "return x\n", "# why\n    return (\n        x)\n"),
    edited("used", "def f(x):\n", 'def f(x):\n    """What it does."""\n'),
    {"used": PLAIN["used"] + "\n\ndef more(x):\n    return 7\n\n\nOTHER = 3\n"},
    {"apart": "changed = True\n"},
    {"used": PLAIN["used"] + "\n\ndef x():\n    return 8\n"},
    {"used": None, "other": PLAIN["used"], "stage": PLAIN["stage"].replace("import used", "import other").replace("used.f", "other.f")},
    {"box": None, "deep__box": PLAIN["box"], "stage": PLAIN["stage"].replace("closedbook.box", "closedbook.deep.box")},
], ids=["a comment and layout", "a docstring", "new definitions", "one that has an argument's name", "a module that nothing reaches", "a renamed module", "a moved module"])  # fmt: skip
def test_what_can_change_no_result_is_no_change(digest, change):
    assert digest(**change) == digest()


@pytest.mark.parametrize("change", [
    edited("stage", "+ Box", "- Box"),
    edited("used", "return x\n", "return x + 1\n"),
    edited("used", "LIMIT = 2", "LIMIT = 3"),
    edited("deep/far", "return 1", "return 2"),
    {"used": PLAIN["used"] + "\n\nfor name in ():\n    print(name)\n"},
    {"deep__/__init__": "import sys\n\nsys.setrecursionlimit(9)\n"},
    {"stage": PLAIN["stage"].replace("used.f(x)", "apart.f(x)").replace("import used", "import apart")},
    {"used": "from math import sqrt as g\n" + PLAIN["used"].split("\n\n\ndef g")[0]},
], ids=["the stage", "a helper's helper", "a constant", "a lazy import far away", "what a module does when imported",
        "what a package does when imported", "another function of the same name", "another library"])  # fmt: skip
def test_what_can_change_a_result_is_one(digest, change):
    assert digest(**change) != digest()


def test_a_field_of_a_class_is_not_the_function_of_its_name(digest):
    with_field = edited("box", "class Box:\n", "class Box:\n    size: int = 0\n\n")["box"]
    assert digest(box=with_field + "\n\ndef size():\n    return 1\n") == digest(box=with_field + "\n\ndef size():\n    return 2\n")


def test_a_global_of_an_inner_function_is_the_module_s(digest):
    inner = "def f(x):\n    LIMIT = x\n\n    def inner():\n        global LIMIT\n        return LIMIT\n\n    return inner() + LIMIT\n\n\nLIMIT = 2\n"
    assert digest(used=inner) != digest(used=inner.replace("LIMIT = 2", "LIMIT = 3"))


def test_of_a_module_that_is_handed_on_all_counts(digest):
    whole = PLAIN["stage"].replace("used.f(x)", "max([used], key=id).f(x)")
    assert digest(stage=whole) != digest(stage=whole, used=PLAIN["used"] + "\n\nOTHER = 3\n")


def test_functions_that_call_each_other_are_told_apart(digest):
    both = "def f(x):\n    return g(x) if x else 0\n\n\ndef g(x):\n    return f(x - 1)\n"
    assert digest(used=both) != digest(used=both.replace("x - 1", "x - 2"))


def test_an_import_of_names_that_a_package_hands_on_counts(digest):
    through = {"stage": "from closedbook import deep\n\n\ndef job(x):\n    return deep.away()\n", "deep__/__init__": "from closedbook.deep.far import away\n"}
    assert digest(**through) != digest(**through, **edited("deep/far", "return 1", "return 2"))


def test_the_short_list_of_modules_that_change_no_stage_is_short_and_each_is_there():
    assert 0 < len(fingerprint.NEUTRAL) <= 10
    assert all(fingerprint._module_path(name, fingerprint.PACKAGE) for name in fingerprint.NEUTRAL | fingerprint.EXTRACTIVE)


def test_a_stage_counts_what_it_uses_and_no_other_stage_nor_what_decides_what_runs():
    of_stages = {stage.module for stage in STEPS.values()}
    for name, stage in STEPS.items():
        counted = fingerprint.modules(f"{stage.module}:job")
        scored = {"closedbook.stages.scores"} if name in ("api_models", "released") else set()  # as runs are
        assert counted & of_stages == {stage.module} | scored, "a stage that reaches another one would run again with it"
        assert not [module for module in counted if module.startswith("closedbook.workflow.")]
        files_of = fingerprint.reached(f"closedbook.workflow.registry:{stage.files.__name__}")
        assert files_of and not [place for place in files_of if place.name in ("STEPS", "Stage")], "a new stage is no change to the others"
    assert {"closedbook.training.loop", "closedbook.training.packing"} <= fingerprint.modules("closedbook.stages.runs:job")
    assert "closedbook.miniature.reader" in fingerprint.modules("closedbook.miniature.author:answer")


def test_which_files_a_stage_is_given_counts_too():
    code = STAGES["runs"].code()
    other = fingerprint.of_stage("closedbook.stages.runs", "closedbook.workflow.registry:_corpora")
    assert code == fingerprint.of_stage("closedbook.stages.runs", "closedbook.workflow.registry:_runs") != other


@pytest.fixture
def a_process(tmp_path, monkeypatch):
    """Begin like a process of its own, in a project."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".closedbook").mkdir()

    def begin(parses=True):
        for known in (fingerprint._memory, fingerprint._parsed, fingerprint._text, fingerprint.digest):
            known.cache_clear()
        monkeypatch.setattr(fingerprint, "_parse", parse if parses else None)

    parse = fingerprint._parse
    yield begin
    begin()


def test_a_second_process_parses_nothing_but_what_was_edited(a_process, digest):
    a_process()
    plain, other = digest(), digest(**edited("used", "LIMIT = 2", "LIMIT = 3"))
    a_process(parses=False)
    assert (digest(), digest(**edited("used", "LIMIT = 2", "LIMIT = 3"))) == (plain, other)
    with pytest.raises(TypeError):
        digest(**edited("used", "LIMIT = 2", "LIMIT = 4"))


def test_of_many_modules_only_those_in_use_are_remembered(a_process, digest, monkeypatch):
    a_process()
    digest()
    a_process()
    monkeypatch.setattr(fingerprint, "REMEMBERED", 3)
    digest(**edited("used", "LIMIT = 2", "LIMIT = 3"))
    (memory,) = fingerprint.MEMORY.iterdir()
    kept = files.read_json(memory)
    assert files.sha256_text(PLAIN["used"]) not in kept and files.sha256_text(PLAIN["used"].replace("LIMIT = 2", "LIMIT = 3")) in kept


@pytest.mark.parametrize("broken", ["{", "[1]", "7"])
def test_a_broken_memory_is_made_anew(a_process, digest, broken):
    a_process()
    plain = digest()
    (memory,) = fingerprint.MEMORY.iterdir()
    memory.write_text(broken)
    a_process()
    assert digest() == plain


def test_a_memory_that_lies_is_not_believed_where_nothing_may_be(a_process, digest):
    a_process()
    plain, other = digest(), digest(**edited("used", "LIMIT = 2", "LIMIT = 3"))
    (memory,) = fingerprint.MEMORY.iterdir()
    known, texts = files.read_json(memory), [PLAIN["used"], PLAIN["used"].replace("LIMIT = 2", "LIMIT = 3")]
    first, second = map(files.sha256_text, texts)
    files.write_json(memory, known | {second: known[first]})
    a_process()
    assert digest(**edited("used", "LIMIT = 2", "LIMIT = 3")) == plain, "planted: the memory can make an edited module look unchanged"
    fingerprint.parse_anew()
    assert digest(**edited("used", "LIMIT = 2", "LIMIT = 3")) == other != plain
