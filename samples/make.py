"""Write the sample documents, their gold and the exact place of their words.

    python -m samples.make [--out DIR] [--seed N]

DIR (default: this folder) gets `documents/`, `gold.jsonl` and `words.jsonl.gz`. The same seed gives the same bytes.
A record of `words.jsonl.gz` is one page: `{"file", "page", "width", "height", "words": [[text, x0, y0, x1, y1], …]}`,
points from the top left of the page as delivered, words in the order they were set.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from samples import billing, electronic, evidence, mail, office, pdf, plan, scans, truth
from samples.draft import Draft
from samples.plan import Planned
from samples.typeset import A4, PlacedWord

SEED = 1926
#: The document that arrives twice, byte for byte: by the order in which they are received.
REPEATED = 23

#: Names this module gives to documents; an earlier run's files are removed by it, anybody else's stay.
OURS = re.compile(r"\d{4}-\d\d-\d\d_(scan|mail|portal|post)_\d{3}(_copy)?\.\w+")
CHANNEL = {"scan": "scan", "eml": "mail", "docx": "portal", "html": "portal", "txt": "portal", "xlsx": "portal"}


@dataclass(frozen=True)
class File:
    """Bytes, their suffix, and for every page with known geometry width, height and words."""

    content: bytes
    suffix: str
    pages: list[tuple[float, float, list[PlacedWord]]] = field(default_factory=list)


@dataclass(frozen=True)
class Sample:
    """One document: where it goes, what it holds, what is true about it.

    `printed` has, for every field that is on the document, the forms it was printed in. `gold` is None for the
    exact duplicate, which the desk must skip.
    """

    name: str
    file: File
    gold: dict[str, Any] | None
    printed: dict[str, list[str]]


def corpus(seed: int = SEED) -> Iterator[Sample]:
    """Every document in turn; nothing is written."""
    for number, planned in enumerate(plan.documents(seed), start=1):
        sample = _sample(number, planned)
        yield sample
        if number == REPEATED:
            twin = sample.name.replace(f"_{number:03d}.", f"_{number:03d}_copy.")
            yield Sample(twin, sample.file, None, {})


def make(out: Path, seed: int = SEED) -> None:
    """Write all documents of this seed, their gold and their words under `out`."""
    write(out, corpus(seed))


def write(out: Path, samples: Iterable[Sample]) -> None:
    """Write these documents, their gold and their words under `out`, in place of those of an earlier run."""
    folder = out / "documents"
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in folder.iterdir():
        if OURS.fullmatch(earlier.name):
            earlier.unlink()
    gold, words = [], []
    for sample in samples:
        (folder / sample.name).write_bytes(sample.file.content)
        if sample.gold is not None:
            gold.append(json.dumps(sample.gold, ensure_ascii=False))
            words += [_page_record(sample, number) for number in range(len(sample.file.pages))]
    (out / "gold.jsonl").write_text("\n".join(gold) + "\n", "utf-8")
    packed = gzip.compress(("\n".join(words) + "\n").encode(), mtime=0)
    (out / "words.jsonl.gz").write_bytes(packed)


def _page_record(sample: Sample, number: int) -> str:
    width, height, words = sample.file.pages[number]
    record = {
        "file": f"documents/{sample.name}",
        "page": number + 1,
        "width": round(width, 2),
        "height": round(height, 2),
        "words": [[word.text, *(round(value, 2) for value in word.box)] for word in words],
    }
    return json.dumps(record, ensure_ascii=False)


def _sample(number: int, planned: Planned) -> Sample:
    draft = Draft(Random(planned.seed), planned.leaf, planned.language)
    file = _file(draft, planned, number)
    path = plan.path(planned.leaf)
    names = plan.fields(path)
    channel = CHANNEL.get(planned.format, "post")
    name = f"{draft.day.isoformat()}_{channel}_{number:03d}.{file.suffix}"
    gold = {
        "file": f"documents/{name}",
        "path": path,
        "language": planned.language,
        "fields": truth.gold_of(draft.facts, names),
        "split": planned.split,
        "kind": planned.format,
    }
    printed = {name: draft.facts[name].printed for name in names if name in draft.facts and draft.facts[name].printed}
    return Sample(name, file, gold, printed)


def _file(draft: Draft, planned: Planned, number: int) -> File:
    """Make the document in its format."""
    if planned.format == "facturx":
        bill = billing.bill(draft)
        printed = pdf.render(billing.invoice_of(draft, bill), draft.language, draft.rng)
        return File(electronic.with_invoice_xml(printed.pdf, draft, bill), "pdf", _geometry(printed))
    sheet = planned.maker(draft)
    if planned.format == "form":
        return File(electronic.fillable(sheet), "pdf")
    if planned.format == "eml":
        address = str(draft.facts.get("sender_email", draft.customer.email))
        return File(mail.message(sheet, draft.language, address, draft.day, _attachments(draft), draft.rng), "eml")
    if planned.format == "docx":
        return File(office.word(sheet), "docx")
    if planned.format == "xlsx":
        return File(office.workbook(sheet), "xlsx")
    if planned.format == "html":
        return File(office.web_page(sheet, draft.language), "html")
    if planned.format == "txt":
        return File(office.text(sheet).encode(), "txt")
    printed = pdf.render(sheet, draft.language, draft.rng)
    if planned.format == "pdf":
        return File(printed.pdf, "pdf", _geometry(printed))
    return _scanned(draft, printed, number)


def _geometry(printed: pdf.Print) -> list[tuple[float, float, list[PlacedWord]]]:
    return [(*A4, page.words) for page in printed.pages]


def _scanned(draft: Draft, printed: pdf.Print, number: int) -> File:
    """Through the scanner: mostly PDF, some PNG and TIFF, some lying on their side."""
    rng = draft.rng
    container: scans.Container = ("pdf", "png", "pdf", "tiff", "pdf")[number % 5]
    if container == "png" and len(printed.pages) > 1:
        container = "tiff"
    wear = scans.Wear(
        angle=rng.uniform(0.4, 1.9) * rng.choice([-1, 1]),
        dpi=rng.choice([200, 200, 240]) if container != "tiff" else 200,
        noise=rng.uniform(3, 9),
        quality=rng.randint(38, 62),
        turned=number % 8 == 0 or number % 7 == 0,
        colour=container == "pdf" and rng.random() < 0.4,
    )
    made = scans.scan(printed, wear, container, rng.getrandbits(32))
    return File(made.content, container, made.pages)


def _attachments(draft: Draft) -> list[mail.Attachment]:
    """What travels with a mail: bills with a claim, an identity card with a broker's request."""
    leaf = {
        "glass_breakage": "glazier_invoice", "motor_accident": "garage_invoice",
        "health_reimbursement": "medical_invoice", "broker_request": "identity_card", "travel_claim": "bank_details",
    }.get(draft.leaf)  # fmt: skip
    if leaf is None:
        return []
    inner = Draft(Random(draft.rng.getrandbits(64)), leaf, draft.language, draft.customer)
    maker = {"identity_card": evidence.identity_card, "bank_details": billing.bank_details}.get(leaf, billing.invoice)
    printed = pdf.render(maker(inner), inner.language, inner.rng)
    return [mail.Attachment(f"{leaf.split('_')[0]}-{inner.day:%Y%m}.pdf", "application/pdf", printed.pdf)]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write the sample documents of an invented insurer.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write to")
    parser.add_argument("--seed", type=int, default=SEED, help=f"default {SEED}")
    options = parser.parse_args()
    make(options.out, options.seed)


if __name__ == "__main__":
    main()
