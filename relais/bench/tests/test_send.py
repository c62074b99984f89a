"""The figures of an emptied outbox are those of what the double took; how good they are is not tested."""

from datetime import UTC, datetime, timedelta

from relais.bench.send import DrainResult, summary_lines

BEGUN = datetime(2026, 3, 2, 9, tzinfo=UTC)


def accepted(*messages):
    return [
        {"to": to, "body": body, "at": (BEGUN + timedelta(seconds=at)).isoformat()}
        for to, body, at in messages
    ]


def test_what_the_double_took_is_counted():
    figures = DrainResult(
        "run",
        4,
        accepted(
            ("a", "run 1 1", 0.0),
            ("b", "run 2 1", 0.5),
            ("b", "person 1", 0.6),
            ("a", "run 1 2", 0.9),
            ("b", "run 2 2", 2.0),
            ("b", "another 2 2", 9.0),
        ),
    )
    assert (figures.messages, figures.seconds, figures.rate) == (4, 2.0, 2.0)
    assert figures.max_per_second == 4, "a person's text is one of those that left"
    assert (figures.in_order, figures.doubled, figures.lost) == (True, 0, 0)


def test_one_out_of_turn_one_twice_and_one_lost_are_noticed():
    figures = DrainResult(
        "run",
        3,
        accepted(("a", "run 1 2", 0.0), ("a", "run 1 1", 0.5), ("b", "run 2 1", 1), ("b", "run 2 1", 2)),
    )
    assert (figures.in_order, figures.doubled, figures.lost) == (False, 1, 0)
    assert DrainResult("run", 3, accepted(("a", "run 1 1", 0.0), ("a", "run 1 2", 0.5))).lost == 1


def test_the_figures_are_told():
    figures = {
        "rate_set": 80, "messages": 2400, "seconds": 30.0, "rate": 80.0, "rate_most": 88, "claimed_rate": 80.0, "claimed_most": 84, "of_persons": 100, "p50_wait_ms": 40,
        "p99_wait_ms": 90, "unlimited_rate": 200.0, "order_ok": True, "doubled": 0, "lost": 0,
    }  # fmt: skip
    assert list(summary_lines(figures))[-1] == "in order, 0 doubled, 0 lost"
