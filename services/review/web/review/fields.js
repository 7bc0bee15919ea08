// The fields beside the page: what to check first, then what passed, then what is empty.
import { h, show } from "/web/dom.js";
import { ago, sentence, title } from "/web/format.js";
import { icon } from "/web/icons.js";
import { normalForm } from "/web/review/normal_form.js";
import { button, certainty } from "/web/widgets.js";

/**
 * A list of fields in `root`. `onActivate(name)`, `onSave(field, action, value, evidence)` with action "accept",
 * "correct" or "reject" (value: text, list of texts, or null). `mayEdit` false shows no actions.
 */
export class FieldList {
  #root;
  #fields = [];
  #groups = [];
  #active = null;
  #editing = null;
  #options;

  constructor(root, options) {
    this.#root = root;
    this.#options = options;
  }

  /** Show these fields; `field.doubts` (reasons) and `field.label` (a person's word, or null) decide the group. */
  set(fields) {
    const before = new Map(this.#groups.flatMap(([heading, members]) => members.map((name) => [name, heading])));
    this.#fields = fields;
    const headings = ["To check", "Found", "Empty"];
    this.#groups = headings.map((heading) => [
      heading,
      fields.filter((field) => (before.get(field.name) ?? groupOf(field)) === heading).map((field) => field.name),
    ]);
    if (!fields.some((field) => field.name === this.#active)) this.#active = null;
    if (!this.#isTyping()) this.#draw();
  }

  /** Whether somebody is in the middle of a value: nothing that arrives meanwhile may wipe it. */
  #isTyping() {
    return this.#editing !== null && this.#root.contains(document.activeElement);
  }

  get active() {
    return this.#fields.find((field) => field.name === this.#active) ?? null;
  }

  get editing() {
    return this.#editing !== null;
  }

  /** Names in the order shown. */
  get order() {
    return this.#groups.flatMap(([, names]) => names);
  }

  /** The field shown after `name`, or `name` itself where it is the last. */
  after(name) {
    const names = this.order;
    return names[names.indexOf(name) + 1] ?? name;
  }

  /** Make a field the current one; `focus` moves the keyboard there too. */
  activate(name, { focus = true } = {}) {
    if (this.#active !== name) this.#editing = null;
    this.#active = name;
    this.#draw();
    const row = this.#row(name);
    row?.scrollIntoView({ block: "nearest" });
    if (focus) row?.focus({ preventScroll: true });
    this.#options.onActivate(name);
  }

  /** Go `steps` fields on. */
  step(steps) {
    const names = this.order;
    if (!names.length) return;
    const here = names.indexOf(this.#active);
    const next = here < 0 ? (steps > 0 ? 0 : names.length - 1) : Math.min(Math.max(here + steps, 0), names.length - 1);
    this.activate(names[next]);
  }

  accept() {
    const field = this.active;
    if (field) this.#options.onSave(field, "accept", machineValue(field), field.values[0]?.evidence ?? null);
  }

  reject() {
    const field = this.active;
    if (field) this.#options.onSave(field, "reject", null, null);
  }

  edit() {
    if (!this.active || !this.#options.mayEdit) return;
    this.#editing = this.#active;
    this.#draw();
    const input = this.#row(this.#active).querySelector("[data-editor]");
    input.focus();
    input.select?.();
  }

  #row(name) {
    return [...this.#root.querySelectorAll(".field")].find((row) => row.dataset.field === name);
  }

  #draw() {
    const focused = this.#root.contains(document.activeElement) ? document.activeElement.dataset.field : null;
    show(
      this.#root,
      this.#groups
        .filter(([, names]) => names.length)
        .map(([heading, names]) => {
          const members = names.map((name) => this.#fields.find((field) => field.name === name));
          const open = members.filter((field) => !field.label).length;
          const note = heading === "To check" ? (open ? `${open} left` : "all done") : String(members.length);
          return h(
            "section",
            { "aria-label": heading },
            h("div", { class: "group-head" }, h("h2", {}, heading), h("span", { class: "faint" }, note)),
            members.map((field) => this.#fieldRow(field)),
          );
        }),
    );
    if (focused && focused === this.#active && !this.editing) this.#row(focused)?.focus({ preventScroll: true });
  }

  #fieldRow(field) {
    const current = field.name === this.#active;
    const values = shownValues(field);
    const spoken = `${title(field.name)}: ${values.join(", ") || "empty"}${field.label ? ", checked" : field.doubts.length ? ", to check" : ""}`;
    const row = h(
      "div",
      {
        class: "field",
        tabindex: "0",
        role: "group",
        "aria-label": spoken,
        "aria-current": current ? "true" : null,
        "data-field": field.name,
        on: {
          click: (event) =>
            !event.target.closest("button, input, textarea, select, a") && !current && this.activate(field.name),
          focus: () => field.name !== this.#active && this.activate(field.name),
        },
      },
      h(
        "div",
        { class: "field-name" },
        title(field.name),
        field.required && h("span", { class: "required", title: "Required" }, " *"),
      ),
      current && this.#editing === field.name ? this.#editor(field) : valueView(values),
      !(current && this.#editing === field.name) && h("div", { class: "field-mark" }, mark(field)),
      current && this.#editing !== field.name && this.#more(field),
    );
    return row;
  }

  #more(field) {
    const first = field.values[0];
    const printed = first?.text && first.text !== first.value ? `Printed as “${first.text}”` : null;
    const place = first ? (first.evidence ? `page ${first.evidence.page}` : "no place found on the page") : null;
    const from = [printed, place, first && `found by ${title(first.engine).toLowerCase()}`].filter(Boolean).join(", ");
    const said =
      field.label &&
      (field.label.saving ? "Saving …" : `Saved by ${field.label.author}, ${ago(field.label.created_at)}`);
    return h(
      "div",
      { class: "field-more" },
      !field.label && field.doubts.map((doubt) => h("p", { class: "why" }, sentence(doubt.message))),
      (said || from) && h("p", { class: "from" }, said || sentence(from)),
      this.#options.mayEdit &&
        h(
          "div",
          { class: "row" },
          field.values.length > 0 && button("Accept", () => this.accept(), { small: true, icon: "check", key: "A" }),
          button(field.values.length || field.label?.value ? "Edit" : "Set a value", () => this.edit(), {
            small: true,
            icon: "pencil",
            key: "E",
          }),
          button(field.values.length ? "Reject" : "Not in the document", () => this.reject(), {
            small: true,
            tone: "quiet",
            icon: "ban",
            key: "X",
          }),
        ),
    );
  }

  #editor(field) {
    const given = shownValues(field);
    const name = title(field.name);
    const input =
      field.type === "choice" && field.choices?.length
        ? h(
            "select",
            { class: "select small", "aria-label": name, "data-editor": true },
            ["", ...field.choices].map((choice) =>
              h("option", { value: choice, selected: choice === given[0] }, choice),
            ),
          )
        : field.many
          ? h("textarea", {
              class: "textarea",
              rows: Math.max(given.length, 2),
              "aria-label": `${name}, one per line`,
              "data-editor": true,
              value: given.join("\n"),
            })
          : h("input", {
              class: "input small",
              "aria-label": name,
              "data-editor": true,
              value: given[0] ?? "",
              placeholder: { date: "2026-11-30", amount: "1234.56" }[field.type] ?? "",
            });
    const save = () => {
      const lines = (field.many ? input.value.split("\n") : [input.value])
        .map((line) => normalForm(field.type, line))
        .filter(Boolean);
      this.#editing = null;
      if (!lines.length) return this.#options.onSave(field, "reject", null, null);
      return this.#options.onSave(field, "correct", field.many ? lines : lines[0], null);
    };
    const cancel = () => {
      this.#editing = null;
      this.#draw();
      this.#row(field.name)?.focus();
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") cancel();
      else if (event.key === "Enter" && !(field.many && !event.metaKey && !event.ctrlKey)) {
        event.preventDefault();
        save();
      } else return;
      event.stopPropagation();
    });
    return h(
      "div",
      { class: "editor" },
      input,
      h(
        "div",
        { class: "row" },
        button("Save", save, { small: true, tone: "primary", key: field.many ? "Ctrl ↵" : "↵" }),
        button("Cancel", cancel, { small: true, tone: "quiet", key: "Esc" }),
      ),
      h("p", { class: "from" }, "Or select the words on the page."),
    );
  }
}

/** The machine's value in the form a label takes: a list where the field holds many, else one text, null if none. */
export function machineValue(field) {
  const values = field.values.map((one) => one.value);
  return field.many ? values : (values[0] ?? null);
}

function groupOf(field) {
  if (field.doubts.length) return "To check";
  return field.values.length || field.label ? "Found" : "Empty";
}

function shownValues(field) {
  if (field.label) return field.label.value === null ? [] : [field.label.value].flat().map(String);
  return field.values.map((one) => String(one.value));
}

function valueView(values) {
  if (!values.length) return h("div", { class: "field-value none" }, "–");
  if (values.length === 1) return h("div", { class: "field-value" }, values[0]);
  return h(
    "ul",
    { class: "field-value" },
    values.map((value) => h("li", {}, value)),
  );
}

function mark(field) {
  if (field.label?.saving) return h("span", { class: "spinner" });
  if (field.label)
    return icon(field.label.value === null ? "ban" : "check", field.label.value === null ? "rejected" : "");
  if (!field.values.length) return null;
  const scores = field.values.map((one) => one.confidence);
  return certainty(
    scores.includes(null) ? null : Math.min(...scores),
    field.doubts.some((doubt) => doubt.code === "field_uncertain"),
  );
}
