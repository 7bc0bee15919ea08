// Ask the documents. Answers stream in; every citation opens the page at the quoted place.
import { events, get } from "/web/api.js";
import { h, show } from "/web/dom.js";
import { icon } from "/web/icons.js";
import { Viewer } from "/web/review/viewer.js";
import { attempt, button, complain } from "/web/widgets.js";

/** The talk so far, kept while the tab lives: [{role, content, citations}] per scope. */
const talks = new Map();

export async function open(root, { parameters, signal, go }) {
  document.title = "Ask · Dossier";
  const scope = parameters.get("document");
  const about = scope ? await get(`/v1/documents/${scope}`, { signal }) : null;
  const talk = talks.get(scope) ?? talks.set(scope, []).get(scope);
  const turns = h("div", { class: "turns", role: "log", "aria-label": "Questions and answers" });
  const side = h("aside", { class: "ask-side", "aria-label": "Quoted page", hidden: true });
  const frame = h("div", { class: "ask" });
  const box = h("textarea", {
    class: "textarea",
    rows: 1,
    placeholder: about ? `Ask about ${about.name}` : "Ask your documents anything they might say",
    "aria-label": "Question",
    "data-search": true,
  });
  const send = button("", () => ask(box.value), { icon: "send", tone: "primary", label: "Ask" });
  let running = null;

  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      ask(box.value);
    }
  });
  box.addEventListener("input", () => {
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight + 2}px`;
  });
  signal.addEventListener("abort", () => running?.abort(), { once: true });
  show(
    frame,
    h(
      "div",
      { class: "ask-main" },
      h("h1", { class: "visually-hidden" }, "Ask"),
      turns,
      h(
        "div",
        { class: "composer" },
        about &&
          h(
            "div",
            { class: "scope row muted" },
            icon("documents"),
            h("span", { class: "truncate" }, `Only in ${about.name}`),
            button("Ask all documents", () => go("/ask"), { small: true, tone: "quiet" }),
          ),
        h(
          "form",
          {
            on: {
              submit: (event) => {
                event.preventDefault();
                ask(box.value);
              },
            },
          },
          box,
          send,
        ),
      ),
    ),
    side,
  );
  show(root, frame);
  drawAll();
  box.focus();

  function drawAll() {
    if (!talk.length) show(turns, welcome(ask));
    else
      show(
        turns,
        talk.map((turn) => (turn.role === "user" ? h("h2", { class: "question" }, turn.content) : answerView(turn))),
      );
    turns.scrollTop = turns.scrollHeight;
  }

  async function ask(words) {
    const question = words.trim();
    if (!question || running) return;
    box.value = "";
    box.style.height = "auto";
    talk.push({ role: "user", content: question });
    const answer = { role: "assistant", content: "", citations: [], open: true };
    talk.push(answer);
    drawAll();
    running = new AbortController();
    send.disabled = true;
    try {
      await stream(answer);
    } catch (wrong) {
      if (wrong.name !== "AbortError") {
        complain(wrong);
        talk.splice(-2, 2);
        box.value = question;
      }
    }
    answer.open = false;
    running = null;
    send.disabled = false;
    if (!signal.aborted) drawAll();
  }

  async function stream(answer) {
    const messages = talk.filter((turn) => turn !== answer).map(({ role, content }) => ({ role, content }));
    const body = { model: "dossier", messages, stream: true, ...(scope ? { metadata: { documents: [scope] } } : {}) };
    for await (const line of events("/v1/chat/completions", body, running.signal)) {
      if (line === "[DONE]") return;
      const chunk = JSON.parse(line);
      if (chunk.error)
        throw Object.assign(new Error(chunk.error.message), { status: 500, action: chunk.error.action ?? "" });
      const delta = chunk.choices?.[0]?.delta ?? {};
      answer.content += delta.content ?? "";
      for (const note of delta.annotations ?? [])
        if (note.type === "document_citation") answer.citations.push(note.document_citation);
      const last = turns.lastElementChild;
      const near = turns.scrollHeight - turns.scrollTop - turns.clientHeight < 120;
      last.replaceWith(answerView(answer));
      if (near) turns.scrollTop = turns.scrollHeight;
    }
  }

  function answerView(turn) {
    const sources = unique(turn.citations);
    return h(
      "div",
      { class: "answer-box" },
      h("div", { class: "answer" }, withChips(turn, sources), turn.open && h("span", { class: "caret" })),
      !turn.open &&
        sources.length > 0 &&
        h(
          "div",
          { class: "sources", role: "list", "aria-label": "Sources" },
          sources.map((citation, place) =>
            h(
              "button",
              { class: "source", type: "button", role: "listitem", on: { click: () => openPage(citation) } },
              h("span", { class: "chip", "aria-hidden": "true" }, place + 1),
              h("span", { class: "truncate strong" }, `${citation.name}, page ${citation.page}`),
              h("q", {}, citation.quote),
            ),
          ),
        ),
      !turn.open &&
        !sources.length &&
        h(
          "div",
          { class: "callout", style: { marginTop: "12px" } },
          icon("search"),
          "No passage in the documents backs this, so nothing is quoted.",
        ),
    );
  }

  /** The text with a chip after each cited stretch; content_end counts code points. */
  function withChips(turn, sources) {
    const letters = Array.from(turn.content);
    const parts = [];
    let cursor = 0;
    for (const citation of [...turn.citations].sort(
      (one, other) => (one.content_end ?? Infinity) - (other.content_end ?? Infinity),
    )) {
      const end = Math.min(citation.content_end ?? letters.length, letters.length);
      if (end > cursor) parts.push(letters.slice(cursor, end).join(""));
      cursor = Math.max(cursor, end);
      const number = sources.findIndex((one) => same(one, citation)) + 1;
      parts.push(
        h(
          "button",
          {
            class: "chip",
            type: "button",
            "aria-label": `Source ${number}: ${citation.name}, page ${citation.page}`,
            title: `${citation.name}, page ${citation.page}`,
            on: { click: () => openPage(citation) },
          },
          number,
        ),
      );
    }
    parts.push(letters.slice(cursor).join(""));
    return parts;
  }

  function openPage(citation) {
    return attempt(async () => {
      const found = await get(`/v1/documents/${citation.document}`, { signal });
      const place = h("div", { class: "viewer", tabindex: "0", role: "region", "aria-label": "Quoted page" });
      side.hidden = false;
      frame.classList.add("split");
      show(
        side,
        h(
          "div",
          { class: "side-head" },
          h("h2", { class: "grow truncate" }, `${found.name}, page ${citation.page}`),
          h(
            "a",
            {
              class: "button small",
              href: `/documents/${citation.document}?page=${citation.page}&start=${citation.start}&end=${citation.end}`,
            },
            "Open document",
          ),
          button("", close, { icon: "cross", tone: "quiet", small: true, label: "Close the page" }),
        ),
        place,
      );
      new Viewer(place, citation.document, found.page_count, { signal }).cite(citation);
    });
  }

  function close() {
    side.hidden = true;
    show(side);
    frame.classList.remove("split");
    box.focus();
  }
}

function welcome(ask) {
  const examples = [
    "Which claims mention water damage, and for how much?",
    "When does the motor policy of this customer end?",
    "What excess applies to glass damage?",
  ];
  return h(
    "div",
    {},
    h("p", { class: "page-title" }, "Ask"),
    h(
      "p",
      { class: "muted", style: { marginTop: "6px" } },
      "Answers quote your documents word for word and show where. If the documents do not say, you are told so.",
    ),
    h(
      "div",
      { class: "suggestions" },
      examples.map((words) =>
        h("button", { class: "suggestion", type: "button", on: { click: () => ask(words) } }, words),
      ),
    ),
  );
}

const same = (one, other) => one.document === other.document && one.start === other.start && one.end === other.end;

function unique(citations) {
  return citations.filter((one, place) => citations.findIndex((other) => same(one, other)) === place);
}
