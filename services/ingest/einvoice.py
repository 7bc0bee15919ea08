"""Electronic invoices inside other files: Factur-X, ZUGFeRD and XRechnung XML, recognised by their root element.

Recognises and decodes; what the elements mean is extract's business.
"""

from __future__ import annotations

import re

from services.ingest.encodings import decode
from shared.documents import Embedded

#: The first element's name, past declaration, comments and processing instructions.
_ROOT = re.compile(r"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*)*<(?:[\w.-]+:)?([\w.-]+)([^>]*)>", re.DOTALL)
_DECLARED = re.compile(rb"^[^>]{0,100}encoding=[\"']([\w-]+)[\"']")


def embedded_in(content: bytes) -> Embedded | None:
    """The invoice that `content` is, decoded, or None where it is anything else."""
    if b"<" not in content[:200]:
        return None
    declared = _DECLARED.search(content[:200])
    text, _ = decode(content, declared.group(1).decode("ascii") if declared else None)
    root = _ROOT.match(text)
    if root is None:
        return None
    name, attributes = root.groups()
    if name in ("CrossIndustryInvoice", "CrossIndustryDocument"):
        return Embedded("cii", content=text)
    if name in ("Invoice", "CreditNote") and "oasis:names:specification:ubl" in attributes:
        return Embedded("ubl", content=text)
    return None
