"""Let ``python -m dlnotes`` do what ``dlnotes`` does."""

from dlnotes.command import main

if __name__ == "__main__":
    raise SystemExit(main())
