"""The verb `verify`: the catalog checked, and what is made from it checked and repaired."""

from indexer.verification.findings import Damage, Finding, VerifyReport

__all__ = ["Damage", "Finding", "VerifyReport"]
