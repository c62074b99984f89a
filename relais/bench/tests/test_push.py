"""The watchers read what servers send, however the network cuts it; how good the figures are is reported, not tested."""

import argparse
import asyncio

import pytest

from relais.bench import push
from relais.bench.push.load_client import MESSAGE_TEMPLATE, ConversationSocket, ListSocket, Measurements
from relais.live import frames
from relais.live.protocol import Change


def on_the_wire(text: str) -> bytes:
    payload = text.encode()
    size = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big")
    return b"\x81" + size + payload


def message(number: int) -> str:
    html = f"<p>{MESSAGE_TEMPLATE.format(number)} {'é' * 200}</p>"
    return frames.change(Change("message", 10 + number, 7, number, number), html).text


@pytest.mark.parametrize("cut", [1, 2, 3, 50, 10_000])
def test_frames_are_read_whole_however_they_arrive(cut):
    measurements = Measurements()
    measurements.posted = {1: 0.0, 2: 0.0}
    wire = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    wire += b"".join(map(on_the_wire, (frames.caught_up(0).text, message(1), message(2))))

    async def read():
        socket = ConversationSocket(measurements, b"")
        for at in range(0, len(wire), cut):
            socket.data_received(wire[at : at + cut])
        await socket.ready

    asyncio.run(read())
    assert measurements.got == {1: 1, 2: 1}
    assert (len(measurements.thread), measurements.out_of_order) == (2, 0)
    assert measurements.kept[2] == message(2)


def test_what_comes_again_or_too_early_is_counted():
    measurements = Measurements()
    measurements.posted = {1: 0.0, 2: 0.0}

    async def read():
        socket = ConversationSocket(measurements, b"")
        socket.is_open = True
        for text in (frames.caught_up(0).text, message(2), message(1), message(1)):
            socket.data_received(on_the_wire(text))

    asyncio.run(read())
    assert measurements.got == {1: 2, 2: 1}
    assert measurements.out_of_order == 2


def test_a_row_is_as_old_as_the_message_it_shows():
    measurements = Measurements()
    measurements.posted = {3: 0.0}

    async def read():
        socket = ListSocket(measurements, b"")
        socket.is_open = True
        for text in (frames.REFRESH.text, frames.row(7, 9, f"<p>{MESSAGE_TEMPLATE.format(3)}</p>").text):
            socket.data_received(on_the_wire(text))

    asyncio.run(read())
    assert (len(measurements.row), measurements.list_frames) == (1, 1)


def test_the_figures_stand_beside_those_of_the_bare_fan_out():
    watched = {"row": [0.1], "list_frames": 1, "missing": 0, "doubled": 0, "out_of_order": 0, "refused": 0}
    watched |= {"untaken": 0, "posted": 200, "hook": [0.005]}
    figures = push._figures(
        argparse.Namespace(seconds=2, sockets=10, threads=5),
        watched | {"thread": [0.01] * 98 + [0.03] * 2},
        watched | {"thread": [0.001] * 100},
    )
    assert (figures["p50_ms"], figures["p99_ms"], figures["beyond_p99_ms"]) == (10.0, 30.0, 29.0)
    assert (figures["frames"], figures["rate"]) == (100, 100.0)
    assert all(isinstance(line, str) for line in push.summary_lines(figures))
