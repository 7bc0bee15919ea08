// The shell: sign-in state, navigation, routes, theme, the keys that work everywhere.
import { get, post } from "/web/api.js";
import { h, show, typing } from "/web/dom.js";
import { count, title } from "/web/format.js";
import { icon } from "/web/icons.js";
import { attempt, button, complain, dialog, empty, loading } from "/web/widgets.js";

/** [pattern, module, navigation entry]; the module exports `open(root, context)`. */
const ROUTES = [
  [/^\/(?:batches)?$/, "batches", "batches"],
  [/^\/batches\/([^/]+)$/, "batch", "batches"],
  [/^\/documents$/, "documents", "documents"],
  [/^\/documents\/([^/]+)$/, "review", null],
  [/^\/review$/, "queue", "review"],
  [/^\/ask$/, "ask", "ask"],
  [/^\/taxonomy$/, "taxonomy", "taxonomy"],
  [/^\/schemas$/, "schemas", "schemas"],
  [/^\/quality$/, "quality", "quality"],
  [/^\/models$/, "models", "models"],
  [/^\/keys$/, "keys", "keys"],
];

const NAVIGATION = [
  [
    null,
    [
      ["batches", "/", "Batches"],
      ["documents", "/documents", "Documents"],
      ["review", "/review", "Review"],
      ["ask", "/ask", "Ask"],
    ],
  ],
  [
    "Define",
    [
      ["taxonomy", "/taxonomy", "Taxonomy"],
      ["schemas", "/schemas", "Schemas"],
    ],
  ],
  [
    "Improve",
    [
      ["quality", "/quality", "Quality"],
      ["models", "/models", "Models"],
    ],
  ],
];

const GO = {
  b: "/",
  d: "/documents",
  r: "/review",
  c: "/ask",
  t: "/taxonomy",
  s: "/schemas",
  q: "/quality",
  m: "/models",
};

const app = document.getElementById("app");
let me = null;
let leave = new AbortController();
let waitingForGo = false;

/** Go to a page of ours without loading anew. */
export function go(path, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", path);
  return open();
}

async function open() {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  if (location.pathname === "/login") return (await import("/web/pages/login.js")).open(show(app), {});
  me ??= await get("/v1/me");
  const [pattern, name, entry] = ROUTES.find(([one]) => one.test(location.pathname)) ?? [];
  const main = h("main", { id: "main", tabindex: "-1" }, loading());
  show(app, shell(entry, name === "review", main));
  refreshCount();
  if (!name)
    return show(
      main,
      empty(
        "documents",
        "There is no such page",
        "The address may be mistyped, or the page has moved.",
        button("Go to batches", () => go("/")),
      ),
    );
  const [, identity] = pattern.exec(location.pathname);
  try {
    const page = await import(`/web/pages/${name}.js`);
    if (!signal.aborted)
      await page.open(main, {
        id: identity && decodeURIComponent(identity),
        parameters: new URLSearchParams(location.search),
        signal,
        me,
        go,
      });
  } catch (wrong) {
    if (signal.aborted) return;
    if (wrong.status === 404)
      show(
        main,
        empty(
          "documents",
          "Nothing is here",
          wrong.message,
          button("Go to documents", () => go("/documents")),
        ),
      );
    else {
      complain(wrong);
      show(
        main,
        empty("alert", "This page could not be loaded", wrong.message, button("Try again", open, { icon: "retry" })),
      );
    }
  }
}

function shell(entry, rail, main) {
  const groups = NAVIGATION.concat(me.role === "admin" ? [["Admin", [["keys", "/keys", "Keys and audit"]]]] : []);
  const links = groups.map(([heading, items]) => [
    heading && h("h2", {}, heading),
    items.map(([name, path, words]) =>
      h(
        "a",
        {
          class: "nav",
          href: path,
          title: rail ? words : null,
          "aria-current": name === entry ? "page" : null,
          "data-nav": name,
        },
        icon(name),
        h("span", { class: "label" }, words),
        name === "review" && h("span", { class: "count", id: "review-count" }),
      ),
    ),
  ]);
  document.title = "Dossier";
  return h(
    "div",
    { class: `shell ${rail ? "rail" : ""}` },
    h(
      "nav",
      { class: "sidebar", "aria-label": "Main" },
      h(
        "a",
        { class: "brand", href: "/", "aria-label": "Dossier" },
        h("img", { src: "/web/mark.svg", alt: "", width: 20, height: 20 }),
        h("span", { class: "label" }, "Dossier"),
      ),
      links,
      h(
        "div",
        { class: "foot" },
        h(
          "div",
          { class: "who" },
          h("div", { class: "truncate strong" }, me.name),
          h("div", { class: "faint" }, title(me.role)),
        ),
        button("", switchTheme, {
          icon: themeIcon(),
          tone: "quiet",
          small: true,
          label: `Theme: ${theme()}`,
          id: "theme",
        }),
        button("", showKeys, { icon: "help", tone: "quiet", small: true, label: "Keyboard shortcuts" }),
        button("", signOut, { icon: "leave", tone: "quiet", small: true, label: "Sign out" }),
      ),
    ),
    main,
  );
}

/** Ask anew how many documents wait for a person; shown beside "Review". */
export async function refreshCount() {
  try {
    const { waiting } = await get("/v1/reviews?limit=1");
    const place = document.getElementById("review-count");
    if (place) place.textContent = waiting ? count(waiting) : "";
  } catch {
    // The count is a courtesy; the page itself complains where something is wrong.
  }
}

const theme = () => localStorage.getItem("dossier.theme") ?? "system";
const themeIcon = () => ({ light: "sun", dark: "moon" })[theme()] ?? "system";

function switchTheme() {
  const next = { system: "light", light: "dark", dark: "system" }[theme()];
  localStorage.setItem("dossier.theme", next);
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  const place = document.getElementById("theme");
  place.setAttribute("aria-label", `Theme: ${next}`);
  place.title = `Theme: ${next}`;
  show(place, icon(themeIcon()));
}

function signOut() {
  return attempt(async () => {
    await post("/logout");
    location.assign("/login");
  });
}

function showKeys() {
  const rows = [
    ["Go to batches, documents, review, ask", ["g", "then", "b d r c"]],
    ["Search", ["/"]],
    ["Next, previous document", ["n", "p"]],
    ["Next, previous field", ["j", "k"]],
    ["Accept, edit, reject the field", ["a", "e", "x"]],
    ["Change the class", ["c"]],
    ["Finish the document and open the next", ["Shift", "Enter"]],
    ["Next, previous page of the document", ["]", "["]],
    ["This list", ["?"]],
  ];
  const key = (words) =>
    words === "then" ? h("span", { class: "faint" }, "then") : words.split(" ").map((one) => h("kbd", {}, one));
  dialog("Keyboard", () =>
    h(
      "dl",
      { class: "shortcuts" },
      rows.map(([words, keys]) => [h("dt", {}, words), h("dd", {}, keys.map(key))]),
    ),
  );
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (
    !link ||
    event.defaultPrevented ||
    event.button ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    event.altKey
  )
    return;
  const path = link.getAttribute("href");
  if (!path.startsWith("/") || path.startsWith("/v1/") || link.target || link.hasAttribute("download")) return;
  event.preventDefault();
  go(path);
});

document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]"))
    return;
  if (waitingForGo) {
    waitingForGo = false;
    if (GO[event.key]) {
      event.preventDefault();
      event.stopImmediatePropagation();
      go(GO[event.key]);
    }
  } else if (event.key === "g") {
    waitingForGo = true;
    setTimeout(() => {
      waitingForGo = false;
    }, 1200);
  } else if (event.key === "?") showKeys();
  else if (event.key === "/") {
    const field = document.querySelector("[data-search]");
    if (field) {
      event.preventDefault();
      field.focus();
    }
  }
});

addEventListener("popstate", open);
open().catch(complain);
