"""Queue in: decide whether a person must look."""

from __future__ import annotations

from services.review.settings import settings
from services.review.tables.decided import decide_on, settle_waiting
from shared.jobs import Check, Job
from shared.ledger import Work
from shared.queues import handles


@handles(Check, soft_time_limit_s=60)
def check(job: Check, work: Work) -> list[Job]:
    """Accept the document or queue it for a person. Idempotent: the verdict replaces the one before."""
    decide_on(work.write, work.workspace, [job.document], settings())
    settle_waiting(work.write, work.workspace, settings())
    return []
