"""The exercises of the chapter on optimization."""
