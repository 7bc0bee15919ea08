"""The soak hurts the same kind of installation as the system tests do."""

from tests.system.conftest import stack, start_stack

__all__ = ["stack", "start_stack"]
