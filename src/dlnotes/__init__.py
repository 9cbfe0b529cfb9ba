"""Deep learning, one section per module, in reading order.

Nothing is re-exported here: ``from dlnotes.cnn import convolution`` names the page that
the reader should open.
"""
