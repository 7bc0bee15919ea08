import gzip
import hashlib
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from email import message_from_bytes, policy
from itertools import islice
from pathlib import Path

import docx
import openpyxl
import pikepdf
import pypdfium2
import pytest
import yaml
from stdnum import iban
from stdnum.eu import vat

from samples import make, plan
from samples.make import Sample

SAMPLES = Path(make.__file__).parent


@pytest.fixture(scope="module")
def corpus() -> list[Sample]:
    return list(make.corpus())


@pytest.fixture(scope="module")
def text_of() -> Callable[[Sample], str]:
    """The words of a document, read by somebody else's library; words set by us where it is a scan."""

    def pdf(content: bytes) -> str:
        document = pypdfium2.PdfDocument(content)
        document.init_forms()
        parts = [page.get_textpage().get_text_range() for page in document]
        opened = pikepdf.open(io.BytesIO(content))
        form = opened.Root.get("/AcroForm")
        return " ".join([*parts, *(str(field.V) for field in (form.Fields if form is not None else []))])

    def office(content: bytes) -> str:
        document = docx.Document(io.BytesIO(content))
        cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
        return " ".join([*(paragraph.text for paragraph in document.paragraphs), *cells])

    def workbook(content: bytes) -> str:
        book = openpyxl.load_workbook(io.BytesIO(content))
        return " ".join(str(value) for page in book for row in page.values for value in row if value)

    def mail(content: bytes) -> str:
        message = message_from_bytes(content, policy=policy.default)
        body = message.get_body(("plain",))
        assert body is not None
        return f"{message['Subject']} {message['From']} {body.get_content()}"

    def read(sample: Sample) -> str:
        content, suffix = sample.file.content, sample.file.suffix
        if sample.gold is not None and sample.gold["kind"] == "scan":
            return " ".join(word.text for _, _, words in sample.file.pages for word in words)
        if suffix == "html":
            return re.sub(r"<[^>]+>", " ", content.decode())
        readers = {"pdf": pdf, "docx": office, "xlsx": workbook, "eml": mail, "txt": bytes.decode}
        return readers[suffix](content)  # type: ignore[operator]

    return read


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u00ad\ufffe\u0002]+", "", text.replace("&#x27;", "'").replace("&amp;", "&"))


def test_two_runs_make_the_same_bytes(corpus: list[Sample]) -> None:
    for first, second in zip(corpus, islice(make.corpus(), 60), strict=False):
        assert (first.name, first.gold) == (second.name, second.gold)
        assert first.file.content == second.file.content, first.name


def test_a_run_writes_what_there_is_and_clears_what_an_earlier_one_left(corpus: list[Sample], tmp_path: Path) -> None:
    make.write(tmp_path, corpus[:40])
    (tmp_path / "documents" / "mine.pdf").touch()
    make.write(tmp_path, corpus[20:60])
    written = {path.name: path.read_bytes() for path in (tmp_path / "documents").iterdir()}
    assert written.pop("mine.pdf") == b""
    assert written == {sample.name: sample.file.content for sample in corpus[20:60]}
    gold = [json.loads(line) for line in (tmp_path / "gold.jsonl").read_text().splitlines()]
    assert gold == [sample.gold for sample in corpus[20:60] if sample.gold is not None]
    words = gzip.decompress((tmp_path / "words.jsonl.gz").read_bytes()).decode()
    pages = [json.loads(line) for line in words.splitlines()]
    assert {page["file"] for page in pages} <= {record["file"] for record in gold}


def test_every_gold_value_is_printed_in_its_document(corpus: list[Sample], text_of: Callable[[Sample], str]) -> None:
    for sample in corpus:
        if sample.gold is None:
            continue
        text = squeezed(text_of(sample))
        for name, value in sample.gold["fields"].items():
            if value is None:
                continue
            for printed in sample.printed[name]:
                assert squeezed(printed) in text, (sample.name, name, printed)


def test_text_values_are_printed_as_they_are(corpus: list[Sample]) -> None:
    types = {
        field["name"]: field["type"]
        for schema in yaml.safe_load((SAMPLES / "schemas.yaml").read_text())["schemas"]
        for field in schema["fields"]
    }
    for sample in corpus:
        for name, value in (sample.gold or {"fields": {}})["fields"].items():
            if value is not None and types[name] in ("text", "party", "address", "identifier"):
                printed = {squeezed(form).casefold() for form in sample.printed[name]}
                assert any(squeezed(value).casefold() == form or name == "payment_reference" for form in printed)


def test_every_leaf_is_taught_in_every_language_and_measured(corpus: list[Sample]) -> None:
    gold = [sample.gold for sample in corpus if sample.gold is not None]
    leaves = {tuple(plan.path(leaf)) for leaf in plan.SHAPES}
    assert 25 <= len(leaves) <= 32
    for leaf in leaves:
        of_leaf = [record for record in gold if tuple(record["path"]) == leaf]
        assert Counter(record["split"] for record in of_leaf) == {"label": 3, "measure": 2}
        assert {record["language"] for record in of_leaf if record["split"] == "label"} == {"fr", "de", "en"}
    for split in ("label", "measure"):
        languages = Counter(record["language"] for record in gold if record["split"] == split)
        assert max(languages.values()) - min(languages.values()) <= 3


def test_the_corpus_has_every_format_and_one_exact_duplicate(corpus: list[Sample]) -> None:
    kinds = Counter(sample.gold["kind"] for sample in corpus if sample.gold is not None)
    assert set(kinds) == {"pdf", "scan", "docx", "xlsx", "html", "txt", "eml", "facturx", "form"}
    assert kinds["scan"] >= 25
    assert {sample.file.suffix for sample in corpus if sample.gold and sample.gold["kind"] == "scan"} == {
        "pdf", "png", "tiff",
    }  # fmt: skip
    digests = Counter(hashlib.sha256(sample.file.content).hexdigest() for sample in corpus)
    assert sorted(digests.values())[-2:] == [1, 2]
    assert 140 <= len(corpus) <= 160


def test_the_taxonomy_has_three_levels_and_every_node_is_described() -> None:
    taxonomy = yaml.safe_load((SAMPLES / "taxonomy.yaml").read_text())
    assert len(taxonomy["levels"]) == 3
    names = []
    for top in taxonomy["nodes"]:
        for kind in top["children"]:
            for leaf in kind["children"]:
                names.append(leaf["name"])
                assert "children" not in leaf
                assert all(len(node["description"]) > 20 for node in (top, kind, leaf))
    assert len(names) == len(set(names)) == len(plan.SHAPES)


def test_schemas_hang_on_nodes_of_the_taxonomy_and_have_known_types() -> None:
    taxonomy = yaml.safe_load((SAMPLES / "taxonomy.yaml").read_text())
    schemas = yaml.safe_load((SAMPLES / "schemas.yaml").read_text())["schemas"]
    types = {"text", "date", "amount", "number", "currency", "identifier", "party", "address", "choice", "list"}
    assert len(schemas) >= 10
    assert {field["type"] for schema in schemas for field in schema["fields"]} == types
    for schema in schemas:
        nodes = taxonomy["nodes"]
        for name in schema["path"]:
            node = next(node for node in nodes if node["name"] == name)
            nodes = node.get("children", [])
        for field in schema["fields"]:
            assert field["description"]
            assert ("choices" in field) == (field["type"] == "choice")


def test_ibans_and_vat_numbers_have_right_check_digits(corpus: list[Sample]) -> None:
    fields = [sample.gold["fields"] for sample in corpus if sample.gold is not None]
    ibans = {values["iban"] for values in fields if values.get("iban")}
    taxes = {values["supplier_vat"] for values in fields if values.get("supplier_vat")}
    assert len(ibans) > 10
    assert len(taxes) > 5
    assert all(iban.is_valid(number) for number in ibans)
    assert all(vat.is_valid(number) for number in taxes)


def test_the_invoice_inside_a_factur_x_file_says_what_the_gold_says(corpus: list[Sample]) -> None:
    found = [sample for sample in corpus if sample.gold and sample.gold["kind"] == "facturx"]
    assert found
    for sample in found:
        assert sample.gold is not None
        opened = pikepdf.open(io.BytesIO(sample.file.content))
        xml = opened.attachments["factur-x.xml"].get_file().read_bytes().decode()
        for name in ("invoice_number", "net_amount", "vat_amount", "total_amount", "iban", "supplier_vat"):
            assert f">{sample.gold['fields'][name]}<" in xml, name


def test_word_boxes_lie_where_the_pdf_has_the_words(corpus: list[Sample]) -> None:
    checked = 0
    for sample in corpus:
        if sample.gold is None or sample.gold["kind"] != "pdf":
            continue
        document = pypdfium2.PdfDocument(sample.file.content)
        assert len(document) == len(sample.file.pages)
        for page, (_, height, words) in zip(document, sample.file.pages, strict=True):
            text = page.get_textpage()
            for word in words[::7]:
                x0, y0, x1, y1 = word.box
                assert 0 <= x0 < x1 <= page.get_width(), (sample.name, word)
                assert 0 <= y0 < y1 <= height, (sample.name, word)
                inside = text.get_text_bounded(x0 - 0.5, height - y1 - 0.5, x1 + 0.5, height - y0 + 0.5)
                assert squeezed(word.text) in squeezed(inside), (sample.name, word, inside)
                checked += 1
    assert checked > 500


def test_zip_formats_carry_no_clock(corpus: list[Sample]) -> None:
    for sample in corpus:
        if sample.file.suffix in ("docx", "xlsx"):
            package = zipfile.ZipFile(io.BytesIO(sample.file.content))
            assert {entry.date_time for entry in package.infolist()} == {(2025, 1, 2, 9, 0, 0)}


def test_no_two_words_of_a_page_lie_on_each_other(corpus: list[Sample]) -> None:
    for sample in corpus:
        if sample.gold is None or sample.gold["kind"] not in ("pdf", "facturx"):
            continue
        for _, _, words in sample.file.pages:
            boxes = sorted((word.box, word.text) for word in words)
            for index, ((_, y0, x1, y1), text) in enumerate(boxes):
                for (left, top, right, bottom), other in boxes[index + 1 :]:
                    if left >= x1:
                        break
                    across = min(x1, right) - left
                    down = min(y1, bottom) - max(y0, top)
                    assert across < 1 or down < 0.35 * min(y1 - y0, bottom - top), (sample.name, text, other)
