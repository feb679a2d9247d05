"""How subscriptions end when the stack does."""

from __future__ import annotations

import threading

import pytest
from websockets.exceptions import ConnectionClosed

from tests.fakes.makers import JOB_ID
from tests.local.test_graphql import ON_JOB_EVENT, begin, connected, hear, start
from tests.local.toys import running, wait_until


def writers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "websocket-writer"]


def test_when_the_stack_stops_its_subscribers_are_told_and_no_thread_stays() -> None:
    with running() as stack, connected(stack) as client:
        begin(client)
        start(stack, client, "1", ON_JOB_EVENT, {"j": JOB_ID})
        assert len(writers()) == 1
        stack.graphql.close()
        with pytest.raises(ConnectionClosed) as closed:
            hear(client)
        assert closed.value.rcvd is not None, "a close frame, and not a broken connection"
        wait_until(lambda: not writers(), "the writer to end")
        wait_until(lambda: stack.graphql.subscriptions == 0, "the subscription to be forgotten")
