"""A label made on the page becomes a better classifier that is seen, compared and taken back on the page."""

from __future__ import annotations

import re

from playwright.sync_api import expect

LETTERS = {
    "Motor accident": [
        "At the crossing in Arlon a lorry hit my car from behind and broke the bumper.",
        "Collision between two vehicles in Metz; the left door of my car is dented.",
        "The other driver did not brake and drove into my vehicle in Trier.",
    ],
    "Glass breakage": [
        "A stone chip cracked the windscreen of my car on the motorway to Namur.",
        "The rear window of the vehicle was found broken this morning in Esch.",
        "My windscreen has a crack from edge to edge since Monday.",
    ],
    "Water damage": [
        "A pipe burst in our kitchen in Ghent and the water ruined the floor.",
        "Water came through the ceiling after the washing machine upstairs leaked.",
        "The cellar of our house is flooded since the heavy rain on Sunday.",
    ],
    "Renewal": [
        "Please renew our policy that ends on 31 December for another year.",
        "My contract runs out next month; I would like to extend it.",
        "Kindly send the renewal papers of the policy before it expires.",
    ],
}
AUDITED = {
    "Motor accident": "Two cars collided in Bonn, mine has a broken headlight.",
    "Glass breakage": "The side window of my car was smashed by a stone.",
    "Water damage": "A leaking pipe has soaked the bathroom wall.",
    "Renewal": "I want to renew the insurance policy for the coming year.",
}
PATHS = {
    "Motor accident": ["Claims", "Motor claims", "Motor accident"],
    "Glass breakage": ["Claims", "Motor claims", "Glass breakage"],
    "Water damage": ["Claims", "Home claims", "Water damage"],
    "Renewal": ["Contracts", "Policies", "Renewal"],
}


def test_a_label_on_the_page_changes_the_classifier_and_the_change_can_be_taken_back(open_as, uploaded, tmp_path):
    written = {}
    for leaf, texts in LETTERS.items():
        for number, text in enumerate([*texts, AUDITED[leaf]]):
            path = tmp_path / f"{leaf.lower().replace(' ', '-')}-{number}.txt"
            path.write_text(text)
            written[path] = (leaf, number == len(texts))
    page = open_as("admin")
    late = uploaded(page, *written)  # the first of them gets its label last, on the page
    found = {item["name"]: item["id"] for item in page.request.get("/v1/documents?limit=200").json()["items"]}
    items = [
        {"document": found[path.name], "task": "class", "path": PATHS[leaf], "audit": audited}
        for path, (leaf, audited) in written.items()
        if found[path.name] != late
    ]
    assert page.request.post("/v1/labels", data={"items": items}).ok

    first = learned(page)
    page.goto(f"/documents/{late}")
    page.get_by_role("region", name="Class", exact=True).get_by_role("button", name="Change").click()
    page.get_by_role("combobox", name="Search classes").fill("motor accident")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Class", exact=True)).to_contain_text("Motor accident")
    expect(page.get_by_text("Being worked on")).to_have_count(0)
    page.get_by_role("button", name="Why this class").click()
    expect(page.get_by_role("dialog", name="Why this class")).to_contain_text("Motor accident rather than for")
    second = learned(page)
    assert second != first
    page.goto("/taxonomy")
    page.get_by_role("button", name="Advice").click()
    expect(page.get_by_role("dialog", name="What would help")).to_contain_text("Classes with few examples")
    page.goto("/models")

    card = page.locator(".card", has=page.get_by_role("heading", name="Classifier"))
    card.get_by_role("button", name="2 versions").click()
    page.get_by_role("dialog").get_by_role("button", name="Compare").first.click()
    shown = page.get_by_role("dialog", name="Before and after: classifier")
    expect(shown).to_contain_text("On 4 labels that neither learned from")
    expect(shown).to_contain_text(re.compile(r"after \d \(\d+\s?%\)"))
    shown.get_by_role("button", name="Close").click()

    card.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("The version before is in use again.")).to_be_visible()
    assert in_use(page) == first


def learned(page) -> str:
    """Learns from the labels on the page and waits for the new version; its id."""
    before = in_use(page)
    page.goto("/models")
    card = page.locator(".card", has=page.get_by_role("heading", name="Classifier"))
    card.get_by_role("button", name="Learn from labels").click()
    expect(page.get_by_text("Learning has begun.")).to_be_visible()
    expect(page.locator("tbody tr", has_text="Classifier").first).to_contain_text("Done", timeout=60_000)
    expect(card).not_to_contain_text(before or "no version", timeout=60_000)
    return in_use(page)


def in_use(page) -> str | None:
    items = page.request.get("/v1/registry").json()["items"]
    return next(item["promoted"] for item in items if item["role"] == "classifier")
