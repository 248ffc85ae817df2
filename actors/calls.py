"""One Ray call with a time limit, and Ray's errors turned into ours. Used by every client of an actor."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from actors.names import NAMESPACE
from resort.errors import SnowgateError, Unavailable

T = TypeVar("T")
CALL_S = 5.0


def actor(name: str, what: str) -> Any:
    """The handle of a named actor. Raises Unavailable when there is none by that name."""
    try:
        return ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        raise Unavailable(what, "it is not running") from None


async def ask(call: Awaitable[T], what: str, timeout_s: float = CALL_S) -> T:
    """The call's answer. The actor's own SnowgateErrors come as themselves; a lost actor or time-out is Unavailable."""
    try:
        async with asyncio.timeout(timeout_s):
            return await call
    except RayTaskError as error:
        if isinstance(error.cause, SnowgateError):
            raise error.cause from None
        raise
    except (RayError, TimeoutError) as error:
        raise Unavailable(what, "it is being restarted, try again in a moment") from error
