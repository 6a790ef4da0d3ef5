"""The simulated fleet: where nothing goes wrong it is as fast as its machines; what goes wrong costs what it must."""

from dataclasses import replace

import pytest

from benchmarks.fleet import HOUR_S, Fleet, Run

EVEN = Fleet(workers=10, pictures=1_000_000, rate=10, partition=1000, chunk=100, spread=0)


def test_machines_that_lose_nothing_take_what_the_model_takes() -> None:
    told = Run(EVEN)()
    # Only the first chunk of a partition is waited for.
    waited = EVEN.chunk / (EVEN.rate * EVEN.read_ratio) / (EVEN.partition / EVEN.rate)
    assert told["hours"] == pytest.approx(1_000_000 / 100 / HOUR_S * (1 + waited), rel=0.01)
    assert told["embedded_in_vain"] == 0
    assert told["most_chunks_waiting_on_a_machine"] == EVEN.buffer


def test_a_store_that_serves_less_than_is_embedded_sets_the_pace() -> None:
    assert Run(replace(EVEN, store=50))()["pictures_a_second"] == pytest.approx(50, rel=0.01)


def test_what_a_machine_had_when_it_died_is_embedded_again_and_all_is_delivered() -> None:
    run = Run(replace(EVEN, days_between_deaths=0.02))
    told = run()
    assert told["deaths"] > 10
    assert run.told.delivered == set(range(1000))
    assert 0 < told["embedded_in_vain"] <= told["deaths"] * EVEN.partition / EVEN.pictures


def test_slow_machines_hold_up_the_end_and_doing_that_twice_helps() -> None:
    slow = replace(EVEN, pictures=100_000, partition=5000, slow_share=0.2, slow_by=10, seed=3)
    alone, twice = Run(slow)(), Run(replace(slow, twice_at_the_end=True))()
    assert twice["hours"] < 0.7 * alone["hours"]
    assert twice["embedded_in_vain"] > 0
    assert alone["embedded_in_vain"] == 0


def test_the_last_partition_and_the_last_chunk_may_be_smaller() -> None:
    run = Run(replace(EVEN, pictures=100_250))
    assert run()["pictures_a_second"] > 80
    assert run.told.delivered == set(range(101))
    assert run.told.embedded == 1003
