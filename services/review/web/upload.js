// Send files as one batch: small ones many at a time, large ones resumably, with one outcome per file.
import { post, upload } from "/web/api.js";
import { h, show } from "/web/dom.js";
import { count, plural } from "/web/format.js";
import { icon } from "/web/icons.js";
import { batchToGoOnWith, sendResumably } from "/web/resumable.js";
import { attempt, button } from "/web/widgets.js";

/** One request carries at most this many files and bytes; a lost connection then loses little. */
const PART_FILES = 40;
const PART_BYTES = 48 * 1024 * 1024;
/** Larger files are sent resumably, one by one: of these a lost connection costs nothing. */
const LARGE_BYTES = 4 * 1024 * 1024;

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
      const batch = await send(chosen, {
        onProgress: (sent, share) => {
          progress.style.width = `${100 * share}%`;
          line.textContent = `${count(sent)} of ${count(chosen.length)}`;
        },
        onWait: () => (line.textContent = "The connection was lost. It goes on by itself as soon as it is back."),
      });
      await onDone(batch);
    });
    choose.disabled = false;
    rest();
  }
}

async function send(files, { onProgress, onWait }) {
  const total = files.reduce((sum, file) => sum + file.size, 0) || 1;
  const large = files.filter((file) => file.size > LARGE_BYTES);
  const outcomes = [];
  let batch = await batchToGoOnWith(large);
  let bytes = 0;
  const progress = (size) => (share) => onProgress(outcomes.length, (bytes + share * size) / total);
  const form = () => {
    const fields = new FormData();
    if (!batch) {
      fields.append("name", nameFor(files));
      fields.append("finalize", "false");
    }
    return fields;
  };
  for (const part of parts(files.filter((file) => file.size <= LARGE_BYTES))) {
    const filled = form();
    for (const file of part) filled.append("files", file, file.path ?? file.name);
    const size = part.reduce((sum, file) => sum + file.size, 0);
    const path = batch ? `/v1/batches/${batch.id}/files` : "/v1/batches";
    const answer = await upload(path, filled, progress(size), onWait);
    batch = answer.batch;
    outcomes.push(...answer.files);
    bytes += size;
  }
  batch ??= (await upload("/v1/batches", form(), () => {}, onWait)).batch;
  for (const file of large) {
    outcomes.push(await sendResumably(file, batch.id, progress(file.size), onWait).catch(refusal(file)));
    bytes += file.size;
  }
  await post(`/v1/batches/${batch.id}/finalize`);
  outcomesOf.set(batch.id, outcomes);
  return batch;
}

/** A file that is refused for what it is does not stop the others. */
function refusal(file) {
  return (problem) => {
    if (![413, 422].includes(problem.status)) throw problem;
    const reason = { code: problem.code, message: problem.message, action: problem.action };
    return { name: file.path ?? file.name, outcome: "refused", document: null, duplicate_of: null, reason };
  };
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
