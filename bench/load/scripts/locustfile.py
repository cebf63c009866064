"""Locust at its fastest: its own fast client, and no wait between requests."""

import sys
import time

from locust import FastHttpUser, constant, events, task

BEGAN: list[float] = []


@events.test_start.add_listener
def begin(**_given: object) -> None:
    """What was spent until now was spent on starting."""
    BEGAN.append(time.process_time())


@events.test_stop.add_listener
def end(**_given: object) -> None:
    """Say what the sending took."""
    print(f"CPU {time.process_time() - BEGAN[0]:.6f}", file=sys.stderr)


class Visitor(FastHttpUser):
    """Asks for / again and again."""

    wait_time = constant(0)

    @task
    def visit(self) -> None:
        """One request."""
        self.client.get("/")
