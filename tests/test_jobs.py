"""The process of the jobs: nothing in it starves the rest."""

import asyncio
import os
import signal
import threading
import time

from relais import jobs


def test_slow_jobs_leave_a_thread_for_the_signs_of_life(monkeypatch):
    over, beats = threading.Event(), []

    class Sender:
        def run(self):
            over.wait(5)

        def stop(self):
            over.set()

    async def slow_jobs(stop):
        await asyncio.gather(*(asyncio.to_thread(over.wait, 5) for _ in range(jobs.AT_ONCE)))

    def beat(sender):
        beats.append(time.monotonic())
        if len(beats) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr("relais.whatsapp.outbound.sender.Sender", Sender)
    monkeypatch.setattr(jobs, "_work", slow_jobs)
    monkeypatch.setattr(jobs, "_write_beats", beat)
    monkeypatch.setattr(jobs, "BEAT_EVERY", 0.05)
    began = time.monotonic()
    assert asyncio.run(jobs._run()) == 0
    assert beats[-1] - began < 3
