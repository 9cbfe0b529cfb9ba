"""Convolutional networks.

One small filter, read everywhere.
"""
