"""Benchmarks: each prints one JSON document on stdout and a readable table on stderr."""
