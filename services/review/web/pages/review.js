// One document: its pages with the evidence, the decision, its class and its fields. Every change is saved at once.
import { get, post, remove } from "/web/api.js";
import { h, show, typing } from "/web/dom.js";
import { ago, language, plural, size, title } from "/web/format.js";
import { icon } from "/web/icons.js";
import { refreshCount } from "/web/main.js";
import { pickClass } from "/web/review/class_picker.js";
import { classOf, classView } from "/web/review/class_view.js";
import { decision } from "/web/review/decision.js";
import { FieldList, machineValue } from "/web/review/fields.js";
import { normalForm } from "/web/review/normal_form.js";
import { neighbours } from "/web/review/order.js";
import { pickBar } from "/web/review/pick_bar.js";
import { Viewer } from "/web/review/viewer.js";
import { showWhy } from "/web/review/why.js";
import { attempt, button, complain, confirmed, loading, say, stateBadge } from "/web/widgets.js";

const POLL_MS = 1000;

export async function open(root, context) {
  await new ReviewDesk(root, context).open();
}

class ReviewDesk {
  constructor(root, { id, parameters, signal, me, go }) {
    Object.assign(this, { root, id, parameters, signal, me, go });
    this.mayEdit = me.role !== "reader";
    this.around = neighbours(id);
  }

  async open() {
    const { id, signal } = this;
    this.doc = await get(`/v1/documents/${id}`, { signal });
    document.title = `${this.doc.name} · Dossier`;
    this.pagesPlace = h("div", { class: "viewer", tabindex: "0", role: "region", "aria-label": "Pages" });
    this.decisionPlace = h("section", { class: "verdict", "aria-label": "Decision", "aria-live": "polite" });
    this.classPlace = h("section", { "aria-label": "Class" });
    this.fieldsPlace = h("div", {}, loading());
    this.morePlace = h("div");
    this.footPlace = h("div", { class: "panel-foot" });
    this.fields = new FieldList(this.fieldsPlace, {
      mayEdit: this.mayEdit,
      onActivate: (name) => this.viewer?.activate(name),
      onSave: (field, action, value, evidence) => this.saveField(field, action, value, evidence),
    });
    const found = [this.decisionPlace, this.classPlace, this.fieldsPlace, this.morePlace];
    const panel = h(
      "aside",
      { class: "panel", "aria-label": "What was found" },
      h("div", { class: "panel-scroll" }, found),
      this.footPlace,
    );
    show(this.root, h("div", { class: "review" }, this.head(), this.pagesPlace, panel));
    document.addEventListener("keydown", (event) => this.key(event), { signal });
    await this.load();
  }

  // --- what is shown -------------------------------------------------------------------------------------------

  head() {
    const { doc, around } = this;
    const pages = doc.page_count && plural(doc.page_count, "page");
    const about = [language(doc.language), pages, size(doc.size_bytes), `added ${ago(doc.created_at)}`];
    const back = {
      class: "button quiet icon-only small",
      href: around.from,
      "aria-label": "Back to the list",
      title: "Back to the list",
    };
    const original = { class: "button small quiet", href: `/v1/documents/${doc.id}/original`, download: doc.name };
    return h(
      "header",
      { class: "review-head" },
      h("a", back, icon("left")),
      h("h1", { class: "truncate", title: doc.name }, doc.name),
      h("span", { class: "faint truncate grow" }, about.filter(Boolean).join(" · ")),
      h("a", { class: "button small quiet", href: `/ask?document=${doc.id}` }, icon("ask"), "Ask about it"),
      h("a", original, icon("download"), "Original"),
      this.me.role === "admin" &&
        button("", () => this.erase(), { icon: "trash", tone: "quiet", small: true, label: "Delete this document" }),
      around.place && h("span", { class: "faint numeric" }, `${around.place} of ${around.of}`),
      button("Previous", () => this.move(around.before), { small: true, disabled: !around.before, key: "P" }),
      button("Next", () => this.move(around.after), { small: true, disabled: !around.after, key: "N" }),
    );
  }

  async load() {
    const { id, signal } = this;
    const missing = (value) => (wrong) => {
      if (wrong.status === 404 || wrong.status === 409) return value;
      throw wrong;
    };
    const [doc, classes, found, review, taxonomy] = await Promise.all([
      get(`/v1/documents/${id}`, { signal }),
      get(`/v1/documents/${id}/classes`, { signal }).catch(missing(null)),
      get(`/v1/documents/${id}/fields`, { signal }).catch(missing({ fields: [] })),
      get(`/v1/reviews/${id}`, { signal }),
      this.taxonomy ?? get("/v1/taxonomy", { signal }).catch(missing({ levels: [], nodes: [] })),
    ]);
    Object.assign(this, { doc, classes, found: found.fields, review, taxonomy });
    this.draw();
    if (!["pending", "running"].includes(doc.state)) return;
    const timer = setTimeout(() => this.load().catch(complain), POLL_MS);
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  }

  /** Bring together what the machine found and what people said, and draw it. */
  draw() {
    const { review, doc } = this;
    const labels = new Map(review.labels.filter((label) => label.task === "field").map((label) => [label.name, label]));
    const known = new Set(this.found.map((field) => field.name));
    const only = [...labels.values()].filter((label) => !known.has(label.name));
    const extra = only.map((label) => ({
      name: label.name,
      type: "text",
      many: Array.isArray(label.value),
      values: [],
    }));
    this.all = [...this.found, ...extra].map((field) => ({
      ...field,
      label: labels.get(field.name) ?? null,
      doubts: doubtsAbout(field, review.reasons),
    }));
    this.classLabel = review.labels.find((label) => label.task === "class") ?? null;
    this.path = classOf(this.classes, this.classLabel);
    this.fields.set(this.all);
    const { tone, parts } = decision(doc, review, this.mayEdit ? () => this.retry() : null);
    this.decisionPlace.className = `verdict ${tone}`;
    show(this.decisionPlace, parts);
    const mayChange = this.mayEdit && doc.state === "succeeded";
    show(
      this.classPlace,
      classView({
        path: this.path,
        classes: this.classes,
        label: this.classLabel,
        levels: this.taxonomy.levels,
        doubted: review.reasons.some((reason) => reason.code === "class_uncertain"),
        onAccept: mayChange && this.path && !this.classLabel ? () => this.saveClass(this.path) : null,
        onChange: mayChange ? () => this.changeClass() : null,
        onWhy: this.classes ? () => showWhy(doc.id, this.path?.length ? this.path : null) : null,
      }),
    );
    this.drawMore();
    this.drawFoot();
    this.drawPages();
  }

  drawMore() {
    const { doc } = this;
    const noSchema = !this.all.length && this.path?.length > 0 && doc.state === "succeeded";
    const child = (one) =>
      h(
        "a",
        { class: "outcome", href: `/documents/${one.id}` },
        icon("documents"),
        h("span", { class: "grow truncate" }, one.name),
        stateBadge(one.state),
      );
    const group = (heading, rows) =>
      rows?.length > 0 && h("section", {}, h("div", { class: "group-head" }, h("h2", {}, heading)), rows);
    show(
      this.morePlace,
      noSchema &&
        h(
          "div",
          { class: "group-head" },
          h(
            "p",
            { class: "muted" },
            "No fields are defined for this class. ",
            h("a", { class: "link", href: "/schemas" }, "Define some"),
          ),
        ),
      group("Attachments", doc.children?.map(child)),
      doc.parent &&
        h(
          "div",
          { class: "group-head" },
          h("a", { class: "link", href: `/documents/${doc.parent}` }, "Open what this was attached to"),
        ),
      doc.similar_to?.length > 0 &&
        h(
          "p",
          { class: "note muted" },
          "Says nearly the same as ",
          doc.similar_to.flatMap((other, place) => [
            place ? ", " : "",
            h("a", { class: "link", href: `/documents/${other.document}` }, other.name),
            ` (${Math.round(100 * other.score)} %)`,
          ]),
          ".",
        ),
      group(
        "Notes of the reader",
        doc.notes?.map((note) => h("p", { class: "note muted" }, note)),
      ),
    );
  }

  drawFoot() {
    this.footPlace.hidden = !this.mayEdit || this.doc.state !== "succeeded";
    const words = this.isSettled() ? "Open the next" : "Accept all, open the next";
    show(
      this.footPlace,
      h(
        "span",
        { class: "faint grow keys" },
        h("kbd", {}, "J"),
        " ",
        h("kbd", {}, "K"),
        " fields  ",
        h("kbd", {}, "?"),
        " all keys",
      ),
      button(words, () => this.proceed(), { tone: "primary", key: "⇧↵" }),
    );
  }

  drawPages() {
    if (!this.viewer && !this.doc.page_count) {
      const words = this.doc.reason?.message ?? "The pages appear as soon as the document has been read.";
      show(
        this.pagesPlace,
        h("div", { class: "empty" }, icon("documents"), h("h2", {}, "No pages to show"), h("p", {}, words)),
      );
      return;
    }
    const first = !this.viewer;
    this.viewer ??= new Viewer(this.pagesPlace, this.id, this.doc.page_count, {
      signal: this.signal,
      onOpen: (key) => this.fields.activate(key.split("#")[0]),
      onPick: this.mayEdit ? (picked) => this.offer(picked) : null,
    });
    this.viewer.setMarks(this.all.flatMap(marksOf));
    const [page, start, end] = ["page", "start", "end"].map((name) => Number(this.parameters.get(name)));
    if (first && page && end) this.viewer.cite({ page, start, end });
  }

  // --- what is done --------------------------------------------------------------------------------------------

  async saveField(field, action, value, evidence) {
    const place = evidence && { start: evidence.start, end: evidence.end };
    const shown = {
      value,
      saving: true,
      author: this.me.name,
      created_at: new Date().toISOString(),
      evidence: evidence?.boxes ? evidence : null,
    };
    const before = field.label;
    field.label = shown;
    this.fields.set(this.all);
    this.fields.activate(action === "accept" ? this.fields.after(field.name) : field.name);
    const label = { document: this.id, task: "field", name: field.name, value, evidence: place };
    if (!(await attempt(() => post("/v1/labels", { items: [label] })))) field.label = before;
    await this.refresh();
  }

  async saveClass(path) {
    const changed = this.path?.join("\u0000") !== path.join("\u0000");
    const saved = await attempt(() => post("/v1/labels", { items: [{ document: this.id, task: "class", path }] }));
    if (!saved) return;
    say(changed ? "Class changed." : "Class accepted.", changed ? "Its fields are being looked for." : "");
    await attempt(() => this.load());
    refreshCount();
  }

  async refresh() {
    await attempt(async () => {
      this.review = await get(`/v1/reviews/${this.id}`, { signal: this.signal });
      this.draw();
    });
    refreshCount();
  }

  changeClass() {
    const { taxonomy, classes, path } = this;
    pickClass({ taxonomy, alternatives: classes?.alternatives, current: path }, (chosen) => this.saveClass(chosen));
  }

  /** Words were selected on the page: offer to set the current field to them. */
  offer(picked) {
    if (!this.all.length) return;
    const set = (name) => {
      const field = this.all.find((one) => one.name === name);
      const value = normalForm(field.type, picked.text);
      const others = [field.label ? field.label.value : machineValue(field)].flat().filter(Boolean);
      this.viewer.clearPick();
      this.saveField(field, "correct", field.many ? [...new Set([...others, value])] : value, picked);
    };
    const proposed = this.fields.active?.name ?? this.fields.order[0];
    const bar = pickBar(this.fields.order, proposed, set, () => this.viewer.clearPick());
    picked.place(bar);
    bar.querySelector(".primary").focus({ preventScroll: true });
  }

  isSettled() {
    return ["reviewed", "accepted"].includes(this.review.decision);
  }

  /** Be done with this document, accepting what was not touched, and open the next one. */
  async proceed() {
    if (!this.isSettled()) {
      const open = this.all.filter((field) => !field.label && (field.values.length || field.doubts.length));
      const fields = open.map((field) => ({ name: field.name, action: field.values.length ? "accept" : "reject" }));
      const about = this.classLabel || this.path === null ? null : { action: "accept" };
      if (!(await attempt(() => post(`/v1/reviews/${this.id}`, { class: about, fields })))) return;
    }
    await this.next();
  }

  async next() {
    if (this.around.after) return this.move(this.around.after);
    let following = null;
    await attempt(async () => {
      const { items } = await get("/v1/reviews?limit=2");
      following = items.find((one) => one.document !== this.id);
    });
    if (following) return this.move(following.document);
    say("That was the last one.", "Nothing else needs a look right now.");
    return this.go("/review");
  }

  move(id) {
    if (id) this.go(`/documents/${id}`);
  }

  retry() {
    return attempt(async () => {
      await post(`/v1/documents/${this.id}/retry`);
      say("It starts again.");
      await this.load();
    });
  }

  async erase() {
    if (
      !(await confirmed("Delete this document?", "Its file, text, fields and labels are removed for good.", "Delete"))
    )
      return;
    await attempt(async () => {
      await remove(`/v1/documents/${this.id}`);
      say("The document is deleted.");
      this.go(this.around.from);
    });
  }

  // --- keys ----------------------------------------------------------------------------------------------------

  key(event) {
    const elsewhere = event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented;
    if (elsewhere || typing(event.target) || document.querySelector("dialog[open]")) return;
    const name = event.shiftKey && event.key === "Enter" ? "Shift Enter" : event.key;
    const act = this.#reading[name] ?? (this.mayEdit && this.doc.state === "succeeded" && this.#editing[name]);
    if (!act) return;
    event.preventDefault();
    act();
  }

  #reading = {
    j: () => this.fields.step(1),
    k: () => this.fields.step(-1),
    n: () => this.move(this.around.after),
    p: () => this.move(this.around.before),
    "]": () => this.viewer?.turn(1),
    "[": () => this.viewer?.turn(-1),
    "+": () => this.viewer?.zoomBy(1),
    "-": () => this.viewer?.zoomBy(-1),
    Escape: () => this.viewer?.clearPick(),
  };

  #editing = {
    a: () => (this.fields.active ? this.fields.accept() : this.path && !this.classLabel && this.saveClass(this.path)),
    e: () => this.fields.edit(),
    x: () => this.fields.reject(),
    c: () => this.changeClass(),
    "Shift Enter": () => this.proceed(),
  };
}

/** Why this field needs a look; a required one without a value does, whatever was decided. */
function doubtsAbout(field, reasons) {
  const given = reasons.filter((reason) => reason.field === field.name);
  if (given.length || !field.required || field.values.length) return given;
  return [{ code: "required_field_missing", message: "required, and no value was found", field: field.name }];
}

/** The places of a field on the pages: where a person put it, else where the machine found it. */
function marksOf(field) {
  const label = title(field.name);
  if (field.label?.evidence) return [{ key: `${field.name}#label`, label, ...field.label.evidence }];
  const grounded = field.values.filter((value) => value.evidence);
  return grounded.map((value, place) => ({ key: `${field.name}#${place}`, label, ...value.evidence }));
}
