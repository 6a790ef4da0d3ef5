"""The page: draws what a library answers, on this machine, or behind a password."""
