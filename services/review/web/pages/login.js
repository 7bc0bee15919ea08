// Sign in with an API key; `make up` prints a link that does the same in one step.
import { call } from "/web/api.js";
import { h, show } from "/web/dom.js";
import { icon } from "/web/icons.js";
import { button } from "/web/widgets.js";

export function open(root) {
  document.title = "Sign in · Dossier";
  const parameters = new URLSearchParams(location.search);
  const key = h("input", {
    class: "input",
    id: "key",
    name: "key",
    type: "password",
    autocomplete: "current-password",
    required: true,
    placeholder: "dk_…",
    "aria-describedby": "wrong",
  });
  const wrong = h("div", { id: "wrong", role: "alert" });
  if (parameters.get("refused"))
    complainHere("This link is not valid any more.", "Run `dossier login` for a new one, or paste an API key.");
  const form = h(
    "form",
    { class: "form-grid", on: { submit } },
    h("div", {}, h("label", { class: "label-text", for: "key" }, "API key"), key),
    wrong,
    button("Sign in", null, { tone: "primary", type: "submit" }),
  );
  show(
    root,
    h(
      "main",
      { class: "login", id: "main" },
      h(
        "div",
        { class: "card stack" },
        h("div", { class: "brand" }, h("img", { src: "/web/mark.svg", alt: "", width: 24, height: 24 }), "Dossier"),
        h(
          "div",
          {},
          h("h1", {}, "Sign in"),
          h("p", {}, "Paste an API key of your workspace. An administrator makes them under Keys and audit."),
        ),
        form,
      ),
    ),
  );
  key.focus();

  async function submit(event) {
    event.preventDefault();
    show(wrong);
    try {
      await call("POST", "/login", { key: key.value.trim() });
      const next = parameters.get("next") ?? "/";
      location.assign(next.startsWith("/") && !next.startsWith("//") ? next : "/");
    } catch (problem) {
      complainHere(problem.message, problem.action);
      key.select();
    }
  }

  function complainHere(words, action) {
    show(
      wrong,
      h("div", { class: "callout bad" }, icon("alert"), h("div", {}, h("div", { class: "strong" }, words), action)),
    );
  }
}
