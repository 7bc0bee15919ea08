"""What a person does in a day: upload, watch, correct, ask, follow a citation."""

from __future__ import annotations

import re

from playwright.sync_api import expect


def test_from_upload_to_a_cited_answer(open_as, uploaded, claim):
    page = open_as("reviewer")
    document = uploaded(page, claim)
    expect(page.get_by_role("region", name="Progress")).to_contain_text("1 done")

    page.get_by_role("link", name=claim.name).click()
    page.wait_for_url(f"**/documents/{document}")
    page.locator(".sheet img").first.wait_for()
    amount = page.locator('.field[data-field="claimed_amount"]')
    amount.click()
    page.keyboard.press("e")
    page.get_by_label("Claimed amount", exact=True).fill("2.348,75")
    page.keyboard.press("Enter")
    expect(amount).to_contain_text("2348.75")
    expect(amount).to_contain_text("Saved by test reviewer")
    page.reload()
    expect(page.locator('.field[data-field="claimed_amount"]')).to_contain_text("2348.75")

    page.goto("/ask")
    page.get_by_role("textbox", name="Question").fill("What does the Kieffer garage estimate for the repair?")
    page.keyboard.press("Enter")
    chip = page.locator(".answer .chip").first
    chip.wait_for(timeout=30_000)
    page.locator(".sources").wait_for()
    chip.click()
    expect(page.locator(".ask-side .cited").first).to_be_visible()
    page.get_by_role("link", name="Open document").click()
    page.wait_for_url(re.compile(rf"/documents/{document}\?page=1&start=\d+&end=\d+"))
    expect(page.locator(".overlay .cited").first).to_be_in_viewport()


def test_a_whole_review_with_the_keyboard_alone(open_as, uploaded, claim, tmp_path):
    other = tmp_path / "note.txt"
    other.write_text("Dear broker, the policy HR-5520-118 of Jürgen Müller ends on 31 December 2026. Please renew it.")
    page = open_as("reviewer")
    uploaded(page, claim, other)
    page.goto("/documents")
    page.get_by_role("heading", name="Documents").wait_for()

    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").strip() == claim.name:
            break
    page.keyboard.press("Enter")
    page.locator(".field").first.wait_for()
    page.keyboard.press("j")
    first = page.locator(".field[aria-current=true]")
    expect(first).to_be_focused()
    name = first.get_attribute("data-field")
    page.keyboard.press("e")
    page.keyboard.press("Control+A")
    page.keyboard.type("Typed by hand")
    page.keyboard.press("Enter")
    expect(page.locator(f'.field[data-field="{name}"]')).to_contain_text("Typed by hand")
    page.keyboard.press("j")
    second = page.locator(".field[aria-current=true]").get_attribute("data-field")
    assert second != name
    page.keyboard.press("x")
    expect(page.locator(f'.field[data-field="{second}"] svg.rejected')).to_be_visible()

    page.keyboard.press("c")
    page.get_by_role("combobox", name="Search classes").wait_for()
    page.keyboard.type("glass")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Class", exact=True)).to_contain_text("Glass breakage")
    expect(page.get_by_text("Being worked on")).to_have_count(0)

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    before = page.url
    page.keyboard.press("Shift+Enter")
    page.wait_for_url(lambda url: url != before)
    assert page.request.get(f"/v1/reviews/{before.rsplit('/', 1)[1]}").json()["decision"] == "reviewed"


def test_words_selected_on_the_page_become_a_value_with_their_place(open_as, uploaded, claim):
    page = open_as("reviewer")
    document = uploaded(page, claim)
    page.goto(f"/documents/{document}")
    page.locator(".sheet img").first.wait_for()
    page.locator('.field[data-field="policyholder"]').click()
    words = page.request.get(f"/v1/documents/{document}/pages/1").json()
    sheet = page.locator(".sheet").first.bounding_box()
    scale = sheet["width"] / words["width"]
    chosen = [word for word in words["words"] if word[0] in ("Motor", "accident")][:2]
    start, end = chosen[0][1], chosen[-1][1]
    page.mouse.move(sheet["x"] + (start[0] + 2) * scale, sheet["y"] + (start[1] + start[3]) / 2 * scale)
    page.mouse.down()
    page.mouse.move(sheet["x"] + (end[2] - 2) * scale, sheet["y"] + (end[1] + end[3]) / 2 * scale, steps=4)
    page.mouse.up()
    expect(page.get_by_label("Use the selected words")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator('.field[data-field="policyholder"]')).to_contain_text("Motor accident")
    expect(page.locator('.field[data-field="policyholder"]')).to_contain_text("Saved by test reviewer")
    labels = page.request.get(f"/v1/labels?document={document}").json()["items"]
    assert labels[0]["evidence"]["quote"] == "Motor accident"
    assert labels[0]["evidence"]["boxes"]


def test_clicking_a_box_shows_its_field_and_the_other_way_round(open_as, uploaded, claim):
    page = open_as("reviewer")
    page.goto(f"/documents/{uploaded(page, claim)}")
    box = page.locator('.overlay .evidence[data-key^="policy_number"]').first
    box.click()
    expect(page.locator('.field[data-field="policy_number"]')).to_have_attribute("aria-current", "true")
    expect(page.locator(".overlay .active")).to_have_attribute("data-key", re.compile("^policy_number"))


def test_what_failed_says_why_and_what_to_do(open_as, uploaded, claim, tmp_path):
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7 this is no PDF at all")
    empty = tmp_path / "empty.pdf"
    empty.write_bytes(b"")
    twin = tmp_path / "twin.pdf"
    twin.write_bytes(claim.read_bytes())
    page = open_as("reviewer")
    uploaded(page, claim, broken, empty, twin)
    expect(page.get_by_text("The file is empty (0 bytes).")).to_be_visible()
    expect(page.get_by_text("Already here, so it is not worked on twice.")).to_be_visible()
    failed = page.locator(".outcome.refused", has_text="broken.pdf")
    expect(failed).to_be_visible()
    failed.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("broken.pdf starts again.")).to_be_visible()
    page.get_by_role("heading", name="Finished").wait_for()


def test_the_documents_do_not_say_is_an_answer(open_as, uploaded, claim):
    page = open_as("reader")
    uploader = open_as("reviewer")
    uploaded(uploader, claim)
    page.goto("/ask")
    page.get_by_role("textbox", name="Question").fill("Which planet has the largest number of moons?")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No passage in the documents backs this")).to_be_visible(timeout=30_000)
    expect(page.locator(".answer .chip")).to_have_count(0)
