"""Taking away what can be made again, whatever lies there in its place."""

import os
import shutil
from pathlib import Path

__all__ = ["discard"]


def discard(path: Path) -> None:
    """Delete a file, a link, or a folder with all that is in it. Raises OSError, but not where there is nothing."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    path.chmod(0o700)
    for folder, names, _ in os.walk(path):
        for name in names:  # before they are entered
            below = Path(folder, name)
            if not below.is_symlink():
                below.chmod(0o700)
    shutil.rmtree(path)
