"""What holds on every page: it can be named, reached and seen; nothing from a document runs; roles are respected."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

PAGES = ("/", "/documents", "/review", "/ask", "/taxonomy", "/schemas", "/quality", "/models", "/keys")

#: Controls without an accessible name, ids used twice, images without alt, labels of nothing.
UNNAMED = """() => {
  const named = (e) => e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.textContent.trim()
    || e.labels?.length || e.getAttribute("title");
  const controls = [...document.querySelectorAll("a[href], button, input, select, textarea, [role=button], dialog")];
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  return [
    ...controls.filter((e) => !named(e)).map((e) => e.outerHTML),
    ...ids.filter((id, place) => ids.indexOf(id) !== place),
    ...[...document.querySelectorAll("img:not([alt])")].map((e) => e.outerHTML),
  ];
}"""

#: The lowest contrast of visible text against what stands behind it (WCAG 2.2, 1.4.3), with that text.
CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const behind = (e) => {
    if (!e) return [255, 255, 255, 1];
    const own = rgba(getComputedStyle(e).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(e.parentElement));
  };
  const light = (c) => {
    const [r, g, b] = c.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let worst = [21, ""];
  for (const e of document.querySelectorAll("main *, nav *")) {
    const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || !e.checkVisibility() || e.closest(":disabled") || e.closest("svg")) continue;
    const back = behind(e);
    const [a, b] = [light(over(rgba(getComputedStyle(e).color), back)), light(back)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, e.textContent.trim().slice(0, 60)];
  }
  return worst;
}"""


def ready(page: Page, path: str) -> None:
    page.goto(path)
    page.locator("main h1").first.wait_for()
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_control_has_a_name_and_every_text_can_be_read(open_as, uploaded, claim, scheme):
    page = open_as("admin", color_scheme=scheme)
    document = uploaded(page, claim)
    for path in (*PAGES, f"/documents/{document}"):
        ready(page, path)
        assert page.evaluate(UNNAMED) == [], path
        ratio, words = page.evaluate(CONTRAST)
        assert ratio >= 4.5, f"{path}: {words!r} has a contrast of {ratio:.2f}"
        assert page.locator("main h1").count() == 1, path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
        assert page.title() != "Dossier", path


def test_focus_can_be_seen_and_goes_through_the_page_in_order(open_as, defined):
    page = open_as("admin")
    ready(page, "/documents")
    page.locator("body").click(position={"x": 1, "y": 1})
    seen = []
    for _ in range(24):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break  # past the last control
        outline, words = page.evaluate(
            "[getComputedStyle(document.activeElement).outlineStyle,"
            " document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent]"
        )
        assert outline != "none", words
        seen.append(words)
    assert seen.index("Documents") < seen.index("Search documents") < seen.index("State")


def test_a_dialog_keeps_the_focus_and_gives_it_back(open_as, defined):
    page = open_as("admin")
    ready(page, "/keys")
    opener = page.get_by_role("button", name="New key")
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name: who or what will use it")).to_be_focused()
    for _ in range(8):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()


def test_nothing_from_a_document_runs(open_as, uploaded, tmp_path):
    nasty = tmp_path / "<img src=x onerror=alert(1)>.html"
    nasty.write_text(
        "<html><body><p>Policy number &lt;script&gt;window.ran = 1&lt;/script&gt; AUT-1</p>"
        "<script>window.ran = 2</script><img src=x onerror='window.ran = 3'></body></html>"
    )
    page = open_as("reviewer")
    dialogs: list[str] = []
    page.on("dialog", lambda shown: (dialogs.append(shown.message), shown.dismiss()))
    document = uploaded(page, nasty)
    for path in ("/documents", "/review", f"/documents/{document}"):
        ready(page, path)
        assert page.evaluate("window.ran") is None
    expect(page.locator("main")).to_contain_text("onerror=alert(1)")
    assert dialogs == []


def test_a_reader_sees_everything_and_can_change_nothing(open_as, uploaded, claim):
    document = uploaded(open_as("reviewer"), claim)
    page = open_as("reader", f"/documents/{document}")
    page.locator(".field").first.click()
    for name in ("Accept", "Edit", "Reject", "Change", re.compile("open the next")):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    page.keyboard.press("x")
    assert page.request.get(f"/v1/labels?document={document}").json()["items"] == []
    ready(page, "/")
    expect(page.get_by_role("button", name="Choose files")).to_have_count(0)
    expect(page.get_by_role("link", name="Keys and audit")).to_have_count(0)


def test_a_stranger_is_asked_to_sign_in_and_comes_back_to_where_they_were(open_as, stack):
    page = open_as(None, "/documents")
    page.wait_for_url("**/login?next=%2Fdocuments")
    page.get_by_label("API key").fill("dk_00_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not valid any more")
    page.get_by_label("API key").fill(stack.key("reader"))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/documents")
    # The browser itself notes the refused requests in its console.
    noted = [line for line in open_as.complaints if "401" in line or "422" in line]
    assert noted == open_as.complaints
    open_as.complaints.clear()


def test_the_theme_can_be_chosen_and_stays(open_as):
    page = open_as("reader", color_scheme="light")
    ready(page, "/documents")
    ground = "getComputedStyle(document.querySelector('main')).backgroundColor"
    light = page.evaluate(ground)
    button = page.get_by_role("button", name=re.compile("^Theme"))
    button.click()
    button.click()
    expect(button).to_have_attribute("aria-label", "Theme: dark")
    assert page.evaluate(ground) != light
    page.reload()
    page.locator("main h1").wait_for()
    assert page.evaluate(ground) != light
