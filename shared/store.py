"""Bytes: originals, readings, page images, models. Content-addressed, written once, hash-checked on read.

A key is `workspace/kind/ab/abcdef…` with the SHA-256 of the content, so the same content put twice is one object
and two workspaces never share one. Correctness never depends on conditional writes: whoever writes a key writes
the same bytes. What a row points to is written before the row is (docs/architecture.md).
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, cast
from urllib.parse import unquote, urlsplit

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error
from urllib3.exceptions import HTTPError

from shared.errors import Refused, Unavailable

BLOCK_BYTES = 1 << 20
#: Larger contents are spooled to disk while they are hashed.
MEMORY_BYTES = 8 << 20

_KEY = re.compile(r"[a-z]+_?[\w-]*/[a-z_]+/[0-9a-f]{2}/[0-9a-f]{64}")


class Stored(NamedTuple):
    """What a put left: its key, the SHA-256 of the content in hex, its size."""

    key: str
    sha256: str
    size_bytes: int


class Store(Protocol):
    """A place for bytes. Infrastructure trouble raises Unavailable; an unknown key raises KeyError."""

    def put(self, workspace: str, kind: str, content: bytes | BinaryIO) -> Stored:
        """Keep `content` (a stream is read to its end); durable when this returns."""

    def get(self, key: str) -> bytes:
        """The content of `key`; raises KeyError where there is none, Unavailable where its hash is wrong."""

    def exists(self, key: str) -> bool:
        """Whether `key` holds something."""

    def delete(self, key: str) -> None:
        """Forget `key`; nothing happens where it is not there."""

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Every key that begins with `prefix`, in no particular order."""

    def clear_unfinished(self, older_s: float) -> int:
        """Remove what puts that never ended left behind more than `older_s` seconds ago; how many that were."""


def store_from(url: str) -> Store:
    """The store at `file:///folder` or `s3+http(s)://KEY:SECRET@host:port/bucket`; raises Refused on other URLs."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        return FolderStore(Path(unquote(parts.path)))
    if parts.scheme in ("s3+http", "s3+https") and parts.hostname and parts.path.strip("/"):
        return S3Store(
            endpoint=parts.hostname + (f":{parts.port}" if parts.port else ""),
            access_key=unquote(parts.username or ""),
            secret_key=unquote(parts.password or ""),
            bucket=parts.path.strip("/"),
            secure=parts.scheme == "s3+https",
        )
    raise Refused(
        f"DOSSIER_STORE_URL has the form {parts.scheme}://…, which is not a store.",
        action="Use file:///folder or s3+http://KEY:SECRET@host:port/bucket.",
    )


class FolderStore:
    """A folder on one machine: temporary file, fsync, atomic rename, fsync of the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"

    def put(self, workspace: str, kind: str, content: bytes | BinaryIO) -> Stored:
        """See Store.put. Raises Unavailable with the free space where the disk is full."""
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
            arriving = self._incoming / secrets.token_hex(8)
            try:
                with arriving.open("xb") as target:
                    sha256, size_bytes = _copy_hashed(content, target)
                    target.flush()
                    os.fsync(target.fileno())
                key = _key(workspace, kind, sha256)
                self._settle(arriving, self.folder / key)
            finally:
                arriving.unlink(missing_ok=True)
        except OSError as trouble:
            raise Unavailable(
                f"The store could not write: {trouble.strerror}.",
                action="Free space on the disk that holds DOSSIER_HOME, or check its permissions.",
                private=str(trouble),
            ) from trouble
        return Stored(key, sha256, size_bytes)

    def get(self, key: str) -> bytes:
        """See Store.get."""
        try:
            content = self._path(key).read_bytes()
        except FileNotFoundError:
            raise KeyError(key) from None
        except OSError as trouble:
            raise Unavailable(f"The store could not read: {trouble.strerror}.", private=str(trouble)) from trouble
        return _verified(key, content)

    def exists(self, key: str) -> bool:
        """See Store.exists."""
        return self._path(key).is_file()

    def delete(self, key: str) -> None:
        """See Store.delete."""
        self._path(key).unlink(missing_ok=True)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """See Store.keys."""
        # Only the folders that can hold such keys: a workspace's kind is one of thousands of folders.
        folder = self.folder / prefix.rpartition("/")[0]
        for path in folder.rglob("*"):
            key = path.relative_to(self.folder).as_posix()
            if path.is_file() and _KEY.fullmatch(key) and key.startswith(prefix):
                yield key

    def clear_unfinished(self, older_s: float) -> int:
        """See Store.clear_unfinished."""
        cleared, now = 0, time.time()
        for path in self._incoming.glob("*"):
            try:
                if now - path.stat().st_mtime >= older_s:
                    path.unlink()
                    cleared += 1
            except FileNotFoundError:
                continue  # its put has ended meanwhile
        return cleared

    def _path(self, key: str) -> Path:
        return self.folder / _checked(key)

    @staticmethod
    def _settle(arriving: Path, path: Path) -> None:
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        arriving.replace(path)
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class S3Store:
    """Any S3: MinIO, Ceph, Garage, SeaweedFS, a cloud. The bucket is made on the first put where it is missing."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, bucket: str, *, secure: bool) -> None:
        self.bucket = bucket
        self._client = Minio(
            endpoint,
            access_key=access_key,
            secret_key=secret_key,
            secure=secure,
            # Named, so that the client does not ask for it before every new bucket.
            region="us-east-1",
            http_client=urllib3.PoolManager(
                timeout=urllib3.Timeout(connect=5, read=60),
                retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[502, 503, 504]),
                maxsize=16,
            ),
        )
        self._bucket_seen = False

    def put(self, workspace: str, kind: str, content: bytes | BinaryIO) -> Stored:
        """See Store.put."""
        with tempfile.SpooledTemporaryFile(MEMORY_BYTES) as spooled:
            sha256, size_bytes = _copy_hashed(content, spooled)
            spooled.seek(0)
            key = _key(workspace, kind, sha256)
            with _s3_errors(key):
                self._ensure_bucket()
                if not self._present(key):
                    self._client.put_object(self.bucket, key, cast(BinaryIO, spooled), size_bytes)
        return Stored(key, sha256, size_bytes)

    def get(self, key: str) -> bytes:
        """See Store.get."""
        with _s3_errors(key):
            response = self._client.get_object(self.bucket, _checked(key))
            try:
                content = response.read()
            finally:
                response.close()
                response.release_conn()
        return _verified(key, content)

    def exists(self, key: str) -> bool:
        """See Store.exists."""
        _checked(key)
        with _s3_errors(key):
            return self._present(key)

    def delete(self, key: str) -> None:
        """See Store.delete."""
        with _s3_errors(key):
            self._client.remove_object(self.bucket, _checked(key))

    def keys(self, prefix: str = "") -> Iterator[str]:
        """See Store.keys."""
        with _s3_errors(prefix):
            self._ensure_bucket()
            for found in self._client.list_objects(self.bucket, prefix=prefix, recursive=True):
                if found.object_name and _KEY.fullmatch(found.object_name):
                    yield found.object_name

    def clear_unfinished(self, older_s: float) -> int:
        """See Store.clear_unfinished: 0, a bucket's lifecycle rule does it (docs/deployment.md)."""
        return 0

    def _present(self, key: str) -> bool:
        try:
            self._client.stat_object(self.bucket, key)
        except S3Error as missing:
            if missing.code in ("NoSuchKey", "NoSuchObject", "NoSuchBucket"):
                return False
            raise
        return True

    def _ensure_bucket(self) -> None:
        if self._bucket_seen:
            return
        if not self._client.bucket_exists(self.bucket):
            try:
                self._client.make_bucket(self.bucket)
            except S3Error as raced:
                if raced.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                    raise
        self._bucket_seen = True


class _s3_errors:  # noqa: N801  # reads as a statement: with _s3_errors(key)
    """Turn the client's errors into ours: KeyError for a missing object, Unavailable for everything else."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, wrong: BaseException | None, trace: object) -> None:
        # A server that sends its errors as text/xml (rclone) is not understood by the client: look at the body.
        if isinstance(wrong, InvalidResponseError) and "<Code>NoSuchKey</Code>" in str(wrong):
            raise KeyError(self.key) from None
        if isinstance(wrong, S3Error):
            if wrong.code in ("NoSuchKey", "NoSuchObject"):
                raise KeyError(self.key) from None
            raise Unavailable(f"The object store refused: {wrong.code}.", private=str(wrong)) from wrong
        if isinstance(wrong, (HTTPError, OSError, MinioException)):
            raise Unavailable("The object store cannot be reached.", private=repr(wrong)) from wrong


def _key(workspace: str, kind: str, sha256: str) -> str:
    return _checked(f"{workspace}/{kind}/{sha256[:2]}/{sha256}")


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is not a store key")
    return key


def _copy_hashed(content: bytes | BinaryIO, target: BinaryIO | tempfile.SpooledTemporaryFile[bytes]) -> tuple[str, int]:
    """Copy all of `content`, one block at a time; its SHA-256 in hex and its size in bytes."""
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    digest, size_bytes = hashlib.sha256(), 0
    while block := source.read(BLOCK_BYTES):
        digest.update(block)
        size_bytes += len(block)
        target.write(block)
    return digest.hexdigest(), size_bytes


def _verified(key: str, content: bytes) -> bytes:
    if hashlib.sha256(content).hexdigest() != key.rpartition("/")[2]:
        raise Unavailable(
            "The store gave back other bytes than were kept.",
            action="Restore this object from a backup.",
            private=f"{key}: {len(content)} bytes with another hash",
        )
    return content
