"""Claims about single neurons."""
