"""What people type and select, as the pages turn it into normal forms before it is saved."""

from __future__ import annotations

CASES = [
    ("amount", "1.234,56", "1234.56"),
    ("amount", "1,234.56", "1234.56"),
    ("amount", "CHF 1'234.50", "1234.50"),
    ("amount", "1 234,5 €", "1234.5"),
    ("amount", "1\u202f234\u202f567,00", "1234567.00"),
    ("amount", "1.234", "1234"),
    ("amount", "1.234.567", "1234567"),
    ("amount", "0,5", "0.5"),
    ("amount", "-12,00", "-12.00"),
    ("amount", "twelve", "twelve"),
    ("number", "42", "42"),
    ("date", "3.11.2026", "2026-11-03"),
    ("date", "03/11/26", "2026-11-03"),
    ("date", "14 octobre 2026", "2026-10-14"),
    ("date", "1er août 2025", "2025-08-01"),
    ("date", "2. März 2026", "2026-03-02"),
    ("date", "October 14th, 2026", "2026-10-14"),
    ("date", "2026-02-29", "2026-02-29"),
    ("date", "31.02.2026", "31.02.2026"),
    ("currency", "€", "EUR"),
    ("currency", "chf", "CHF"),
    ("address", "12, rue de la Gare\nL-1611  Luxembourg", "12, rue de la Gare L-1611 Luxembourg"),
    ("identifier", "LU28 0019 4006 4475 0000", "LU280019400644750000"),
    ("identifier", "AUT 2031 88", "AUT 2031 88"),
    ("party", "  Jürgen\u00a0 Müller ", "Jürgen Müller"),
]


def test_typed_and_selected_text_takes_the_normal_form_of_its_field(open_as):
    page = open_as("reader", "/login")
    given = [[type_, text] for type_, text, _ in CASES]
    script = (
        "async (cases) => { const { normalForm } = await import('/web/review/normal_form.js');"
        " return cases.map(([type, text]) => normalForm(type, text)); }"
    )
    found = page.evaluate(script, given)
    wrong = [(text, got, wanted) for (_, text, wanted), got in zip(CASES, found, strict=True) if got != wanted]
    assert wrong == []
