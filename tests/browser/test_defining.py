"""What an analyst does: the tree of classes, the fields of a class, keys."""

from __future__ import annotations

import re

from playwright.sync_api import expect


def test_a_class_can_be_added_and_saved_as_a_new_version(open_as, defined):
    page = open_as("admin", "/taxonomy")
    page.get_by_role("treeitem", name="Claims", exact=True).locator(".node").first.click()
    page.get_by_role("button", name=re.compile("^Add .* below$")).click()
    page.get_by_label("Name").fill("Pet claims")
    page.get_by_label("Description", exact=False).fill("An animal was ill or had an accident.")
    page.get_by_role("button", name="Save as new version").click()
    expect(page.get_by_text("Saved as version", exact=False)).to_be_visible()
    nodes = page.request.get("/v1/taxonomy").json()["nodes"]
    claims = next(node for node in nodes if node["name"] == "Claims")
    assert claims["children"][-1]["name"] == "Pet claims"
    assert claims["children"][-1]["description"] == "An animal was ill or had an accident."


def test_the_tree_can_be_walked_with_arrow_keys(open_as, defined):
    page = open_as("admin", "/taxonomy")
    tree = page.get_by_role("tree")
    tree.get_by_role("treeitem", name="Claims", exact=True).focus()
    page.keyboard.press("ArrowDown")
    expect(tree.locator("[aria-selected=true]")).to_have_attribute("aria-label", "Motor claims")
    page.keyboard.press("ArrowRight")
    expect(tree.locator("[aria-selected=true]")).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(tree.locator("[aria-selected=true]")).to_have_attribute("aria-label", "Claims")


def test_the_taxonomy_goes_out_and_in_as_yaml(open_as, defined, tmp_path):
    page = open_as("admin", "/taxonomy")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Export").click()
    exported = tmp_path / "taxonomy.yaml"
    waiting.value.save_as(exported)
    exported.write_text(exported.read_text().replace("Motor claims", "Vehicle claims"))
    page.set_input_files("input[type=file]", exported)
    expect(page.get_by_text("Imported as version", exact=False)).to_be_visible()
    expect(page.get_by_role("treeitem", name="Vehicle claims")).to_be_visible()


def test_a_field_can_be_added_to_a_schema(open_as, defined):
    page = open_as("admin", "/schemas")
    page.get_by_role("navigation", name="Schemas").get_by_role("button", name="Motor claims").click()
    page.get_by_role("button", name="Add a field").click()
    page.get_by_label("Field name").last.fill("repair shop")
    page.get_by_label("Type").last.select_option("party")
    page.get_by_label("Words that stand beside it").last.fill("Garage, Werkstatt")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Schema saved.")).to_be_visible()
    schemas = page.request.get("/v1/schemas").json()["items"]
    fields = next(schema["fields"] for schema in schemas if schema["path"] == ["Claims", "Motor claims"])
    assert fields[-1]["name"] == "repair_shop"
    assert fields[-1]["type"] == "party"
    assert fields[-1]["anchors"] == ["Garage", "Werkstatt"]


def test_a_key_is_shown_once_and_can_be_revoked(open_as):
    page = open_as("admin", "/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name: who or what will use it").fill("Claims intake")
    page.get_by_role("button", name="Make the key").click()
    secret = page.locator("[data-secret]").inner_text()
    assert secret.startswith("dk_")
    page.get_by_role("button", name="Done").click()
    row = page.get_by_role("table", name="API keys").get_by_role("row", name="Claims intake")
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_have_count(0)
    assert page.request.get("/v1/me", headers={"Authorization": f"Bearer {secret}"}).status == 401
