"""The page: draws what a library answers, on this machine alone."""
