"""The two kinds of error that cross a room's door; everything else is a bug and crashes.

`Refused` is the caller's or the document's own fault: retrying cannot help, so nothing retries it.
`Unavailable` is ours (store, database, queue, generation server): it is retried and burns no attempt.
"""

from __future__ import annotations


class DossierError(Exception):
    """An error with words for two readers.

    Attributes:
        public: what was wrong, with the value, in a sentence a user understands. Never personal data.
        action: what to do next, or "" where there is nothing to do.
        code: a stable snake_case name that programs may match on (`reason.code` in the API).
        private: more for the log only; None means nothing more is known.
    """

    code = "error"
    #: HTTP status when the error reaches an API (RFC 9457 problem document).
    status = 500

    def __init__(self, public: str, *, action: str = "", code: str | None = None, private: str | None = None) -> None:
        super().__init__(public)
        self.public = public
        self.action = action
        self.private = private
        if code is not None:
            self.code = code


class Refused(DossierError):
    """The request or the document cannot be served as it is; never retried."""

    code = "refused"
    status = 422


class NotFound(Refused):
    """No such thing in the caller's workspace; a foreign id looks exactly like a missing one."""

    code = "not_found"
    status = 404


class Conflict(Refused):
    """The thing is not in a state that allows this."""

    code = "conflict"
    status = 409


class Forbidden(Refused):
    """The key is valid, but its role is too low."""

    code = "forbidden"
    status = 403


class TooMany(Refused):
    """Too much of something at once; the same request may pass in `retry_after_s` seconds."""

    code = "too_many"
    status = 429

    def __init__(self, public: str, *, action: str = "", code: str | None = None, retry_after_s: int = 5) -> None:
        super().__init__(public, action=action, code=code)
        self.retry_after_s = retry_after_s


class Unauthenticated(Refused):
    """No valid API key came with the request."""

    code = "unauthenticated"
    status = 401


class Unavailable(DossierError):
    """Something of ours is down or slow; retried with backoff, the attempt is given back."""

    code = "unavailable"
    status = 503
