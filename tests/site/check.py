"""Open every page of the built book in a browser and say what is wrong with it.

``python tests/site/check.py _build/html``, or with the names of some pages behind it.
The browser is the one that ``CHROMIUM`` names; it reaches nothing but the book.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import behavior
import look
import written
from browser import served, started


def main(root: Path, *chosen: str) -> str:
    """Return a line for each problem."""
    documents = written.read(root)
    # The page for wrong addresses works only where the book is published, if it is.
    here = [path for path, document in documents.items() if not document.base]
    names = chosen or [str(path.relative_to(root)) for path in here]
    cores = min(os.cpu_count() or 1, len(names))

    def share(core: int) -> list[str]:
        with started() as browser:
            return list(look.problems(browser, site, names[core::cores]))

    with served(root) as site, ThreadPoolExecutor(cores) as pool:
        found = [*written.problems(documents), *written.notebooks(root)]
        found += chain(*pool.map(share, range(cores)))
        if not chosen:
            with started() as browser:
                found += behavior.problems(browser, site, root)
                found += behavior.offline(
                    browser, root / "neurons/perceptron_rule.html"
                )
            found += behavior.nothing_kept(site)
    return "\n".join(found)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), *sys.argv[2:]) or 0)
