// What to extract for which class: one table of fields per schema, inherited from the classes above.
import { download, get, put, remove } from "/web/api.js";
import { h, show } from "/web/dom.js";
import { title } from "/web/format.js";
import { attempt, button, confirmed, dialog, empty, labelled, pageHead, pathView, say, select } from "/web/widgets.js";

const TYPES = [
  "text",
  "date",
  "amount",
  "number",
  "currency",
  "identifier",
  "party",
  "address",
  "choice",
  "duration",
  "list",
];

export async function open(root, here) {
  const { signal, me, parameters, go } = here;
  if (parameters.get("studio")) return (await import("/web/pages/studio.js")).open(root, here);
  document.title = "Schemas · Dossier";
  const mayEdit = me.role === "admin";
  const [{ items }, taxonomy] = await Promise.all([get("/v1/schemas", { signal }), get("/v1/taxonomy", { signal })]);
  const schemas = items.sort((one, other) => one.path.join("\u0000").localeCompare(other.path.join("\u0000")));
  let schema = schemas.find((one) => one.name === parameters.get("name")) ?? schemas[0] ?? null;
  let inherited = [];
  let changed = false;
  const list = h("nav", { class: "side-list", "aria-label": "Schemas" });
  const editor = h("div");
  const file = h("input", {
    type: "file",
    accept: ".yaml,.yml,.json",
    class: "visually-hidden",
    tabindex: "-1",
    "aria-label": "Schema file",
    on: { change: () => take(file.files[0]) },
  });
  show(
    root,
    h(
      "div",
      { class: "page" },
      pageHead(
        "Schemas",
        "The fields to look for in each class. A class also gets the fields of the classes above it.",
        schema &&
          button("Export", () => attempt(() => download("/v1/schemas", "schemas.yaml", "application/yaml")), {
            icon: "download",
          }),
        mayEdit && button("Import", () => file.click(), { icon: "upload" }),
        mayEdit && button("New schema", create, { icon: "plus", tone: "primary" }),
      ),
      h("div", { class: "schema-layout" }, h("div", { class: "table-box" }, list), editor),
      file,
    ),
  );
  addEventListener("beforeunload", (event) => changed && event.preventDefault(), { signal });
  await choose(schema);

  async function choose(one) {
    schema = one;
    changed = false;
    inherited = [];
    if (schema) {
      const resolved = await get(`/v1/schemas/${encodeURIComponent(schema.name)}?resolved=true`, { signal }).catch(
        () => schema,
      );
      const own = new Set(schema.fields.map((field) => field.name));
      inherited = resolved.fields.filter((field) => !own.has(field.name));
    }
    draw();
  }

  function draw() {
    show(list, schemas.length ? outline() : h("p", { class: "muted", style: { padding: "10px" } }, "None yet"));
    if (!schema)
      return show(
        editor,
        h(
          "div",
          { class: "table-box" },
          empty(
            "schemas",
            "No schemas yet",
            "A schema says which fields to find in one class of documents. Make one, or import YAML.",
            mayEdit && button("New schema", create, { icon: "plus", tone: "primary" }),
          ),
        ),
      );
    return show(
      editor,
      h(
        "div",
        { class: "row spread", style: { marginBottom: "12px" } },
        h(
          "div",
          { class: "stack", style: { gap: "2px" } },
          h("h2", {}, schema.name),
          schema.path.length ? pathView(schema.path) : h("span", { class: "muted" }, "Every document"),
        ),
        mayEdit &&
          h(
            "div",
            { class: "row" },
            button("Delete", drop, { icon: "trash", tone: "quiet", small: true }),
            button("Save", save, { tone: "primary", small: true, disabled: !changed, "data-save": true }),
          ),
      ),
      fieldTable(),
    );
  }

  /** The schemas in the order of the tree; classes without one appear only to hold those below them. */
  function outline() {
    const at = (path) => schemas.find((one) => one.path.join("\u0000") === path.join("\u0000"));
    const needed = (path) => schemas.some((one) => path.every((level, depth) => one.path[depth] === level));
    const paths = [[], ...every(taxonomy.nodes)].filter((path) => (path.length ? needed(path) : at(path)));
    const strays = schemas.filter((one) => !paths.some((path) => at(path) === one)).map((one) => one.path);
    return [...paths, ...strays].map((path) => {
      const one = at(path);
      const words = h(
        "span",
        {
          class: `grow truncate ${path.length < 2 ? "strong" : ""}`,
          style: { paddingLeft: `${Math.max(path.length - 1, 0) * 14}px` },
        },
        path.at(-1) ?? "All documents",
      );
      if (!one) return h("div", { class: "side-item heading muted" }, words);
      return h(
        "button",
        {
          class: "side-item",
          type: "button",
          "aria-current": one === schema ? "true" : null,
          on: { click: () => choose(one) },
        },
        words,
        h("span", { class: "faint numeric" }, one.fields.length),
      );
    });
  }

  function fieldTable() {
    const heads = [
      ["Field", "22%"],
      ["Type", "118px"],
      ["What it is, and the words that stand beside it", ""],
      ["Many", "52px", "middle"],
      ["Required", "68px", "middle"],
      ["", "40px"],
    ];
    const rows = schema.fields.map((field, place) =>
      h(
        "tr",
        {},
        h(
          "td",
          {},
          h("input", {
            class: "input",
            value: field.name,
            "aria-label": "Field name",
            disabled: !mayEdit,
            on: {
              input: (event) =>
                touch(() => {
                  field.name = event.target.value.trim().replace(/\s+/g, "_");
                }),
            },
          }),
        ),
        h(
          "td",
          {},
          select(
            TYPES.map((type) => [type, title(type)]),
            field.type,
            (type) => {
              touch(() => {
                field.type = type;
              });
              draw();
              keep();
            },
            { "aria-label": "Type", disabled: !mayEdit },
          ),
        ),
        h(
          "td",
          {},
          h("input", {
            class: "input",
            value: field.description ?? "",
            placeholder: "In a few words",
            "aria-label": "Description",
            disabled: !mayEdit,
            on: {
              input: (event) =>
                touch(() => {
                  field.description = event.target.value;
                }),
            },
          }),
          field.type === "choice" &&
            h("input", {
              class: "input",
              value: (field.choices ?? []).join(", "),
              placeholder: "Choices, separated by commas",
              "aria-label": "Choices",
              disabled: !mayEdit,
              on: {
                input: (event) =>
                  touch(() => {
                    field.choices = split(event.target.value);
                  }),
              },
            }),
          h("input", {
            class: "input muted",
            value: (field.anchors ?? []).join(", "),
            placeholder: "Words beside it: Total, Montant, Betrag",
            "aria-label": "Words that stand beside it",
            disabled: !mayEdit,
            on: {
              input: (event) =>
                touch(() => {
                  field.anchors = split(event.target.value);
                }),
            },
          }),
        ),
        ...["many", "required"].map((flag) =>
          h(
            "td",
            {},
            h(
              "label",
              { class: "check" },
              h("input", {
                type: "checkbox",
                checked: Boolean(field[flag]),
                disabled: !mayEdit,
                "aria-label": title(flag),
                on: {
                  change: (event) =>
                    touch(() => {
                      field[flag] = event.target.checked;
                    }),
                },
              }),
            ),
          ),
        ),
        h(
          "td",
          {},
          mayEdit &&
            button(
              "",
              () => {
                schema.fields.splice(place, 1);
                changed = true;
                draw();
                keep();
              },
              { icon: "trash", tone: "quiet", small: true, label: `Remove ${field.name}` },
            ),
        ),
      ),
    );
    const above = inherited.map((field) =>
      h(
        "tr",
        {},
        h("td", { class: "muted" }, h("span", { style: { padding: "0 8px" } }, field.name)),
        h("td", { class: "muted" }, h("span", { style: { padding: "0 8px" } }, title(field.type))),
        h("td", { class: "faint", colspan: 4 }, h("span", { style: { padding: "0 8px" } }, "from a class above")),
      ),
    );
    return h(
      "div",
      { class: "table-box" },
      h(
        "div",
        { class: "table-scroll" },
        h(
          "table",
          { class: "schema-table", "aria-label": `Fields of ${schema.name}` },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              heads.map(([words, width, kind]) =>
                h(
                  "th",
                  { scope: "col", class: kind, style: { width } },
                  words || h("span", { class: "visually-hidden" }, "Actions"),
                ),
              ),
            ),
          ),
          h(
            "tbody",
            {},
            rows,
            above,
            mayEdit &&
              h(
                "tr",
                {},
                h(
                  "td",
                  { colspan: 6 },
                  button("Add a field", addField, { icon: "plus", tone: "quiet", small: true }),
                  button("Make one in the studio", () => go(`/schemas?studio=${encodeURIComponent(schema.name)}`), {
                    tone: "quiet",
                    small: true,
                    disabled: changed,
                  }),
                ),
              ),
          ),
        ),
      ),
    );
  }

  function touch(change) {
    change();
    changed = true;
    keep();
  }

  function keep() {
    const save = editor.querySelector("[data-save]");
    if (save) save.disabled = !changed;
  }

  function addField() {
    schema.fields.push({
      name: "",
      type: "text",
      description: "",
      many: false,
      required: false,
      choices: [],
      anchors: [],
    });
    changed = true;
    draw();
    keep();
    [...editor.querySelectorAll('[aria-label="Field name"]')].at(-1).focus();
  }

  function save() {
    return attempt(async () => {
      await put(`/v1/schemas/${encodeURIComponent(schema.name)}`, {
        name: schema.name,
        path: schema.path,
        fields: schema.fields.filter((field) => field.name),
        line_items: schema.line_items ?? [],
        constraints: schema.constraints ?? [],
      });
      changed = false;
      keep();
      say("Schema saved.", "Documents of this class are looked at again.");
    });
  }

  async function drop() {
    if (
      !(await confirmed(
        `Delete the schema ${schema.name}?`,
        "Its fields are no longer looked for. Values already found stay.",
        "Delete",
      ))
    )
      return;
    await attempt(async () => {
      await remove(`/v1/schemas/${encodeURIComponent(schema.name)}`);
      schemas.splice(schemas.indexOf(schema), 1);
      await choose(schemas[0] ?? null);
    });
  }

  function create() {
    const taken = new Set(schemas.map((one) => one.path.join("\u0000")));
    const paths = [[], ...every(taxonomy.nodes)].filter((path) => !taken.has(path.join("\u0000")));
    dialog("New schema", (close) => {
      const name = h("input", { class: "input", required: true, autofocus: true, placeholder: "motor_claim" });
      const path = select(
        paths.map((one, place) => [String(place), one.length ? one.join(" › ") : "Every document"]),
        "0",
      );
      return h(
        "form",
        {
          class: "form-grid",
          on: {
            submit: (event) => {
              event.preventDefault();
              const fresh = {
                name: name.value.trim().replace(/\s+/g, "_"),
                path: paths[Number(path.value)],
                fields: [],
              };
              schemas.push(fresh);
              close();
              choose(fresh).then(addField);
            },
          },
        },
        labelled("Name", name),
        labelled("For which class", path),
        h(
          "div",
          { class: "dialog-foot" },
          button("Cancel", close),
          button("Make it", null, { tone: "primary", type: "submit" }),
        ),
      );
    });
  }

  async function take(chosen) {
    const words = "The file's schemas become the only ones. Documents of the classes that change are looked at again.";
    if (!chosen || !(await confirmed("Replace all schemas?", words, "Replace them"))) return;
    await attempt(async () => {
      const kind = chosen.name.endsWith(".json") ? "application/json" : "application/yaml";
      await put("/v1/schemas", await chosen.text(), { headers: { "Content-Type": kind } });
      say("Imported.");
      await go("/schemas");
    });
  }
}

const split = (words) =>
  words
    .split(",")
    .map((word) => word.trim())
    .filter(Boolean);

function every(nodes, before = []) {
  return nodes.flatMap((node) => [[...before, node.name], ...every(node.children ?? [], [...before, node.name])]);
}
