"""The exercises of the chapter on convolutional networks."""
