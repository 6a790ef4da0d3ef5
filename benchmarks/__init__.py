"""Measurements that are run by hand; their results lie in `results/`."""
