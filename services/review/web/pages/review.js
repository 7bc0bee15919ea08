// One document: its pages with the evidence, the decision, its class and its fields. Every change is saved at once.
import { get, post, remove } from "/web/api.js";
import { h, show, typing } from "/web/dom.js";
import { ago, language, plural, size, title } from "/web/format.js";
import { icon } from "/web/icons.js";
import { refreshCount } from "/web/main.js";
import { pickClass } from "/web/review/class_picker.js";
import { FieldList, machineValue } from "/web/review/fields.js";
import { normalForm } from "/web/review/normal_form.js";
import { neighbours } from "/web/review/order.js";
import { Viewer } from "/web/review/viewer.js";
import { attempt, button, certainty, complain, confirmed, loading, say, select, stateBadge } from "/web/widgets.js";

const POLL_MS = 1000;

export async function open(root, context) {
  await new Desk(root, context).open();
}

class Desk {
  constructor(root, { id, parameters, signal, me, go }) {
    Object.assign(this, { root, id, parameters, signal, me, go, mayEdit: me.role !== "reader", around: neighbours(id) });
  }

  async open() {
    const { id, signal } = this;
    this.document = await get(`/v1/documents/${id}`, { signal });
    document.title = `${this.document.name} · Dossier`;
    this.viewerPlace = h("div", { class: "viewer", tabindex: "0", role: "region", "aria-label": "Pages" });
    this.verdictPlace = h("section", { class: "verdict", "aria-label": "Decision", "aria-live": "polite" });
    this.classPlace = h("section", { "aria-label": "Class" });
    this.fieldsPlace = h("div", {}, loading());
    this.morePlace = h("div");
    this.footPlace = h("div", { class: "panel-foot" });
    this.fields = new FieldList(this.fieldsPlace, {
      mayEdit: this.mayEdit, canPick: true,
      onActivate: (name) => this.viewer?.activate(name),
      onSave: (field, action, value, evidence) => this.saveField(field, action, value, evidence),
    });
    show(this.root, h("div", { class: "review" }, this.head(), this.viewerPlace,
      h("aside", { class: "panel", "aria-label": "What was found" }, h("div", { class: "panel-scroll" }, this.verdictPlace, this.classPlace, this.fieldsPlace, this.morePlace), this.footPlace)));
    document.addEventListener("keydown", (event) => this.key(event), { signal });
    await this.load();
    this.showPages();
  }

  head() {
    const { document: doc, around } = this;
    const about = [language(doc.language), doc.page_count && plural(doc.page_count, "page"), size(doc.size_bytes), `added ${ago(doc.created_at)}`].filter(Boolean).join(" · ");
    return h("header", { class: "review-head" },
      h("a", { class: "button quiet icon-only small", href: around.from, "aria-label": "Back to the list", title: "Back to the list" }, icon("left")),
      h("h1", { class: "truncate", title: doc.name }, doc.name), h("span", { class: "faint truncate grow" }, about),
      h("a", { class: "button small quiet", href: `/ask?document=${doc.id}` }, icon("ask"), "Ask about it"),
      h("a", { class: "button small quiet", href: `/v1/documents/${doc.id}/original`, download: doc.name }, icon("download"), "Original"),
      this.me.role === "admin" && button("", () => this.erase(), { icon: "trash", tone: "quiet", small: true, label: "Delete this document" }),
      around.place && h("span", { class: "faint numeric" }, `${around.place} of ${around.of}`),
      button("Previous", () => this.move(around.before), { small: true, disabled: !around.before, key: "P" }),
      button("Next", () => this.move(around.after), { small: true, disabled: !around.after, key: "N" }));
  }

  async load() {
    const { id, signal } = this;
    const none = (value) => (wrong) => { if (wrong.status === 404 || wrong.status === 409) return value; throw wrong; };
    const [doc, classes, fields, review] = await Promise.all([
      get(`/v1/documents/${id}`, { signal }),
      get(`/v1/documents/${id}/classes`, { signal }).catch(none(null)),
      get(`/v1/documents/${id}/fields`, { signal }).catch(none({ schema: null, fields: [] })),
      get(`/v1/reviews/${id}`, { signal }),
    ]);
    Object.assign(this, { document: doc, classes, fieldAnswer: fields, review });
    this.draw();
    if (["pending", "running"].includes(doc.state)) this.poll();
  }

  poll() {
    const timer = setTimeout(() => this.load().catch(complain), POLL_MS);
    this.signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  }

  showPages() {
    if (this.viewer || !this.document.page_count) {
      if (!this.viewer) show(this.viewerPlace, h("div", { class: "empty" }, icon("documents"), h("h2", {}, "No pages to show"), h("p", {}, this.document.reason?.message ?? "The pages appear as soon as the document has been read.")));
      return;
    }
    this.viewer = new Viewer(this.viewerPlace, this.id, this.document.page_count, {
      signal: this.signal, onOpen: (key) => this.fields.activate(key.split("#")[0]), onPick: this.mayEdit ? (picked) => this.offer(picked) : null,
    });
    this.mark();
    const [page, start, end] = ["page", "start", "end"].map((name) => Number(this.parameters.get(name)));
    if (page && end) this.viewer.cite({ page, start, end });
  }

  /** Bring what is known together and draw the panel. */
  draw() {
    const labels = new Map(this.review.labels.filter((label) => label.task === "field").map((label) => [label.name, label]));
    const doubts = (name) => this.review.reasons.filter((reason) => reason.field === name);
    const known = new Set(this.fieldAnswer.fields.map((field) => field.name));
    const extra = [...labels.values()].filter((label) => !known.has(label.name)).map((label) => ({ name: label.name, type: "text", many: Array.isArray(label.value), values: [] }));
    this.all = [...this.fieldAnswer.fields, ...extra].map((field) => ({ ...field, label: labels.get(field.name) ?? null, doubts: doubts(field.name) }));
    this.classLabel = this.review.labels.find((label) => label.task === "class") ?? null;
    this.fields.set(this.all);
    this.drawVerdict();
    this.drawClass();
    this.drawMore();
    this.drawFoot();
    this.mark();
    this.showPages();
  }

  mark() {
    const marks = this.all.flatMap((field) => field.values.filter((value) => value.evidence).map((value, place) => ({ key: `${field.name}#${place}`, label: title(field.name), ...value.evidence })));
    const said = this.all.filter((field) => field.label?.evidence).map((field) => ({ key: `${field.name}#label`, label: title(field.name), ...field.label.evidence }));
    const replaced = new Set(said.map((one) => one.key.split("#")[0]));
    this.viewer?.setMarks([...marks.filter((one) => !replaced.has(one.key.split("#")[0])), ...said]);
  }

  drawVerdict() {
    const { document: doc, review } = this;
    const open = review.reasons;
    const tell = (tone, name, heading, ...words) => {
      this.verdictPlace.className = `verdict ${tone}`;
      show(this.verdictPlace, h("div", { class: "title" }, icon(name), heading), words);
    };
    if (doc.state === "failed") tell("bad", "alert", "This document failed", h("p", {}, doc.reason?.message), h("p", {}, doc.reason?.action), this.mayEdit && h("div", { class: "row", style: { marginTop: "10px" } }, button("Try again", () => this.retry(), { icon: "retry", small: true })));
    else if (doc.state === "skipped") tell("", "copy", "The same file is already here", h("p", {}, "It was not worked on twice. ", doc.duplicate_of && h("a", { class: "link", href: `/documents/${doc.duplicate_of}` }, "Open the original")));
    else if (doc.state === "canceled") tell("", "ban", "Canceled", this.mayEdit && h("div", { class: "row", style: { marginTop: "10px" } }, button("Start again", () => this.retry(), { icon: "retry", small: true })));
    else if (doc.state !== "succeeded") tell("", "retry", "Being worked on", h("p", {}, doc.progress?.of ? `Page ${doc.progress.done} of ${doc.progress.of}.` : "This page fills by itself."));
    else if (review.decision === "accepted") tell("good", "checkCircle", "Accepted", h("p", {}, "Everything here is certain enough, at the precision this desk holds. You can still correct it."));
    else if (review.decision === "reviewed" || !open.length) tell("good", "checkCircle", "Reviewed", h("p", {}, review.reviewed_by ? `By ${review.reviewed_by}, ${ago(review.reviewed_at)}.` : "Nothing is left to decide."));
    else tell("doubt", "eye", open.length === 1 ? "One thing to check" : `${open.length} things to check`, this.reasonList(open));
  }

  reasonList(reasons) {
    const shown = reasons.filter((reason) => !reason.field).concat(reasons.filter((reason) => reason.field).slice(0, 3));
    const rest = reasons.length - shown.length;
    return h("ul", {}, shown.map((reason) => h("li", {}, h("span", {}, sentence(reason.message)))), rest > 0 && h("li", {}, `and ${plural(rest, "more field")}`));
  }

  drawClass() {
    const { classes, classLabel } = this;
    const path = classLabel ? classLabel.path : classes?.in_scope === false ? [] : classes?.path ?? null;
    this.path = path;
    const levels = this.review.levels ?? [];
    const rows = (path ?? []).map((name, place) => h("div", { class: "level" }, h("span", { class: "muted" }, title(levels[place] ?? `level ${place + 1}`)), h("span", { class: "strong" }, name),
      classLabel ? place === path.length - 1 && h("span", { class: "field-mark" }, icon("check")) : certainty(classes?.confidence?.[place], this.review.reasons.some((reason) => reason.subject === "class"))));
    const words = path === null ? "Not classified yet" : "Outside the taxonomy";
    show(this.classPlace, h("div", { class: "group-head" }, h("h2", { class: "grow" }, "Class"),
      this.mayEdit && path && !classLabel && button("Accept", () => this.saveClass(path), { small: true, tone: "quiet", icon: "check", label: "Accept the class" }),
      this.mayEdit && this.document.state === "succeeded" && button("Change", () => this.changeClass(), { small: true, tone: "quiet", key: "C" })),
    h("div", { class: "class-box" }, rows.length ? h("div", { class: "levels" }, rows) : h("p", { class: "muted" }, words)));
  }

  drawMore() {
    const { document: doc } = this;
    show(this.morePlace,
      !this.all.length && this.path?.length > 0 && doc.state === "succeeded" && h("div", { class: "group-head" }, h("p", { class: "muted" }, "No fields are defined for this class. ", h("a", { class: "link", href: "/schemas" }, "Define some"))),
      doc.children?.length > 0 && h("section", {}, h("div", { class: "group-head" }, h("h2", {}, "Attachments")), doc.children.map((child) => h("a", { class: "outcome", href: `/documents/${child.id}` }, icon("documents"), h("span", { class: "grow truncate" }, child.name), stateBadge(child.state)))),
      doc.parent && h("div", { class: "group-head" }, h("a", { class: "link", href: `/documents/${doc.parent}` }, "Open the e-mail this came with")),
      doc.notes?.length > 0 && h("section", {}, h("div", { class: "group-head" }, h("h2", {}, "Notes of the reader")), doc.notes.map((note) => h("p", { class: "muted", style: { padding: "2px 18px" } }, note))));
  }

  drawFoot() {
    const done = this.document.state === "succeeded";
    this.footPlace.hidden = !this.mayEdit || !done;
    const settled = ["reviewed", "accepted"].includes(this.review.decision);
    const shortcuts = h("span", { class: "faint grow keys" }, h("kbd", {}, "J"), " ", h("kbd", {}, "K"), " fields  ", h("kbd", {}, "?"), " all keys");
    show(this.footPlace, shortcuts, settled
      ? button("Open the next", () => this.next(), { tone: "primary", key: "⇧↵" })
      : button("Accept all, open the next", () => this.finish(), { tone: "primary", key: "⇧↵" }));
  }

  async saveField(field, action, value, evidence) {
    const before = field.label;
    const place = evidence ? { start: evidence.start, end: evidence.end } : null;
    field.label = { value, author: this.me.name, created_at: new Date().toISOString(), evidence: evidence?.boxes ? evidence : null };
    const names = this.fields.order;
    const next = names[names.indexOf(field.name) + 1];
    this.fields.set(this.all);
    this.fields.activate(action === "accept" && next ? next : field.name);
    const saved = await attempt(() => post("/v1/labels", { items: [{ document: this.id, task: "field", name: field.name, value, evidence: place }] }));
    if (!saved) field.label = before;
    await attempt(async () => { this.review = await get(`/v1/reviews/${this.id}`, { signal: this.signal }); this.draw(); });
    refreshCount();
  }

  async saveClass(path) {
    const changed = (this.path ?? []).join("\u0000") !== path.join("\u0000") || this.path === null;
    await attempt(async () => {
      await post("/v1/labels", { items: [{ document: this.id, task: "class", path }] });
      say(changed ? "Class changed." : "Class accepted.", changed ? "The fields of the new class are being looked for." : "");
      await this.load();
    });
    refreshCount();
  }

  async changeClass() {
    await attempt(async () => {
      const taxonomy = await get("/v1/taxonomy", { signal: this.signal });
      pickClass({ taxonomy, alternatives: this.classes?.alternatives, current: this.path }, (path) => this.saveClass(path));
    });
  }

  /** Words were selected on the page: offer to set the current field to them. */
  offer(picked) {
    if (!this.all.length) return;
    const target = this.fields.active?.name ?? this.fields.order[0];
    let name = target;
    const set = () => {
      const field = this.all.find((one) => one.name === name);
      const value = normalForm(field.type, picked.text);
      this.viewer.clearPick();
      this.saveField(field, "correct", field.many ? [...new Set([...(field.label?.value ?? machineValue(field) ?? []), value])] : value, picked);
    };
    const choose = select(this.fields.order.map((one) => [one, title(one)]), target, (chosen) => { name = chosen; }, { "aria-label": "Field", class: "select small" });
    const bar = h("div", { class: "pick-bar", role: "dialog", "aria-label": "Use the selected words", on: {
      pointerdown: (event) => event.stopPropagation(),
      keydown: (event) => {
        if (event.key === "Escape") this.viewer.clearPick();
        else if (event.key === "Enter" && event.target === choose) set();
        else return;
        event.stopPropagation();
      },
    } }, h("span", { class: "muted" }, "Set"), choose, button("Set", set, { small: true, tone: "primary", key: "↵" }), button("", () => this.viewer.clearPick(), { small: true, tone: "quiet", icon: "cross", label: "Forget the selection" }));
    picked.place(bar);
    bar.querySelector(".primary").focus({ preventScroll: true });
  }

  async finish() {
    const fields = this.all.filter((field) => !field.label && (field.values.length || field.doubts.length))
      .map((field) => (field.values.length ? { name: field.name, action: "accept" } : { name: field.name, action: "reject" }));
    const about = this.classLabel || this.path === null ? null : { action: "accept" };
    const saved = await attempt(() => post(`/v1/reviews/${this.id}`, { class: about, fields }));
    if (saved) await this.next();
  }

  async next() {
    if (this.around.after) return this.move(this.around.after);
    let following = null;
    await attempt(async () => { following = (await get("/v1/reviews?limit=2")).items.find((one) => one.document !== this.id); });
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
    if (!(await confirmed("Delete this document?", "Its file, text, fields and labels are removed for good.", "Delete"))) return;
    await attempt(async () => {
      await remove(`/v1/documents/${this.id}`);
      say("The document is deleted.");
      this.go(this.around.from);
    });
  }

  key(event) {
    if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented || typing(event.target) || document.querySelector("dialog[open]")) return;
    if (event.shiftKey && event.key === "Enter") {
      event.preventDefault();
      if (this.mayEdit && this.document.state === "succeeded") (["reviewed", "accepted"].includes(this.review.decision) ? this.next() : this.finish());
      return;
    }
    const edit = (act) => (this.mayEdit ? act : null);
    const acts = {
      j: () => this.fields.step(1), k: () => this.fields.step(-1), n: () => this.move(this.around.after), p: () => this.move(this.around.before),
      a: edit(() => (this.fields.active ? this.fields.accept() : this.path && !this.classLabel && this.saveClass(this.path))), e: edit(() => this.fields.edit()), x: edit(() => this.fields.reject()),
      c: edit(() => this.changeClass()), "]": () => this.viewer?.turn(1), "[": () => this.viewer?.turn(-1), "+": () => this.viewer?.zoomBy(1), "-": () => this.viewer?.zoomBy(-1),
      Escape: () => this.viewer?.clearPick(),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }
}

const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1);
