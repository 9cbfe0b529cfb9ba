"""Initialization, normalization and regularization.

What decides whether a network trains, and whether it then works on data that it has not
seen: where the weights and biases start, how layers keep their numbers at a useful
scale, and what keeps a network from learning its training data by heart.
"""
