// One batch: live progress, what each uploaded file became, what failed and what to do about it.
import { get, post, query } from "/web/api.js";
import { h, show } from "/web/dom.js";
import { ago, count, plural } from "/web/format.js";
import { icon } from "/web/icons.js";
import { refreshCount } from "/web/main.js";
import { documentTable } from "/web/pages/documents.js";
import { progressBar } from "/web/pages/batches.js";
import { outcomesOf } from "/web/upload.js";
import { attempt, button, confirmed, say, stateBadge } from "/web/widgets.js";

const ENDED = ["succeeded", "partially_succeeded", "failed", "canceled"];
const REFRESH_MS = 1500;

export async function open(root, { id, signal, me }) {
  let batch = await get(`/v1/batches/${id}`, { signal });
  document.title = `${batch.name} · Dossier`;
  const head = h("header", { class: "page-head" });
  const progress = h("section", { class: "card", "aria-label": "Progress", "aria-live": "polite" });
  const failures = h("div");
  const documents = h("div");
  show(
    root,
    h(
      "div",
      { class: "page stack" },
      h("nav", { "aria-label": "Back" }, h("a", { class: "muted row", href: "/batches" }, icon("left"), "Batches")),
      head,
      progress,
      uploadOutcomes(id),
      failures,
      documents,
    ),
  );
  draw();
  await lists();
  if (!ENDED.includes(batch.state)) follow();

  function draw() {
    const counts = batch.counts ?? {};
    const open = (counts.pending ?? 0) + (counts.running ?? 0);
    const actions =
      me.role === "reader"
        ? []
        : [
            !ENDED.includes(batch.state) && button("Cancel", cancel, { icon: "ban" }),
            (counts.failed || counts.canceled) &&
              ENDED.includes(batch.state) &&
              button(`Retry ${plural((counts.failed ?? 0) + (counts.canceled ?? 0), "document")}`, retry, {
                icon: "retry",
              }),
            batch.needs_review > 0 &&
              h(
                "a",
                { class: "button primary", href: `/review?batch=${id}` },
                icon("eye"),
                `Review ${count(batch.needs_review)}`,
              ),
          ];
    show(
      head,
      h(
        "div",
        { class: "grow" },
        h("h1", { class: "row" }, h("span", { class: "truncate" }, batch.name || "Untitled"), stateBadge(batch.state)),
        h(
          "p",
          {},
          `${plural(batch.total, "document")}, started ${ago(batch.created_at)}${batch.last_progress_at && open ? `, last progress ${ago(batch.last_progress_at)}` : ""}`,
        ),
      ),
      h("div", { class: "row" }, actions),
    );
    const legend = [
      ["succeeded", "good", "done"],
      ["running", "accent", "being worked on"],
      ["pending", "", "waiting"],
      ["failed", "bad", "failed"],
      ["skipped", "", "duplicates"],
      ["canceled", "", "canceled"],
    ];
    show(
      progress,
      h(
        "div",
        { class: "row spread", style: { marginBottom: "10px" } },
        h("h2", {}, open ? "Working" : "Finished"),
        h(
          "span",
          { class: "numeric muted", "data-percent": batch.percent_completed },
          `${Math.floor(batch.percent_completed)} %`,
        ),
      ),
      progressBar(batch, true),
      h(
        "div",
        { class: "legend" },
        legend
          .filter(([state]) => counts[state])
          .map(([state, tone, words]) => h("span", { class: tone }, `${count(counts[state])} ${words}`)),
        batch.needs_review > 0 && h("span", { class: "doubt" }, `${count(batch.needs_review)} to review`),
      ),
    );
  }

  async function lists() {
    const [failed, some] = await Promise.all([
      get(query("/v1/documents", { batch: id, state: "failed", limit: 100 }), { signal }),
      get(query("/v1/documents", { batch: id, limit: 50 }), { signal }),
    ]);
    if (signal.aborted) return;
    show(failures, failed.items.length > 0 && failureList(failed.items));
    show(
      documents,
      h(
        "section",
        { class: "section" },
        h(
          "div",
          { class: "section-head" },
          h("h2", {}, "Documents"),
          some.next_cursor && h("a", { class: "link", href: `/documents?batch=${id}` }, "Show all"),
        ),
        documentTable(some.items),
      ),
    );
  }

  function failureList(items) {
    const rows = items.map((document) =>
      h(
        "div",
        { class: "outcome refused" },
        icon("alert"),
        h(
          "div",
          { class: "grow" },
          h("a", { class: "strong", href: `/documents/${document.id}` }, document.name),
          h("div", {}, document.reason?.message ?? "It failed without a reason; that is a defect of ours."),
          document.reason?.action && h("div", { class: "muted" }, document.reason.action),
        ),
        me.role !== "reader" && startAgain(document),
      ),
    );
    return h(
      "section",
      { class: "section" },
      h("div", { class: "section-head" }, h("h2", {}, "What failed, and what to do")),
      h("div", { class: "table-box outcomes" }, rows),
    );
  }

  /** The button that retries a document, with a field for the password where its file needs one. */
  function startAgain(document) {
    const locked = document.reason?.code === "needs_password";
    const password =
      locked &&
      h("input", {
        class: "input small",
        type: "password",
        placeholder: "Password",
        autocomplete: "off",
        "aria-label": "Password of the file",
      });
    const retry = () =>
      attempt(async () => {
        await post(`/v1/documents/${document.id}/retry`, password?.value ? { password: password.value } : {});
        say(`${document.name} starts again.`);
        await again();
      });
    if (!locked) return button("Retry", retry, { small: true, icon: "retry" });
    const submit = (event) => {
      event.preventDefault();
      retry();
    };
    return h("form", { class: "row", on: { submit } }, password, h("button", { class: "button small" }, "Open"));
  }

  async function again() {
    batch = await get(`/v1/batches/${id}`, { signal });
    draw();
    await lists();
    if (!ENDED.includes(batch.state)) follow();
  }

  function cancel() {
    return attempt(async () => {
      if (
        !(await confirmed(
          "Cancel this batch?",
          "Documents that are done stay. Those still waiting or being worked on stop; you can retry them later.",
          "Cancel batch",
        ))
      )
        return;
      await post(`/v1/batches/${id}/cancel`);
      say("The batch is canceled.");
      await again();
    });
  }

  function retry() {
    return attempt(async () => {
      await post(`/v1/batches/${id}/retry`);
      say("Failed and canceled documents start again.");
      await again();
    });
  }

  function follow() {
    const source = new EventSource(`/v1/batches/${id}/events`);
    let refresh = null;
    const stop = () => {
      source.close();
      clearTimeout(refresh);
    };
    signal.addEventListener("abort", stop, { once: true });
    source.addEventListener("batch", (event) => {
      batch = JSON.parse(event.data);
      draw();
      refresh ??= setTimeout(() => {
        refresh = null;
        lists().catch(() => {});
      }, REFRESH_MS);
    });
    source.addEventListener("end", async () => {
      stop();
      refreshCount();
      await attempt(again);
    });
  }
}

function uploadOutcomes(id) {
  const outcomes = outcomesOf.get(id);
  if (!outcomes?.some((file) => file.outcome !== "created")) return null;
  const created = outcomes.filter((file) => file.outcome === "created").length;
  const rows = outcomes
    .filter((file) => file.outcome !== "created")
    .map((file) =>
      file.outcome === "refused"
        ? h(
            "div",
            { class: "outcome refused" },
            icon("ban"),
            h(
              "div",
              {},
              h("div", { class: "strong" }, file.name),
              h("div", {}, file.reason?.message),
              h("div", { class: "muted" }, file.reason?.action),
            ),
          )
        : h(
            "div",
            { class: "outcome duplicate" },
            icon("copy"),
            h(
              "div",
              {},
              h("div", { class: "strong" }, file.name),
              h(
                "div",
                { class: "muted" },
                "Already here, so it is not worked on twice. ",
                h("a", { class: "link", href: `/documents/${file.duplicate_of}` }, "Open the original"),
              ),
            ),
          ),
    );
  return h(
    "section",
    {},
    h("div", { class: "section-head" }, h("h2", {}, `${plural(created, "file")} accepted, ${count(rows.length)} not`)),
    h("div", { class: "table-box outcomes" }, rows),
  );
}
