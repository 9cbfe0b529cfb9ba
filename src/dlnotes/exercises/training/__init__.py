"""The exercises of the chapter on training."""
