"""What many machines lose that one does not: embedding on a thousand, simulated.

    python -m benchmarks.fleet [--workers 1000] [--pictures 1000000000] [--rate 28.5] [--out FILE]

Every machine does what a worker of `glimpse build --engine ray` does: takes a partition, reads its pictures ahead
of the model through a bounded buffer, embeds them, and hands its shard over as a whole. Machines differ in speed,
some are slow, they die and come back, and all read from one store, which serves so many pictures a second. Each run
changes one of these, and says how long the fleet took beside what its machines could do if nothing were ever lost.
"""

import argparse
import random
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import simpy

from benchmarks.report import publish

HOUR_S = 3600.0
Steps = Generator[simpy.Event, Any, Any]


@dataclass(frozen=True)
class Fleet:
    """Machines, and what they are given to do."""

    workers: int = 1000
    pictures: int = 10**9
    rate: float = 28.5
    """Pictures a second that one machine embeds."""
    partition: int = 10_000
    chunk: int = 1000
    buffer: int = 2
    """Chunks that are read ahead, on each machine."""
    read_ratio: float = 4.0
    """How much faster a machine reads than it embeds, where the store keeps up."""
    store: float = float("inf")
    """Pictures a second that the store serves, all machines together."""
    spread: float = 0.1
    """Of speeds: the standard deviation of their logarithm."""
    slow_share: float = 0.0
    slow_by: float = 4.0
    days_between_deaths: float = float("inf")
    """Of one machine, on average; it is exponential."""
    back_after_s: float = 300.0
    twice_at_the_end: bool = False
    """Whether a machine with nothing left to take works on what another is still at; the first shard counts."""
    seed: int = 0


@dataclass
class Told:
    """What a run comes to."""

    delivered: set[int] = field(default_factory=set)
    embedded: int = 0
    """Chunks, with those that were lost or done twice."""
    deaths: int = 0
    most_waiting: int = 0
    """Chunks in the buffer of one machine."""


class Run:
    """One simulation: partitions in a queue, machines that take them, a store that they share."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.told, self.env = fleet, Told(), simpy.Environment()
        self.drawn = random.Random(fleet.seed)
        self.partitions = -(-fleet.pictures // fleet.partition)
        self.waiting = deque(range(self.partitions))
        self.at_work: dict[int, int] = {}
        self.done = self.env.event()
        self.changed = self.env.event()
        self.store_free_at = 0.0

    def __call__(self) -> dict[str, Any]:
        """Figures: hours, and the share of the machines' work that counts."""
        rates = [self._rate() for _ in range(self.fleet.workers)]
        for rate in rates:
            self.env.process(self._machine(rate))
        self.env.run(self.done)
        assert len(self.told.delivered) == self.partitions
        ideal_s = self.fleet.pictures / sum(rates)
        chunks = -(-self.fleet.pictures // self.fleet.chunk)
        return {
            "hours": round(self.env.now / HOUR_S, 2),
            "efficiency": round(ideal_s / self.env.now, 3),
            "embedded_in_vain": round(self.told.embedded / chunks - 1, 4),
            "deaths": self.told.deaths,
            "most_chunks_waiting_on_a_machine": self.told.most_waiting,
            "pictures_a_second": round(self.fleet.pictures / self.env.now),
        }

    def _rate(self) -> float:
        is_slow = self.drawn.random() < self.fleet.slow_share
        rate = self.fleet.rate * self.drawn.lognormvariate(0, self.fleet.spread)
        return rate / self.fleet.slow_by if is_slow else rate

    def _machine(self, rate: float) -> Steps:
        """Take partitions as long as there are any; die now and then."""
        dies_at = self._death()
        while not self.done.triggered:
            taken = self._take()
            if taken is None:
                yield self.changed | self.done
                continue
            work = self.env.process(self._embed(rate, taken))
            yield work | self.env.timeout(max(0.0, dies_at - self.env.now)) | self.done
            self._leave(taken)
            if work.is_alive:
                work.interrupt()
                self.told.deaths += not self.done.triggered
                yield self.env.timeout(self.fleet.back_after_s)
                dies_at = self._death()

    def _death(self) -> float:
        days = self.fleet.days_between_deaths
        return self.env.now + (
            self.drawn.expovariate(1 / (24 * HOUR_S * days)) if days < float("inf") else days
        )

    def _take(self) -> int | None:
        """A partition: the next one, or, where that is wanted, one that another machine alone is at."""
        while self.waiting:
            if (taken := self.waiting.popleft()) not in self.told.delivered:
                break
        else:
            alone = (each for each, machines in self.at_work.items() if machines == 1)
            taken_again = next(alone, None) if self.fleet.twice_at_the_end else None
            if taken_again is None:
                return None
            taken = taken_again
        self.at_work[taken] = self.at_work.get(taken, 0) + 1
        return taken

    def _leave(self, partition: int) -> None:
        self.at_work[partition] -= 1
        if not self.at_work[partition]:
            del self.at_work[partition]
            if partition not in self.told.delivered:
                self.waiting.append(partition)
                self._tell()

    def _tell(self) -> None:
        """There is something to take."""
        changed, self.changed = self.changed, self.env.event()
        changed.succeed()

    def _embed(self, rate: float, partition: int) -> Steps:
        """Read ahead, embed, deliver the shard; being interrupted, leave nothing behind."""
        buffer = simpy.Store(self.env, capacity=self.fleet.buffer)
        chunks = list(self._chunks(partition))
        reading = self.env.process(self._read(rate, chunks, buffer))
        try:
            for chunk in chunks:
                yield buffer.get()
                yield self.env.timeout(chunk / rate)
                self.told.embedded += 1
        except simpy.Interrupt:
            if reading.is_alive:
                reading.interrupt()
            return
        self.told.delivered.add(partition)
        if len(self.told.delivered) == self.partitions and not self.done.triggered:
            self.done.succeed()
        elif self.fleet.twice_at_the_end and not self.waiting:
            self._tell()

    def _chunks(self, partition: int) -> Iterator[int]:
        first = partition * self.fleet.partition
        last = min(first + self.fleet.partition, self.fleet.pictures)
        for start in range(first, last, self.fleet.chunk):
            yield min(self.fleet.chunk, last - start)

    def _read(self, rate: float, chunks: list[int], buffer: simpy.Store) -> Steps:
        """Bring chunks until the buffer is full, as fast as this machine and the store can."""
        try:
            for chunk in chunks:
                self.store_free_at = (
                    max(self.store_free_at, self.env.now) + chunk / self.fleet.store
                )
                own_s = chunk / (rate * self.fleet.read_ratio)
                yield self.env.timeout(max(own_s, self.store_free_at - self.env.now))
                yield buffer.put(chunk)
                self.told.most_waiting = max(self.told.most_waiting, len(buffer.items))
        except simpy.Interrupt:
            return


def variants(fleet: Fleet) -> Iterator[tuple[str, Fleet]]:
    """The fleet as it is, and with one thing changed at a time."""
    need = fleet.workers * fleet.rate
    yield "as it is", fleet
    yield "1 % of the machines four times slower", (slow := replace(fleet, slow_share=0.01))
    yield "the same, the last partitions done twice", replace(slow, twice_at_the_end=True)
    yield (
        "the same, partitions of a tenth",
        replace(slow, partition=fleet.partition // 10, chunk=fleet.chunk // 10),
    )
    yield "each machine dies once a week", replace(fleet, days_between_deaths=7)
    yield "each machine dies once a day", (daily := replace(fleet, days_between_deaths=1))
    yield "the same, partitions ten times as large", replace(daily, partition=fleet.partition * 10)
    yield "a store that serves 1.2 of what is embedded", replace(fleet, store=1.2 * need)
    yield "a store that serves 0.8 of what is embedded", replace(fleet, store=0.8 * need)
    yield (
        "no reading ahead: a buffer of one chunk, reading as fast as embedding",
        replace(fleet, buffer=1, read_ratio=1.0),
    )
    yield (
        "all of it: slow ones, daily deaths, a store of 1.2, the last done twice",
        replace(daily, slow_share=0.01, store=1.2 * need, twice_at_the_end=True),
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=Fleet.workers)
    parser.add_argument("--pictures", type=int, default=Fleet.pictures)
    parser.add_argument("--rate", type=float, default=Fleet.rate, help="of one machine, a second")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    fleet = Fleet(workers=given.workers, pictures=given.pictures, rate=given.rate)
    runs = {name: Run(each)() for name, each in variants(fleet)}
    publish({"fleet": asdict(fleet), "runs": runs}, given.out)


if __name__ == "__main__":
    main()
