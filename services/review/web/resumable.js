// One large file by the tus protocol: goes on over lost connections, and in a page that is opened again.
import { Problem, get } from "/web/api.js";
import "/web/vendor/tus.min.js";

const { Upload } = window.tus;

/** Sent in steps of this size: what a proxy in between may have to hold. */
const STEP_BYTES = 16 * 1024 * 1024;
/** Pauses before the next try; they begin anew whenever something got through. Five minutes without a network. */
const PAUSES_MS = [0, 1000, 2000, 4000, 8000, 15000, 30000, 60000, 60000, 60000, 60000];
/** A conflict of offsets, a lock, too many requests: passing troubles, like no answer (0) and those of the server. */
const PASSING = [0, 409, 423, 429];

/**
 * Send `file` into the open batch. `onProgress(share)` in 0..1; `onWait()` when the connection is lost.
 * Answers the outcome of the file as in a batch; throws Problem.
 */
export function sendResumably(file, batch, onProgress, onWait) {
  return new Promise((resolve, reject) => {
    const upload = uploadOf(file, {
      metadata: { filename: file.path ?? file.name, batch },
      chunkSize: STEP_BYTES,
      retryDelays: PAUSES_MS,
      removeFingerprintOnSuccess: true,
      onProgress: (sent, total) => onProgress(sent / total),
      onShouldRetry: (wrong) => {
        const status = wrong.originalResponse?.getStatus() ?? 0;
        const passes = PASSING.includes(status) || status >= 500;
        if (passes) onWait();
        return passes;
      },
      onError: (wrong) => reject(problemOf(wrong)),
      onSuccess: () =>
        get(new URL(upload.url, location.href).pathname).then((made) => resolve(made.file), reject),
    });
    begunInto(upload, batch).then((earlier) => {
      if (earlier) upload.resumeFromPreviousUpload(earlier);
      upload.start();
    }, reject);
  });
}

/** The open batch that one of these files was on its way into when the page was left; null where there is none. */
export async function batchToGoOnWith(files) {
  for (const file of files) {
    for (const earlier of await uploadOf(file).findPreviousUploads()) {
      const batch = await get(`/v1/batches/${earlier.metadata.batch}`).catch(() => null);
      if (batch && !batch.finalized) return batch;
    }
  }
  return null;
}

async function begunInto(upload, batch) {
  const earlier = await upload.findPreviousUploads();
  return earlier.find((one) => one.metadata.batch === batch);
}

function uploadOf(file, options = {}) {
  const about = [file.path ?? file.name, file.size, file.lastModified].join("-");
  return new Upload(file, { endpoint: "/v1/uploads", fingerprint: async () => `dossier-${about}`, ...options });
}

function problemOf(wrong) {
  const response = wrong.originalResponse;
  if (!response?.getStatus()) {
    return new Problem(0, "Dossier does not answer.", "Choose the same files again: the upload goes on where it was.");
  }
  let body = {};
  try {
    body = JSON.parse(response.getBody());
  } catch {
    // no problem document: something in between has answered
  }
  return new Problem(response.getStatus(), body.detail ?? "The upload did not work.", body.action, body.code);
}
