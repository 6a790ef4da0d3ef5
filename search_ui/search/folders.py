"""Folders as a list shows them: what they have in common would leave no room for what tells them apart."""

from collections.abc import Sequence

__all__ = ["shortened"]


def shortened(folder: str, roots: Sequence[str]) -> str:
    """A folder from its root's name on; whole where another root has the same name."""
    inside = [root for root in roots if f"{folder}/".startswith(f"{root}/")]
    if not inside:
        return folder
    root = max(inside, key=len)
    name = _name(root)
    if not name or sum(_name(each) == name for each in roots) > 1:
        return folder
    return name + folder[len(root) :]


def _name(root: str) -> str:
    return root.rpartition("/")[2]
