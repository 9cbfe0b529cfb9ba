"""Experiments about optimization."""
