"""The exercises of the chapter on single neurons."""
