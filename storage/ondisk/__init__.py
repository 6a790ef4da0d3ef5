"""Cells whose lists lie on disk: neither building nor asking them needs memory for what is in them."""
