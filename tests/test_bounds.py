"""What a file may ask for: beyond it, and whatever a converter does, the file is named and the run goes no further."""

import io
import os
import signal
import sys
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import psutil
import pytest
from made_files import docx, epub, paragraph, pdf
from test_formats import error_of, read

from closedbook.sources import formats
from closedbook.sources.formats import common
from closedbook.sources.formats.common import Unreadable

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def here(monkeypatch):
    """Conversions in this process, whose bounds a test can set."""
    monkeypatch.setattr(formats.conversion, "convert_apart", formats.convert)


SMALL = {"a_pdf": pdf([(40, 500, "Text.")]), "b_docx": docx(paragraph("Text.")), "c_epub": epub("<p>Text.</p>"), "d_html": b"<p>Text."}


def test_a_process_of_its_own_gives_what_this_one_gives(monkeypatch):
    by_another = read(**SMALL)
    for kept in formats.KEPT.iterdir():
        kept.unlink()
    monkeypatch.setattr(formats.conversion, "convert_apart", formats.convert)
    assert by_another == read() and len(by_another) == 4


def test_a_module_of_the_users_folder_is_no_part_of_a_converter():
    Path("json.py").write_text("raise SystemExit('run')")
    assert len(read(**SMALL)) == 4


@pytest.fixture
def greedy():
    """A PDF whose page is a stream of nothing, some 250 times as large as it is written."""
    packed = zlib.compress(b" " * 300_000_000, 9)
    data = pdf([]).replace(b"/Contents 9 0 R", b"/Contents 10 0 R")
    return data.replace(b"xref\n0", b"10 0 obj\n<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream\nendobj\nxref\n0" % (len(packed), packed), 1)


def test_memory_is_bounded(monkeypatch, greedy):
    monkeypatch.setattr(common, "MEMORY", 128 << 20)
    assert "a.pdf: takes more than 128 MiB of memory: split it" in error_of(a_pdf=greedy)


def test_processor_time_is_bounded(monkeypatch):
    monkeypatch.setattr(common, "SECONDS", 1)
    begin = time.monotonic()
    assert "a.html: takes more than 1 seconds of processor time" in error_of(a_html=b"<div>" * 200_000 + b"</x>" * 200_000 + b"x")
    assert time.monotonic() - begin < 60


def test_a_converter_that_dies_is_a_broken_file(monkeypatch):
    monkeypatch.setattr(formats.conversion, "_watched", lambda child: child.kill() or child.wait())
    assert f"a.html: broken, or not what its name says (its converter ended by signal {signal.SIGKILL:d})" in error_of(a_html=b"<p>Text.")


def test_a_converter_that_cannot_begin_is_no_fault_of_the_file(monkeypatch):
    monkeypatch.setattr(common, "SECONDS", "many")
    with pytest.raises(RuntimeError, match="texts/d.html: its converter ended with status 1: (?s:.*)ValueError"):
        read(d_html=b"<p>Text.")


def test_a_conversion_ends_with_the_run_that_wants_it():
    Path("a.pdf").write_bytes(pdf(*[[(40, 500 - line / 100, "Letters after letters after letters") for line in range(20_000)]] * 3))
    run = "import pathlib; from closedbook.sources.formats import conversion; conversion.convert_apart(pathlib.Path('a.pdf'))"
    parent = psutil.Popen([sys.executable, "-c", run], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    begin = time.monotonic()
    while not (children := parent.children()) and time.monotonic() - begin < 60:
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    gone, alive = psutil.wait_procs(children, timeout=20)
    for process in alive:
        process.kill()
    assert gone and not alive


def test_what_an_archive_unpacks_to_is_bounded(monkeypatch, here):
    monkeypatch.setattr(common, "UNPACKED", 1 << 20)
    chapter = "<p>" + "a" * 300_000 + "</p>"
    message = error_of(a_epub=epub(*[chapter] * 4), b_docx=docx(paragraph("a" * (1 << 20))), c_epub=epub(*[chapter] * 3))
    assert "a.epub: unpacks to more than 1 MiB" in message and "b.docx: unpacks to more than 1 MiB" in message and "2 of 3" in message


def test_a_part_that_a_book_names_often_counts_each_time(monkeypatch, here):
    monkeypatch.setattr(common, "UNPACKED", 1 << 20)
    package = ('<package><manifest><item id="a" href="c0.xhtml"/></manifest><spine>' + '<itemref idref="a"/>' * 100 + "</spine></package>")
    assert "a.epub: unpacks to more than 1 MiB" in error_of(a_epub=epub("a" * 20_000, **{"OEBPS__book.opf": package}))


def test_an_archive_that_lies_about_a_parts_size_gives_no_more_than_it_says():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a", b"a" * 50_000_000)
    lying = data.getvalue().replace((50_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    tracemalloc.start()
    with common.archive(lying) as opened, pytest.raises(zipfile.BadZipFile):
        opened.read("a")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20, "it was not unpacked before it was refused"


def test_pictures_of_an_archive_are_not_unpacked(monkeypatch, here):
    monkeypatch.setattr(common, "UNPACKED", 1 << 20)
    big = {"word__media__a.png": "x" * (2 << 20)}
    assert len(read(a_docx=docx(paragraph("Text."), **big), b_epub=epub("<p>Text.</p>", **big))) == 2


@pytest.mark.parametrize(("name", "data"), [
    ("a_txt", b"Twelve chars"), ("a_html", b"<p>Twelve chars"), ("a_docx", docx(paragraph("Twelve chars"))), ("a_epub", epub("Twelve chars")),
    ("a_pdf", pdf([(40, 500, "Twelve chars")])),
])
def test_text_and_files_are_bounded(monkeypatch, here, name, data):
    monkeypatch.setattr(common, "TEXT", 11)
    assert f"texts/{name.replace('_', '.')}: " in error_of(**{name: data}) and "characters of text" in error_of(**{name: data})
    monkeypatch.setattr(common, "TEXT", 19)
    assert len(read(**{name: data})) == 1
    monkeypatch.setattr(common, "FILE", len(data) - 1)
    assert "MiB, and a file may have" in error_of(**{name: data})


def test_a_pdf_that_shows_one_text_on_many_pages_is_stopped_on_the_way(monkeypatch):
    monkeypatch.setattr(common, "TEXT", 1000)
    laid_out = []
    turn = formats.pdf._boxes
    monkeypatch.setattr(formats.pdf, "_boxes", lambda page: laid_out.append(page) or turn(page))
    with pytest.raises(Unreadable, match="characters of text"):
        formats.pdf.convert(pdf(*[[(40, 500, "Twenty-five letters or so")]] * 200))
    assert len(laid_out) < 50


def test_a_documents_type_in_docx_is_refused():
    bomb = '<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"/>'
    assert "a.docx: broken" in error_of(a_docx=docx("", word__document__xml=bomb))


@pytest.mark.parametrize(("deep", "why"), [(200, "a.docx: its elements are nested too deeply"), (20_000, "a.docx: broken")])
def test_deep_nesting_is_named(deep, why):
    assert why in error_of(a_docx=docx("<w:p>" * deep + "</w:p>" * deep))
