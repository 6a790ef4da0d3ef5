"""A run on disk: what training made, and what it needs to go on.

    settings.json         what was asked for; a run goes on only with the same
    curve.csv, curve.png  the loss and what else was watched, a row a step
    resume.pt             method, optimiser and place; gone when what was learned is measured
    run.json              method, network, preprocessing, dimension, data, seed, versions
    *.safetensors         what was learned

A folder with `run.json` is a model, which is all that the family `run:` looks at.
"""

import csv
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from indexer.errors import UsageError

__all__ = ["CURVE", "DESCRIPTION", "Run"]

DESCRIPTION, SETTINGS, CURVE, STATE = "run.json", "settings.json", "curve.csv", "resume.pt"


class Run:
    """The folder of one run; every file in it but the curve appears whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        """As in `run:NAME`."""
        return self.folder.name

    @property
    def exists(self) -> bool:
        """Whether it was begun."""
        return any((self.folder / name).exists() for name in (SETTINGS, DESCRIPTION))

    @property
    def is_done(self) -> bool:
        """Whether there is a model in it that was measured."""
        return (self.folder / DESCRIPTION).exists() and not self.has_state

    @property
    def can_resume(self) -> bool:
        """Whether training began and was not finished."""
        return self.exists and not self.is_done

    def begin(self, settings: Mapping[str, Any], resume: bool) -> None:
        """Make the folder, or check that it goes on as it began. Raises UsageError."""
        if resume:
            self._check(settings)
            return
        if self.exists:
            what = "is there already" if self.is_done else "was begun; go on with --resume"
            raise UsageError(f"the run {self.name} {what}, or give another name with --name")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write(SETTINGS, _json(settings))

    def _check(self, settings: Mapping[str, Any]) -> None:
        if not self.can_resume:
            what = "is done" if self.is_done else "was never begun"
            raise UsageError(f"the run {self.name} {what}; leave --resume away")
        began = json.loads((self.folder / SETTINGS).read_text(encoding="utf-8"))
        for key, now in json.loads(_json(settings)).items():
            if began.get(key) != now:
                raise UsageError(
                    f"the run {self.name} began with {key} = {began.get(key)}, not {now}; resume it with the same"
                )

    @property
    def has_state(self) -> bool:
        """Whether a state was kept."""
        return (self.folder / STATE).exists()

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Keep all that going on needs."""
        self._replace(STATE, lambda path: torch.save(dict(state), path))

    def load_state(self) -> dict[str, Any]:
        """What `save_state` kept."""
        state: dict[str, Any] = torch.load(
            self.folder / STATE, map_location="cpu", weights_only=True
        )
        return state

    def finish(self, description: Mapping[str, Any]) -> None:
        """Say what the weights beside it are, which makes the run a model; until it is closed it can go on."""
        self.write(DESCRIPTION, _json(description))

    def close(self, **measured: Any) -> None:
        """Add what was measured to the description, and drop what only going on needs."""
        described = json.loads((self.folder / DESCRIPTION).read_text(encoding="utf-8"))
        self.write(DESCRIPTION, _json(described | measured))
        (self.folder / STATE).unlink(missing_ok=True)

    def append(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Add rows to the curve."""
        if not rows:
            return
        path = self.folder / CURVE
        is_new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            if is_new:
                writer.writeheader()
            writer.writerows(rows)

    def curve(self) -> list[dict[str, float]]:
        """The curve so far; a row that a kill cut short is left out."""
        path = self.folder / CURVE
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return [
                {key: float(value) for key, value in row.items()}
                for row in csv.DictReader(file)
                if all(row.values())
            ]

    def cut_curve(self, steps: int) -> None:
        """Forget the rows of steps that were taken after the state was kept."""
        kept = [row for row in self.curve() if row["step"] <= steps]
        (self.folder / CURVE).unlink(missing_ok=True)
        self.append(kept)

    def write(self, name: str, text: str) -> None:
        """Write a file of text, whole or not at all."""
        self._replace(name, lambda path: path.write_text(text, encoding="utf-8"))

    def _replace(self, name: str, write: Callable[[Path], object]) -> None:
        aside = self.folder / f".{name}.tmp"
        write(aside)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, self.folder / name)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, sort_keys=True, default=str) + "\n"
