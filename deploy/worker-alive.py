"""Say whether the worker in this container still moves: exit 0 if so, 1 with a reason if not.

A worker listens on nothing, so its liveness is a heartbeat, and its main loop has one already: it wakes up every few
seconds, also while the broker, the database and the store are all down, and each time the kernel counts a voluntary
context switch. A count that stands still between two calls is a loop that hangs or is frozen. Nothing outside this
container is asked: a restart here would not mend what is broken there.

    worker-alive.py started    for a startup probe: the pool of worker processes is there
    worker-alive.py            for a liveness probe: the main loop has moved since the call before
"""

import sys
import tempfile
from pathlib import Path

PROC = Path("/proc")
#: Where the count of the call before is kept; the first call has nothing to compare with and says yes.
SEEN = Path(tempfile.gettempdir()) / "worker-alive"


def worker_pid() -> int:
    """The main process of `dossier worker …`; exits with 1 where there is none."""
    found = [int(folder.name) for folder in PROC.iterdir() if folder.name.isdigit() and _is_worker(folder)]
    if not found:
        sys.exit("no worker runs here")
    # Its pool has the same command line and came later.
    return min(found)


def _is_worker(folder: Path) -> bool:
    try:
        program, *arguments = (folder / "cmdline").read_bytes().split(b"\0")
    except OSError:  # ended meanwhile, or another user's
        return False
    # Not the init process in front of it, whose arguments are the same.
    return b"python" in program.rpartition(b"/")[2] and b"worker" in arguments


def switches(pid: int) -> str:
    """How often the main thread of `pid` has given up the processor by itself, as the kernel writes it."""
    status = (PROC / str(pid) / "status").read_text()
    return next(line.split()[1] for line in status.splitlines() if line.startswith("voluntary_ctxt_switches"))


def main() -> None:
    """Answer for one probe."""
    pid = worker_pid()
    if "started" in sys.argv[1:]:
        if not (PROC / str(pid) / "task" / str(pid) / "children").read_text().split():
            sys.exit("the worker has no pool yet")
        return
    now = f"{pid} {switches(pid)}"
    before = SEEN.read_text() if SEEN.exists() else None
    SEEN.write_text(now)
    if now == before:
        sys.exit("the worker's main loop has not moved since the last probe")


if __name__ == "__main__":
    main()
