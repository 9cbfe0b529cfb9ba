"""Convolutional networks.

A network for images should find an edge, a wheel or an eye wherever it is.  A
convolutional layer does so by using the same few weights at every position.  This
chapter takes such a network apart, and says for each part what it computes, which shape
it returns, how much of the image it depends on and what it costs.
"""
