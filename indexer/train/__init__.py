"""Learning from the user's own pictures: SimCLR, MoCo, BYOL and CLIP, one file each, and one loop for all.

Nothing is imported here, since every part of it needs PyTorch.
"""

__all__: list[str] = []
