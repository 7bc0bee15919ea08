"""The schema studio in a real browser: point at a field in two documents, see it in the others, correct, save."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from playwright.sync_api import expect
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas


@pytest.fixture
def six_claims(tmp_path: Path) -> list[Path]:
    """Six claims of one layout, each with a file number under a label that no lexicon knows."""
    paths = []
    for number in range(1, 7):
        written = io.BytesIO()
        canvas = Canvas(written, pagesize=A4, invariant=True)
        canvas.setFont("Helvetica-Bold", 15)
        canvas.drawString(56, 770, "Motor accident claim")
        canvas.setFont("Helvetica", 11)
        rows = [("Policy number", f"AUT-2031-{number}8417"), ("Vorgang Blau", f"B-{number}0/{number}7")]
        rows += [("Policyholder", f"Claire Schroeder {'I' * number}"), ("Date of loss", f"{number + 9} October 2026")]
        for place, (label, value) in enumerate(rows):
            canvas.drawString(56, 730 - 22 * place, label)
            canvas.drawString(220, 730 - 22 * place, value)
        canvas.drawString(56, 560, "Report of a road traffic accident, a collision between two vehicles.")
        canvas.save()
        paths.append(tmp_path / f"claim-{number}.pdf")
        paths[-1].write_bytes(written.getvalue())
    return paths


def test_a_field_is_made_by_pointing_at_it(open_as, uploaded, six_claims):
    page = open_as("admin", "/")
    uploaded(page, *six_claims)
    page.goto("/schemas?studio=claim")
    page.get_by_label("Name").fill("blue number")
    page.get_by_label("Type").select_option("identifier")
    for number in (1, 2):
        page.get_by_role("button", name=f"Point at it in claim-{number}.pdf").click()
        word = page.locator(".pointing").get_by_role("button", name=f"B-{number}0/{number}7", exact=True)
        word.click()
        word.click()
        said = page.get_by_role("row", name=f"claim-{number}.pdf").locator("[data-values]")
        expect(said).to_contain_text("said by you")
    for number in range(3, 7):
        row = page.get_by_role("row", name=f"claim-{number}.pdf")
        expect(row.locator("[data-values]")).to_have_text(f"B-{number}0/{number}7")
        expect(row.get_by_role("img", name=f"B-{number}0/{number}7")).to_be_visible()
    figures = page.get_by_role("status", name="How good it is")
    expect(figures).to_contain_text("Precision 100 % · coverage 100 % · judged on 2 values")
    page.get_by_role("row", name="claim-3.pdf").get_by_role("button", name="Right").click()
    expect(figures).to_contain_text("judged on 3 values")
    page.get_by_role("button", name="Save the field").click()
    expect(page.get_by_text("Field saved.")).to_be_visible()
    fields = page.request.get("/v1/schemas/claim").json()["fields"]
    assert fields[-1]["name"] == "blue_number"
    assert fields[-1]["anchors"] == ["vorgang blau"]
    labels = page.request.get("/v1/labels").json()["items"]
    assert {label["value"] for label in labels if label["name"] == "blue_number"} == {"B-10/17", "B-20/27", "B-30/37"}
