"""How fast fields are learned and extracted: `dossier bench extract`.

On invented invoices of two layouts. The reference, timed in the same run on the same texts, is scikit-learn's
`HashingVectorizer` over words: reading a text once and hashing what is in it.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable
from typing import Any

from sklearn.feature_extraction.text import HashingVectorizer

from services.extract.archive import packed
from services.extract.evaluate import reading_from_pages
from services.extract.extraction import values_in
from services.extract.fitting import Labelled, fit
from services.extract.schema import FieldSpec
from services.extract.searched import Searched
from shared.documents import Reading

#: Invoices to learn from and to answer; rows of each invoice.
LEARNED, ANSWERED, ROWS = 40, 40, 30
FIELDS = (
    FieldSpec(name="invoice_number", type="identifier"),
    FieldSpec(name="invoice_date", type="date"),
    FieldSpec(name="total_amount", type="amount"),
    FieldSpec(name="supplier", type="party"),
)
_HEADS = (
    ("Invoice number", "Invoice date", "Supplier", "Total"),
    ("Rechnungsnummer", "Datum", "Firma", "Gesamtbetrag"),
)
_WORDS = ("bumper", "Scheibe", "porte", "mirror", "Lack", "phare", "tyre", "Achse", "vitre", "labour")
_SUPPLIERS = ("Garage Weber GmbH", "Carrosserie Petit SARL", "Hoffmann Glass Ltd", "Autohaus Klein AG")


def bench() -> dict[str, Any]:
    """Print a table and return its figures; times in milliseconds per document, sizes in bytes.

    `…_ratio` is ours by the reference's.
    """
    chance = random.Random(7)
    invoices = [_invoice(chance) for _ in range(LEARNED + ANSWERED)]
    taught = [Labelled(Searched.of(reading), truth) for reading, truth in invoices[:LEARNED]]
    began = time.perf_counter()
    ranker = fit(FIELDS, taught)
    fit_s = time.perf_counter() - began
    unseen = [reading for reading, _ in invoices[LEARNED:]]
    vectorizer = HashingVectorizer()
    reference = _per_document(unseen, lambda reading: vectorizer.transform([reading.text]))
    learned = _per_document(unseen, lambda reading: values_in(reading, "doc", FIELDS, ranker))
    cold = _per_document(unseen, lambda reading: values_in(reading, "doc", FIELDS, None))
    figures = {
        "documents": ANSWERED,
        "fields": len(FIELDS),
        "fit_s": round(fit_s, 2),
        "ranker_bytes": len(packed(ranker)),
        "learned_ms": learned,
        "anchors_ms": cold,
        "hashing_ms": reference,
        "learned_ratio": round(learned / reference, 2),
        "anchors_ratio": round(cold / reference, 2),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    for name, value in figures.items():
        print(f"{name:28} {value}")  # noqa: T201  # the table is what this command is for
    return figures


def _per_document(readings: list[Reading], work: Callable[[Reading], object]) -> float:
    began = time.perf_counter()
    for reading in readings:
        work(reading)
    return round((time.perf_counter() - began) * 1000 / len(readings), 3)


def _invoice(chance: random.Random) -> tuple[Reading, dict[str, list[str]]]:
    number = f"RE-{chance.randint(1000, 9999)}/{chance.randint(10, 99)}"
    day, month = chance.randint(1, 28), chance.randint(1, 12)
    supplier = chance.choice(_SUPPLIERS)
    rows = [[" ".join(chance.choices(_WORDS, k=4)), f"{chance.uniform(5, 900):.2f}"] for _ in range(ROWS)]
    total = f"{sum(float(price) for _, price in rows):.2f}"
    heads = chance.choice(_HEADS)
    values = (number, f"{day:02}.{month:02}.2024", supplier, total)
    lines = [[head, value] for head, value in zip(heads[:3], values[:3], strict=True)]
    lines += [*rows, [heads[3], f"EUR {total}"]]
    words = [
        [cell, 50 + 250 * column, 40 + 14 * row, 50 + 250 * column + 5 * len(cell), 50 + 14 * row]
        for row, line in enumerate(lines)
        for column, cell in enumerate(line)
    ]
    truth = {
        "invoice_number": [number],
        "invoice_date": [f"2024-{month:02}-{day:02}"],
        "supplier": [supplier],
        "total_amount": [total],
    }
    return reading_from_pages([{"width": 595, "height": 842, "words": words}]), truth
