"""Structured logs: one JSON object per line, with the document and job it is about; never document content."""

from __future__ import annotations

import contextvars
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pythonjsonlogger.json import JsonFormatter

_about: contextvars.ContextVar[dict[str, str] | None] = contextvars.ContextVar("about", default=None)


class _About(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in (_about.get() or {}).items():
            setattr(record, name, value)
        return True


def configure(service: str, level: str = "INFO") -> None:
    """Send this process's logs to stderr as JSON lines that carry `service`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "at", "levelname": "level"},
            static_fields={"service": service},
        )
    )
    handler.addFilter(_About())
    logging.basicConfig(level=level, handlers=[handler], force=True)


@contextmanager
def about(**identities: str | None) -> Iterator[None]:
    """Let every record inside carry these identities (`document=…, job=…, request=…`); None is left out."""
    known = {name: value for name, value in identities.items() if value is not None}
    token = _about.set({**(_about.get() or {}), **known})
    try:
        yield
    finally:
        _about.reset(token)
