// For administrators: API keys and the audit log.
import { get, post, query, remove } from "/web/api.js";
import { h, show } from "/web/dom.js";
import { ago, title, when } from "/web/format.js";
import { icon } from "/web/icons.js";
import {
  attempt,
  badge,
  button,
  confirmed,
  dialog,
  labelled,
  pageHead,
  pager,
  say,
  select,
  table,
} from "/web/widgets.js";

const ROLES = [
  ["reader", "Reader: sees everything"],
  ["reviewer", "Reviewer: also uploads, reviews and corrects"],
  ["admin", "Admin: also defines, trains and deletes"],
];

export async function open(root, { signal }) {
  document.title = "Keys and audit · Dossier";
  const keys = h("div");
  const audit = h("div");
  let cursors = [];
  show(
    root,
    h(
      "div",
      { class: "page" },
      pageHead(
        "Keys and audit",
        "Who may use this workspace, and what was done in it.",
        button("New key", create, { icon: "plus", tone: "primary" }),
      ),
      keys,
      h(
        "section",
        { class: "section" },
        h(
          "div",
          { class: "section-head" },
          h("h2", {}, "Audit log"),
          h("span", { class: "faint" }, "Newest first; each entry is chained to the one before"),
        ),
        audit,
      ),
    ),
  );
  await Promise.all([loadKeys(), loadAudit()]);

  async function loadKeys() {
    const { items } = await get("/v1/keys", { signal });
    show(
      keys,
      table(
        "API keys",
        [["Name"], ["Key"], ["Role"], ["Made"], [""]],
        items.map((key) =>
          h(
            "tr",
            {},
            h("td", { class: "strong" }, key.name),
            h("td", { class: "mono muted tight" }, `dk_${key.prefix}_…`),
            h("td", { class: "tight" }, badge(title(key.role), key.role === "admin" ? "accent plain" : "plain")),
            h(
              "td",
              { class: "faint tight", title: when(key.created_at) },
              `${ago(key.created_at)} by ${key.created_by}`,
            ),
            h(
              "td",
              { class: "right tight" },
              button("Revoke", () => revoke(key), { small: true, tone: "danger" }),
            ),
          ),
        ),
      ),
    );
  }

  async function loadAudit() {
    const {
      items,
      next_cursor: next,
      first_broken: broken,
    } = await get(query("/v1/audit", { cursor: cursors.at(-1), limit: 50 }), { signal });
    const turn = (stack) => () => {
      cursors = stack;
      attempt(loadAudit);
    };
    show(
      audit,
      broken !== null &&
        h(
          "div",
          { class: "callout bad", style: { marginBottom: "12px" } },
          icon("alert"),
          `Entry ${broken} of this log does not follow from the one before: something was changed or removed after it was written.`,
        ),
      table(
        "Audit log",
        [["When"], ["Who"], ["What"], ["On"], ["Detail"]],
        items.map((entry) =>
          h(
            "tr",
            {},
            h("td", { class: "faint tight numeric" }, when(entry.at)),
            h("td", { class: "tight strong" }, entry.actor),
            h("td", { class: "tight" }, entry.action),
            h("td", { class: "mono muted tight" }, entry.subject),
            h("td", { class: "muted" }, detail(entry.detail)),
          ),
        ),
      ),
      pager("", {
        onBack: cursors.length ? turn(cursors.slice(0, -1)) : null,
        onNext: next ? turn([...cursors, next]) : null,
      }),
    );
  }

  async function revoke(key) {
    if (!(await confirmed(`Revoke the key ${key.name}?`, "Whatever uses it stops working at once.", "Revoke"))) return;
    await attempt(async () => {
      await remove(`/v1/keys/${key.id}`);
      say(`${key.name} is revoked.`);
      await Promise.all([loadKeys(), loadAudit()]);
    });
  }

  function create() {
    dialog("New key", (close) => {
      const name = h("input", { class: "input", required: true, autofocus: true, placeholder: "Claims intake" });
      const role = select(ROLES, "reviewer");
      return h(
        "form",
        {
          class: "form-grid",
          on: {
            submit: (event) => {
              event.preventDefault();
              attempt(async () => {
                const made = await post("/v1/keys", { name: name.value.trim(), role: role.value });
                close();
                reveal(made.key);
                await Promise.all([loadKeys(), loadAudit()]);
              });
            },
          },
        },
        labelled("Name: who or what will use it", name),
        labelled("Role", role),
        h(
          "div",
          { class: "dialog-foot" },
          button("Cancel", close),
          button("Make the key", null, { tone: "primary", type: "submit" }),
        ),
      );
    });
  }

  function reveal(secret) {
    dialog("Copy the key now", (close) => [
      h("p", { class: "muted" }, "It is shown this once; only a fingerprint of it is kept."),
      h(
        "div",
        { class: "secret", style: { marginTop: "12px" } },
        h("span", { class: "grow", "data-secret": true }, secret),
        button(
          "Copy",
          async () => {
            await navigator.clipboard.writeText(secret);
            say("Copied.");
          },
          { icon: "copy", small: true },
        ),
      ),
      h("div", { class: "dialog-foot" }, button("Done", close, { tone: "primary" })),
    ]);
  }
}

function detail(values) {
  return Object.entries(values ?? {})
    .map(([name, value]) => `${title(name).toLowerCase()} ${Array.isArray(value) ? value.join(" › ") : value}`)
    .join(", ");
}
