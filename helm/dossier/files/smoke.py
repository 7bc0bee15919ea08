"""Ask a running Dossier whether it works: upload a document, wait for its end, delete it.

    smoke.py URL [--key-file FILE] [--timeout-s 300]

Without a key only the health of the origin is asked, by its sign-in page. Exits 0, or 1 with what went wrong. Needs
nothing but the standard library, so it runs in any of the images and from any machine.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

TEXT = b"Invoice 2026-0417\n\nDate: 17 April 2026\nTotal: EUR 1,234.56\n\nThis is a test of the installation.\n"
TERMINAL = ("succeeded", "failed", "canceled", "skipped")


def call(url: str, key: str, method: str = "GET", body: bytes | None = None, kind: str = "") -> Any:
    """The JSON that the server answers, None where it answers nothing; exits with 1 on any refusal."""
    request = urllib.request.Request(url, data=body, method=method)
    request.add_header("Authorization", f"Bearer {key}")
    if kind:
        request.add_header("Content-Type", kind)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            content = response.read()
    except urllib.error.HTTPError as refused:
        sys.exit(f"{method} {url} answered {refused.code}: {refused.read().decode(errors='replace')}")
    except OSError as unreachable:
        sys.exit(f"{method} {url}: {unreachable}")
    return json.loads(content) if content else None


def upload(origin: str, key: str) -> str:
    """Upload a text that no other call has used; the id of its document."""
    boundary = uuid.uuid4().hex
    content = TEXT + uuid.uuid4().hex.encode() + b"\n"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="smoke-test.txt"\r\n'
        "Content-Type: text/plain\r\n\r\n"
    ).encode() + content + f"\r\n--{boundary}--\r\n".encode()  # fmt: skip
    answer = call(f"{origin}/v1/batches", key, "POST", body, f"multipart/form-data; boundary={boundary}")
    document: str | None = answer["files"][0]["document"]
    return document or sys.exit(f"the upload was refused: {answer['files'][0]}")


def wait(origin: str, key: str, document: str, timeout_s: float) -> str:
    """The state in which the document ended; exits with 1 where it has not after `timeout_s` seconds."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        state: str = call(f"{origin}/v1/documents/{document}", key)["state"]
        if state in TERMINAL:
            return state
        time.sleep(1)
    sys.exit(f"{document} has not ended after {timeout_s:.0f} s: are the workers running?")


def main() -> None:
    """Run the check and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("origin", help="where the gateway answers, as http://host:port")
    parser.add_argument("--key-file", type=Path, help="a file that holds an admin key")
    parser.add_argument("--timeout-s", type=float, default=300)
    given = parser.parse_args()
    origin = given.origin.rstrip("/")
    if given.key_file is None:
        with urllib.request.urlopen(f"{origin}/login", timeout=30) as page:
            print(f"{origin}/login answered {page.status}; no key given, so nothing was uploaded")
        return
    key = given.key_file.read_text().strip()
    began = time.monotonic()
    document = upload(origin, key)
    state = wait(origin, key, document, given.timeout_s)
    call(f"{origin}/v1/documents/{document}", key, "DELETE")
    print(f"{document} {state} after {time.monotonic() - began:.1f} s, and was deleted again")
    if state != "succeeded":
        sys.exit(1)


if __name__ == "__main__":
    main()
