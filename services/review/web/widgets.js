// The small parts every page uses: badges, meters, empty states, tables, pagers, dialogs, toasts.
import { h, show } from "/web/dom.js";
import { count, decisionWords, percent, stateWords } from "/web/format.js";
import { icon } from "/web/icons.js";

export const badge = (words, tone = "") => h("span", { class: `badge ${tone}` }, words);
export const stateBadge = (state) => badge(...stateWords(state));
export const decisionBadge = (decision) => (decision ? badge(...decisionWords(decision)) : null);

/** A button; `options`: icon, tone ("primary", "quiet", "danger"), small, key (shown), label (where icon only). */
export function button(words, onClick, options = {}) {
  const { icon: name, tone = "", small, key, label, ...rest } = options;
  const classes = ["button", tone, small && "small", !words && "icon-only"].filter(Boolean).join(" ");
  const attributes = { class: classes, type: "button", "aria-label": label, title: words ? null : label, ...rest };
  if (onClick) attributes.on = { click: onClick };
  return h("button", attributes, name && icon(name), words, key && h("kbd", { "aria-hidden": "true" }, key));
}

/** A class path with its last level strong; `null` means no class yet, [] outside of the taxonomy. */
export function pathView(path) {
  if (!path) return h("span", { class: "faint" }, "–");
  if (!path.length) return h("span", { class: "path" }, "Outside the taxonomy");
  const parts = path.map((level, place) => [
    place > 0 && icon("chevron"),
    place === path.length - 1 ? h("b", {}, level) : h("span", {}, level),
  ]);
  return h("span", { class: "path", title: path.join(" › ") }, parts);
}

/** How sure, shown quietly; null means not scored, which is not the same as unsure. */
export function certainty(share, low = false) {
  if (share === null || share === undefined)
    return h("span", { class: "certainty", title: "Not scored" }, "not scored");
  return h(
    "span",
    { class: `certainty ${low ? "low" : ""}`, title: `${percent(share, 1)} certain` },
    h("i", { style: { "--share": `${share * 100}%` } }),
    percent(share),
  );
}

/** A stacked bar: parts as [amount, tone, words]. */
export function bar(parts, total, large = false) {
  const words = parts
    .filter(([amount]) => amount)
    .map(([amount, , label]) => `${count(amount)} ${label}`)
    .join(", ");
  const spans = parts
    .filter(([amount]) => amount)
    .map(([amount, tone]) => h("span", { class: tone, style: { width: `${(100 * amount) / Math.max(total, 1)}%` } }));
  return h("div", { class: `bar ${large ? "large" : ""}`, role: "img", "aria-label": words || "nothing yet" }, spans);
}

/** What to show where there is nothing: why, and what to do next. */
export function empty(name, heading, words, ...actions) {
  return h(
    "div",
    { class: "empty" },
    icon(name),
    h("h2", {}, heading),
    h("p", {}, words),
    actions.length > 0 && h("div", { class: "row" }, actions),
  );
}

export const loading = () =>
  h(
    "div",
    { class: "loading", role: "status" },
    h("span", { class: "spinner" }),
    h("span", { class: "visually-hidden" }, "Loading"),
  );

/** The head of a page. */
export function pageHead(heading, words, ...actions) {
  return h(
    "header",
    { class: "page-head" },
    h("div", { class: "grow" }, h("h1", {}, heading), words && h("p", {}, words)),
    h("div", { class: "row" }, actions),
  );
}

/** A table; columns are [heading, class]. Rows are `tr` elements. */
export function table(label, columns, rows, extra = "") {
  const heads = columns.map(([words, kind = ""]) =>
    h("th", { scope: "col", class: kind }, words || h("span", { class: "visually-hidden" }, "Actions")),
  );
  return h(
    "div",
    { class: "table-box" },
    h(
      "div",
      { class: "table-scroll" },
      h("table", { class: extra, "aria-label": label }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows)),
    ),
  );
}

/** A table row that opens `href`: the link carries keyboard and screen readers, the row the mouse. */
export function openingRow(href, cells) {
  const row = h("tr", { class: "opens" }, cells);
  row.addEventListener("click", (event) => {
    if (event.target.closest("a, button, input, select, label") || getSelection().toString()) return;
    if (event.metaKey || event.ctrlKey) window.open(href, "_blank");
    else row.querySelector("a").click();
  });
  return row;
}

/** Previous and next of a cursor list. `back` is the stack of cursors before this page. */
export function pager(words, { onBack, onNext }) {
  if (!onBack && !onNext) return h("div", { class: "pager" }, h("span", {}, words));
  return h(
    "nav",
    { class: "pager", "aria-label": "Pages" },
    h("span", {}, words),
    h(
      "span",
      { class: "row" },
      button("Previous", onBack, { small: true, disabled: !onBack }),
      button("Next", onNext, { small: true, disabled: !onNext }),
    ),
  );
}

/** A labelled form field around `control`. */
export function labelled(words, control) {
  return h("label", {}, h("span", { class: "label-text" }, words), control);
}

export function select(options, value, onChange, attributes = {}) {
  const element = h(
    "select",
    { class: "select", on: { change: () => onChange?.(element.value) }, ...attributes },
    options.map(([key, words]) => h("option", { value: key, selected: key === value }, words)),
  );
  return element;
}

/** A modal dialog; closes by Escape, by its cross and by `close()`. Focus returns to where it was. */
export function dialog(heading, build, extra = "") {
  const before = document.activeElement;
  const body = h("div", { class: "dialog-body" });
  const element = h(
    "dialog",
    { class: extra, "aria-label": heading },
    h(
      "div",
      { class: "dialog-head" },
      h("h2", {}, heading),
      button("", () => element.close(), { icon: "cross", tone: "quiet", small: true, label: "Close" }),
    ),
    body,
  );
  element.addEventListener("close", () => {
    element.remove();
    before?.focus?.();
  });
  element.addEventListener("click", (event) => event.target === element && element.close());
  show(
    body,
    build(() => element.close()),
  );
  document.body.append(element);
  element.showModal();
  return element;
}

/** Ask before something that cannot be undone; resolves to true or false. */
export function confirmed(heading, words, verb) {
  return new Promise((resolve) => {
    let answer = false;
    const element = dialog(heading, (close) => [
      h("p", { class: "muted" }, words),
      h(
        "div",
        { class: "dialog-foot" },
        button("Keep it", close),
        button(
          verb,
          () => {
            answer = true;
            close();
          },
          { tone: "danger" },
        ),
      ),
    ]);
    element.addEventListener("close", () => resolve(answer));
  });
}

/** A short note that something was done. */
export function say(words, detail = "") {
  toast(words, detail, "", "checkCircle", 3500);
}

/** What went wrong and what to do, from a Problem; anything else is our own defect and says so. */
export function complain(wrong) {
  if (wrong?.name === "AbortError" || wrong?.status === 401) return;
  if (wrong?.status === undefined) {
    console.error(wrong);
    toast(
      "Something on this page broke.",
      "Reload it. If it happens again, the browser's console has the details.",
      "bad",
      "alert",
      9000,
    );
  } else toast(wrong.message, wrong.action, "bad", "alert", 9000);
}

/** Run `work`; what goes wrong becomes a toast. Answers whether it went well. */
export async function attempt(work) {
  try {
    await work();
    return true;
  } catch (wrong) {
    complain(wrong);
    return false;
  }
}

function toast(words, detail, tone, name, forMs) {
  const element = h(
    "div",
    { class: `toast ${tone}`, role: tone === "bad" ? "alert" : null },
    icon(name),
    h("div", { class: "grow" }, h("p", { class: "strong" }, words), detail && h("p", {}, detail)),
    button("", () => element.remove(), { icon: "cross", tone: "quiet", small: true, label: "Dismiss" }),
  );
  const place = document.getElementById("toasts");
  place.append(element);
  while (place.children.length > 4) place.firstChild.remove();
  setTimeout(() => element.remove(), forMs);
}
