// The tree of classes: edit it here, save it as a new version, take it in and out as YAML.
import { download, get, put } from "/web/api.js";
import { h, show } from "/web/dom.js";
import { plural, title, when } from "/web/format.js";
import { icon } from "/web/icons.js";
import { showAdvice } from "/web/pages/advice.js";
import { leaves } from "/web/review/class_picker.js";
import { attempt, button, dialog, empty, labelled, pageHead, say } from "/web/widgets.js";

export async function open(root, { signal, me }) {
  document.title = "Taxonomy · Dossier";
  const mayEdit = me.role === "admin";
  let tree = await get("/v1/taxonomy", { signal });
  let changed = false;
  let selected = tree.nodes[0] ?? null;
  const opened = new Set(tree.nodes);
  const head = h("div");
  const treePlace = h("div", { class: "tree", role: "tree", "aria-label": "Classes" });
  const form = h("div", { class: "card sticky" });
  const file = h("input", {
    type: "file",
    accept: ".yaml,.yml,.json",
    class: "visually-hidden",
    tabindex: "-1",
    "aria-label": "Taxonomy file",
    on: { change: () => take(file.files[0]) },
  });
  show(
    root,
    h(
      "div",
      { class: "page" },
      head,
      h("div", { class: "split-pane" }, h("div", { class: "table-box" }, treePlace), form),
      file,
    ),
  );
  treePlace.addEventListener("keydown", steer);
  addEventListener("beforeunload", (event) => changed && event.preventDefault(), { signal });
  draw();

  function draw() {
    show(
      head,
      pageHead(
        "Taxonomy",
        `${plural(leaves(tree.nodes).length, "class", "classes")} in ${tree.levels.length} levels (${tree.levels.map(title).join(", ")}), version ${tree.version}. Descriptions matter: until there are labels, the machine goes by them.`,
        button("Advice", showAdvice, { tone: "quiet" }),
        button("Versions", versions, { tone: "quiet" }),
        button("Export", () => attempt(() => download("/v1/taxonomy", "taxonomy.yaml", "application/yaml")), {
          icon: "download",
        }),
        mayEdit && button("Import", () => file.click(), { icon: "upload" }),
        mayEdit && button("Save as new version", save, { tone: "primary", disabled: !changed }),
      ),
    );
    drawTree();
    drawForm();
  }

  function drawTree() {
    show(
      treePlace,
      tree.nodes.length
        ? tree.nodes.map((node) => item(node, 0))
        : empty("taxonomy", "No classes yet", "Add a first one, or import a taxonomy as YAML."),
      mayEdit &&
        button(`Add ${title(tree.levels[0] ?? "class").toLowerCase()}`, () => add(null), {
          icon: "plus",
          tone: "quiet",
          small: true,
        }),
    );
  }

  function item(node, depth) {
    const children = node.children ?? [];
    const element = h(
      "div",
      {
        role: "treeitem",
        "aria-level": depth + 1,
        "aria-selected": String(node === selected),
        "aria-expanded": children.length ? String(opened.has(node)) : null,
        tabindex: node === selected ? "0" : "-1",
        "aria-label": node.name,
      },
      h(
        "div",
        {
          class: "node",
          style: { paddingLeft: `${8 + depth * 20}px` },
          on: {
            click: (event) => {
              if (children.length && (node === selected || event.target.closest(".turns-open"))) toggle(node);
              choose(node);
            },
          },
        },
        children.length ? icon("chevron", "turns-open") : h("span", { style: { width: "16px" } }),
        h("span", { class: `truncate ${children.length ? "strong" : ""}` }, node.name),
        children.length > 0 && h("span", { class: "count" }, leaves(children).length),
      ),
      opened.has(node) &&
        children.length > 0 &&
        h(
          "div",
          { role: "group" },
          children.map((child) => item(child, depth + 1)),
        ),
    );
    element.node = node;
    return element;
  }

  function drawForm() {
    if (!selected) return show(form, h("p", { class: "muted" }, "Choose a class to see and edit it."));
    const depth = pathTo(selected).length;
    const deeper = tree.levels[depth];
    const name = h("input", {
      class: "input",
      value: selected.name,
      disabled: !mayEdit,
      on: { input: () => rename(name.value) },
    });
    const description = h("textarea", {
      class: "textarea",
      rows: 5,
      value: selected.description ?? "",
      disabled: !mayEdit,
      on: {
        input: () => {
          selected.description = description.value;
          touch();
        },
      },
    });
    return show(
      form,
      h(
        "div",
        { class: "form-grid" },
        h(
          "div",
          {},
          h("h3", {}, title(tree.levels[depth - 1] ?? "class")),
          h(
            "p",
            { class: "muted" },
            pathTo(selected)
              .slice(0, -1)
              .map((node) => node.name)
              .join(" › "),
          ),
        ),
        labelled("Name", name),
        labelled("Description: what belongs here, in the words such documents use", description),
        mayEdit &&
          h(
            "div",
            { class: "row spread" },
            deeper
              ? button(`Add ${title(deeper).toLowerCase()} below`, () => add(selected), { icon: "plus", small: true })
              : h("span"),
            button("Remove", () => drop(selected), { icon: "trash", tone: "danger", small: true }),
          ),
      ),
    );
  }

  function pathTo(wanted, nodes = tree.nodes) {
    for (const node of nodes) {
      if (node === wanted) return [node];
      const below = pathTo(wanted, node.children ?? []);
      if (below.length) return [node, ...below];
    }
    return [];
  }

  function choose(node, focus = true) {
    selected = node;
    draw();
    if (focus) treePlace.querySelector('[aria-selected="true"]')?.focus();
  }

  function toggle(node) {
    if (!opened.delete(node)) opened.add(node);
  }

  function touch() {
    changed = true;
    head.querySelector(".primary").disabled = false;
  }

  function rename(words) {
    selected.name = words.trim() || "New class";
    touch();
    drawTree();
  }

  function add(parent) {
    const node = { name: "New class", description: "", children: [] };
    if (parent) {
      parent.children = [...(parent.children ?? []), node];
      opened.add(parent);
    } else tree.nodes.push(node);
    changed = true;
    choose(node, false);
    const name = form.querySelector("input");
    name.focus();
    name.select();
  }

  function drop(node) {
    const path = pathTo(node);
    const siblings = path.length > 1 ? path.at(-2).children : tree.nodes;
    siblings.splice(siblings.indexOf(node), 1);
    changed = true;
    choose(path.at(-2) ?? tree.nodes[0] ?? null);
  }

  function steer(event) {
    const shown = [...treePlace.querySelectorAll('[role="treeitem"]')];
    const here = shown.findIndex((one) => one.node === selected);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && shown[here + step]) choose(shown[here + step].node);
    else if (event.key === "ArrowRight" && selected?.children?.length && !opened.has(selected)) {
      opened.add(selected);
      choose(selected);
    } else if (event.key === "ArrowLeft" && opened.has(selected) && selected?.children?.length) {
      opened.delete(selected);
      choose(selected);
    } else if (event.key === "ArrowLeft" && pathTo(selected).length > 1) choose(pathTo(selected).at(-2));
    else return;
    event.preventDefault();
  }

  /** Show the tree that the server now keeps, its first level open. */
  function adopt(kept) {
    tree = kept;
    changed = false;
    selected = tree.nodes[0] ?? null;
    opened.clear();
    tree.nodes.forEach((node) => opened.add(node));
    draw();
  }

  function save() {
    return attempt(async () => {
      adopt(await put("/v1/taxonomy", { levels: tree.levels, nodes: tree.nodes }));
      say(`Saved as version ${tree.version}.`, "Learn again under Models, so that the new classes are told apart.");
    });
  }

  function take(chosen) {
    if (!chosen) return null;
    return attempt(async () => {
      const kind = chosen.name.endsWith(".json") ? "application/json" : "application/yaml";
      adopt(await put("/v1/taxonomy", await chosen.text(), { headers: { "Content-Type": kind } }));
      file.value = "";
      say(`Imported as version ${tree.version}.`);
    });
  }

  function versions() {
    return attempt(async () => {
      const { items } = await get("/v1/taxonomy/versions", { signal });
      dialog("Versions", () =>
        h(
          "div",
          {},
          items.map((one) =>
            h(
              "div",
              { class: "row spread", style: { padding: "6px 0" } },
              h("span", { class: "strong" }, `Version ${one.version}`),
              h("span", { class: "muted" }, [one.author, when(one.created_at)].filter(Boolean).join(", ")),
            ),
          ),
        ),
      );
    });
  }
}
