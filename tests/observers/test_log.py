from __future__ import annotations

import io
import json
import threading

from gitslo.observers.log import LogForm, LogObserver
from gitslo.observers.redaction import Redactor
from gitslo.ports import Event

JUDGED = Event("run.judged", "shop/dev", "fail: browse.errors", {"verdict": "fail", "cause": "sync", "attempt": 2})


def written(form: LogForm, *events: Event, secrets: tuple[str, ...] = (), debug: bool = False) -> list[str]:
    stream = io.StringIO()
    observer = LogObserver(stream, form, Redactor(secrets), debug=debug, wall=lambda: 1_000_000_000.25)
    for event in events:
        observer.tell(event)
    assert observer.close()
    return stream.getvalue().splitlines()


def test_json_lines_have_stable_keys() -> None:
    """A line is one JSON object: time, level, event, environment, message, then the event's fields, in this order."""
    [line] = written(LogForm.JSON, JUDGED)

    expected = {
        "time": "2001-09-09T01:46:40.250Z",
        "level": "info",
        "event": "run.judged",
        "environment": "shop/dev",
        "message": "fail: browse.errors",
        "verdict": "fail",
        "cause": "sync",
        "attempt": 2,
    }
    assert list(expected.items()) == list(json.loads(line).items())


def test_people_get_key_value() -> None:
    """The same line for people, one per event, without empty keys."""
    expected = [
        (
            "time=2001-09-09T01:46:40.250Z level=info event=run.judged environment=shop/dev "
            'message="fail: browse.errors" verdict=fail cause=sync attempt=2'
        ),
        "time=2001-09-09T01:46:40.250Z level=warning event=error.retry message=later",
    ]
    assert expected == written(LogForm.TEXT, JUDGED, Event("error.retry", "", "later"))


def test_a_field_cannot_pose_as_a_key() -> None:
    """The first five keys say what we say, whatever fields an event brings."""
    [line] = written(LogForm.JSON, Event("hold.set", "dev", "held", {"event": "run.judged", "level": "debug"}))

    assert {"event": "hold.set", "level": "warning"} == {key: json.loads(line)[key] for key in ("event", "level")}


def test_text_is_redacted_everywhere() -> None:
    """Secrets, URL credentials and line breaks do not get through in a message or in a field."""
    event = Event("poll.failed", "dev", "https://u:p@h/ said\ncanary-77", {"reason": "canary-77 \x1b[0m"})
    for form in LogForm:
        [line] = written(form, event, secrets=("canary-77",))

        assert not any(piece in line for piece in ("canary-77", "u:p", "\n", "\x1b"))


def test_quiet_events_are_debug() -> None:
    """Polls without news and progress are written only when debug is asked for."""
    events = (Event("poll.done", "", "nothing new"), Event("run.progress", "dev", ""))

    assert (0, 2) == (len(written(LogForm.JSON, *events)), len(written(LogForm.JSON, *events, debug=True)))


class Stuck(io.StringIO):
    """A sink that takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.open = threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        self.open.wait(10)
        return super().write(text)


def test_a_dead_sink_never_holds_up_the_teller() -> None:
    """When the sink takes nothing, tell returns at once, what does not fit is dropped, counted, and said later."""
    sink = Stuck()
    observer = LogObserver(sink, LogForm.JSON, Redactor(), capacity=3)
    observer.tell(JUDGED)
    assert sink.entered.wait(10)
    for _ in range(10):
        observer.tell(JUDGED)
    dropped = observer.dropped
    sink.open.set()
    assert observer.close(timeout=10)

    lines = [json.loads(line) for line in sink.getvalue().splitlines()]
    assert (7, ["run.judged", "log.dropped", "run.judged", "run.judged", "run.judged"], 7) == (
        dropped,
        [line["event"] for line in lines],
        lines[1]["lines"],
    )


def test_a_closed_stream_counts_as_dropped() -> None:
    """A sink that fails is no error for the teller, during or after."""
    stream = io.StringIO()
    observer = LogObserver(stream, LogForm.JSON, Redactor())
    stream.close()
    observer.tell(JUDGED)
    assert observer.close()
    observer.tell(JUDGED)

    assert observer.dropped == 2


def test_a_poor_encoding_loses_no_line() -> None:
    """Characters that the stream cannot take are escaped."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    observer = LogObserver(stream, LogForm.TEXT, Redactor(), wall=lambda: 0.0)
    observer.tell(Event("hold.set", "dev", "größer"))
    assert observer.close()

    assert b"message=gr\\xf6\\xdfer" in raw.getvalue()
