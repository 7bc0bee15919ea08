"""TGI's errors on the wire: `{"error", "error_type"}`, or plain text where the body itself is malformed."""

from __future__ import annotations

from typing import Any

from fastapi.responses import JSONResponse, PlainTextResponse, Response

from services.generate.contract import Invalid
from services.generate.scheduling import Failed, Overloaded


class Malformed(Exception):
    """A body that has not the form of the request; answered in plain text with `status`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class BadTemplate(Exception):
    """The model's chat template cannot render these messages, or there is none."""


#: Every error that is an answer to the client and no defect.
ANSWERED = (Invalid, Overloaded, Malformed, BadTemplate, Failed)


def spelled(error: Exception) -> tuple[int, dict[str, Any]]:
    """The status and the body of an error."""
    if isinstance(error, Invalid):
        return 422, {"error": f"Input validation error: {error}", "error_type": "validation"}
    if isinstance(error, Overloaded):
        return 429, {"error": "Model is overloaded", "error_type": "overloaded"}
    if isinstance(error, BadTemplate):
        return 422, {"error": f"Template error: {error}", "error_type": "template_error"}
    return 424, {"error": f"Request failed during generation: {error}", "error_type": "generation"}


def answered(error: Exception) -> Response:
    """The response to an error outside of a stream."""
    if isinstance(error, Malformed):
        return PlainTextResponse(str(error), error.status)
    status, body = spelled(error)
    return JSONResponse(body, status)
