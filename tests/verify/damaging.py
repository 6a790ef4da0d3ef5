"""What may happen to a file."""

import random
from collections.abc import Callable
from pathlib import Path

__all__ = ["DAMAGE", "Damage", "delete", "flip"]


Damage = Callable[[Path, random.Random], None]


def truncate(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    path.unlink()  # to be cut under a process that has it mapped is another matter: it ends that process
    path.write_bytes(data[: rng.randrange(len(data))])


def flip(path: Path, rng: random.Random) -> None:
    with path.open("r+b") as file:
        at = rng.randrange(path.stat().st_size)
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1 << rng.randrange(8)]))


def fill_with_garbage(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.write_bytes(rng.randbytes(rng.randrange(1, 5000)))


def put_a_folder(path: Path, rng: random.Random) -> None:
    path.unlink()
    (path / "below").mkdir(parents=True)
    (path / "below" / "file").write_bytes(b"in the way")


def put_a_link(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.symlink_to("/nowhere/at/all")


def delete(path: Path, rng: random.Random) -> None:
    path.unlink()


DAMAGE = (truncate, flip, fill_with_garbage, put_a_folder, put_a_link)
