"""Open every page of the built book in a browser and say what is wrong with it.

``python tests/site/check.py _build/html``, or with the names of some pages behind it.
The browser is the one that ``CHROMIUM`` names; it reaches nothing but the book.
"""

import faulthandler
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, count
from pathlib import Path
from queue import Empty, SimpleQueue

import behavior
import written
from browser import served, started
from look import Looker

START, EACH = 120, 30  # seconds that all and that a page may take, on a busy machine

Part = tuple[str, Callable[[Looker], Iterable[str]]]


def main(root: Path, *chosen: str) -> str:
    """Return a line for each problem."""
    documents = written.read(root)
    # The page for wrong addresses works only where the book is published, if it is.
    here = [path for path, document in documents.items() if not document.base]
    here.sort(key=lambda path: path.stat().st_size, reverse=True)  # the longest first
    for name in chosen:
        if not Path(root, name).is_file():
            return f"{root} has no page {name}"
    names = chosen or [str(path.relative_to(root)) for path in here]
    parts: list[Part] = [(name, partial(Looker.problems, name=name)) for name in names]
    if not chosen:
        parts = [*behavior.parts(root), *parts]
    opened = {root / name: documents[root / name] for name in names}
    new = written.different(root, opened)
    different = {str(path.relative_to(root)) for path in new}
    # Where it hangs, it ends with the lines at which it does.
    faulthandler.dump_traceback_later(START + EACH * len(names), exit=True)
    files = [*written.problems(documents), *written.notebooks(root)]
    with served(root) as site:
        found = chain(files, tried(site, parts, different))
        return "\n".join(found)


def tried(site: str, parts: list[Part], different: set[str]) -> Iterable[str]:
    """Try each part in one of a few browsers."""
    waiting: SimpleQueue[Part] = SimpleQueue()
    for part in parts:
        waiting.put(part)
    judged: set[str] = set()
    done = count(1)

    def work(_: int) -> list[str]:
        found: list[str] = []
        with started() as browser:
            looker = Looker(browser, site, different, judged)
            for name, problems in taken(waiting):
                start = time.perf_counter()
                mine = list(problems(looker))
                took = time.perf_counter() - start
                say(f"{next(done)} of {len(parts)}, {name}: {took:.1f} s", *mine)
                found += mine
        return found

    cores = min(os.cpu_count() or 1, len(parts))
    with ThreadPoolExecutor(cores) as pool:
        return chain(*pool.map(work, range(cores)))


def taken(waiting: SimpleQueue[Part]) -> Iterator[Part]:
    """Take one after the other, while there are any."""
    while True:
        try:
            yield waiting.get_nowait()
        except Empty:
            return


def say(*lines: str) -> None:
    """Say how far this has come, and what has been found."""
    sys.stdout.write("\n    ".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), *sys.argv[2:]) or 0)
