"""The simulator's HTTP control: counters, and faults on demand.

GET /stats                     messages on the queue, and counts since the start
POST /drop                     cut every TCP connection without notice
POST /detach                   force-detach every consumer
POST /close                    close every connection with a reason
POST /set?mute=true|false      freeze the broker: it reads and answers nothing
POST /set?refuse=true|false    refuse new connections
POST /set?one_client=true|false    refuse a second consumer of the queue
POST /set?lock_seconds=S       for locks taken or renewed from now on
POST /set?number_step=N        for sequence numbers from now on
POST /set?clock_seconds=S      its clock is ahead by S, or behind if S is negative
POST /put                      enqueue {"subject", "message_id", "body": base64}
"""

import base64
import binascii
import math
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from bridge.callers import only_own
from local.ports import LOOPBACK
from local.simulator.amqp import new_message
from local.simulator.broker import Broker

Handler = Callable[[web.Request], Awaitable[web.Response]]

MAX_PUT_BYTES = 100_000_000
"""Service Bus premium accepts messages up to 100 MB."""


def control_app(broker: Broker, is_exhausted: Callable[[], bool]) -> web.Application:
    """The control endpoints of one broker.

    Args:
        broker: What they control.
        is_exhausted: Returns whether the feed has sent its last message.
    """

    async def stats(request: web.Request) -> web.Response:
        return web.json_response(
            {
                "queue": broker.queue.stats(),
                "dead_letter_queue": broker.dead_letters.stats(),
                "connections": len(broker.peers),
                "exhausted": is_exhausted(),
                "sent": dict(broker.sent),
            }
        )

    async def change(request: web.Request) -> web.Response:
        for name, value in request.query.items():
            _SETTINGS.get(name, _unknown_setting)(broker, value)
        return web.json_response(dict(request.query))

    async def put(request: web.Request) -> web.Response:
        name = request.query.get("queue", broker.queue.name)
        queue = broker.find_queue(name)
        if queue is None:
            raise web.HTTPBadRequest(text=f"there is no queue '{name}'")
        broker.put(_message(await request.read()), queue)
        return web.json_response({"put": 1})

    app = web.Application(
        client_max_size=MAX_PUT_BYTES, middlewares=[only_own(LOOPBACK)]
    )
    app.router.add_get("/stats", stats)
    app.router.add_post("/drop", _fault("dropped", broker.drop))
    app.router.add_post("/detach", _fault("detached", broker.detach))
    app.router.add_post("/close", _fault("closed", broker.close))
    app.router.add_post("/set", change)
    app.router.add_post("/put", put)
    return app


def _fault(name: str, action: Callable[[], int]) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        return web.json_response({name: action()})

    return handle


def _message(text: bytes) -> Any:
    """The message a /put describes.

    Raises:
        web.HTTPBadRequest: The request has another form.
    """
    try:
        given = orjson.loads(text)
        body = base64.b64decode(given["body"], validate=True)
        return new_message(given.get("subject"), given.get("message_id"), body)
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error) as error:
        reason = "expected a JSON object with subject, message_id and body (base64)"
        raise web.HTTPBadRequest(text=reason) from error


def _set_mute(broker: Broker, value: str) -> None:
    broker.mute = _truth(value)


def _set_refuse(broker: Broker, value: str) -> None:
    broker.refuse = _truth(value)


def _set_one_client(broker: Broker, value: str) -> None:
    broker.one_client = _truth(value)


def _set_lock_seconds(broker: Broker, value: str) -> None:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise web.HTTPBadRequest(text=f"lock_seconds is '{value}'; use seconds > 0")
    broker.set_lock_seconds(seconds)


def _set_number_step(broker: Broker, value: str) -> None:
    if not value.isdecimal() or int(value) < 1:
        raise web.HTTPBadRequest(text=f"number_step is '{value}'; use 1 or more")
    broker.queue.number_step = int(value)


def _set_clock_seconds(broker: Broker, value: str) -> None:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise web.HTTPBadRequest(text=f"clock_seconds is '{value}'; use seconds")
    broker.clock_seconds = seconds


def _unknown_setting(broker: Broker, value: str) -> None:
    raise web.HTTPBadRequest(text=f"the settings are {', '.join(_SETTINGS)}")


_SETTINGS: dict[str, Callable[[Broker, str], None]] = {
    "mute": _set_mute,
    "refuse": _set_refuse,
    "one_client": _set_one_client,
    "lock_seconds": _set_lock_seconds,
    "number_step": _set_number_step,
    "clock_seconds": _set_clock_seconds,
}


def _truth(value: str) -> bool:
    if value not in ("true", "false"):
        raise web.HTTPBadRequest(text=f"'{value}' is not true or false")
    return value == "true"
