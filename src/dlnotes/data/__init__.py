"""Small sets of real data that come with the book, and what they are made from."""
