"""Observability: the metrics for Prometheus, and the status page « État » that says the same in plain sentences.

It reads and shows; it decides nothing.
"""
