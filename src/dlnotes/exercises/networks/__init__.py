"""The exercises of the chapter on networks."""
