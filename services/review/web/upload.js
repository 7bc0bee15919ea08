// Send files as one batch: in parts small enough for progress, with one outcome per file.
import { post, upload } from "/web/api.js";
import { h, show } from "/web/dom.js";
import { count, plural } from "/web/format.js";
import { icon } from "/web/icons.js";
import { attempt, button } from "/web/widgets.js";

/** One request carries at most this many files and bytes; a lost connection then loses little. */
const PART_FILES = 40;
const PART_BYTES = 48 * 1024 * 1024;

/** Outcomes of the last upload of each batch, shown when its page opens. */
export const outcomesOf = new Map();

/** The place to drop files on; `onDone(batch)` is called with the finished batch. */
export function dropZone(onDone) {
  const files = h("input", {
    type: "file",
    multiple: true,
    class: "visually-hidden",
    tabindex: "-1",
    "aria-label": "Files to upload",
    on: { change: () => begin([...files.files]) },
  });
  const words = h("div", { class: "grow" });
  const choose = button("Choose files", () => files.click(), { icon: "upload", tone: "primary" });
  const zone = h("section", { class: "drop", "aria-label": "Upload" }, icon("upload"), words, choose, files);
  rest();

  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", (event) => zone.contains(event.relatedTarget) || zone.classList.remove("over"));
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    begin(await dropped(event.dataTransfer));
  });
  return zone;

  function rest() {
    show(
      words,
      h("div", { class: "strong" }, "Drop files or folders here"),
      h(
        "div",
        { class: "muted" },
        "PDF, scans, images, Word, Excel, e-mail with attachments, HTML, text. Each upload becomes a batch.",
      ),
    );
  }

  async function begin(chosen) {
    files.value = "";
    if (!chosen.length || choose.disabled) return;
    choose.disabled = true;
    const line = h("div", { class: "muted numeric", role: "status" });
    const progress = h("span", { class: "accent", style: { width: "0%" } });
    show(
      words,
      h("div", { class: "strong" }, `Uploading ${plural(chosen.length, "file")}`),
      h("div", { class: "bar", style: { margin: "8px 0 6px" } }, progress),
      line,
    );
    await attempt(async () => {
      const batch = await send(chosen, (sent, share) => {
        progress.style.width = `${100 * share}%`;
        line.textContent = `${count(sent)} of ${count(chosen.length)}`;
      });
      await onDone(batch);
    });
    choose.disabled = false;
    rest();
  }
}

async function send(files, onProgress) {
  const total = files.reduce((sum, file) => sum + file.size, 0) || 1;
  const outcomes = [];
  let batch = null;
  let bytes = 0;
  let sent = 0;
  for (const part of parts(files)) {
    const form = new FormData();
    if (!batch) {
      form.append("name", nameFor(files));
      form.append("finalize", "false");
    }
    for (const file of part) form.append("files", file, file.path ?? file.name);
    const partBytes = part.reduce((sum, file) => sum + file.size, 0);
    const answer = await upload(batch ? `/v1/batches/${batch.id}/files` : "/v1/batches", form, (share) =>
      onProgress(sent, (bytes + share * partBytes) / total),
    );
    batch = answer.batch;
    outcomes.push(...answer.files);
    bytes += partBytes;
    sent += part.length;
  }
  await post(`/v1/batches/${batch.id}/finalize`);
  outcomesOf.set(batch.id, outcomes);
  return batch;
}

function* parts(files) {
  let part = [];
  let bytes = 0;
  for (const file of files) {
    if (part.length && (part.length >= PART_FILES || bytes + file.size > PART_BYTES)) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(file);
    bytes += file.size;
  }
  if (part.length) yield part;
}

function nameFor(files) {
  const folder = files[0].path?.split("/")[0];
  if (folder && folder !== files[0].name) return folder;
  return files.length === 1 ? files[0].name : `${files[0].name} and ${files.length - 1} more`;
}

/** Every file that was dropped, folders walked through. */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const files = [];
  const walk = async (entry, before) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      file.path = before + entry.name;
      files.push(file);
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const one of some) await walk(one, `${before}${entry.name}/`);
    }
  };
  for (const entry of entries) await walk(entry, "");
  return files;
}
