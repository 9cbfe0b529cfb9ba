"""Fail the build for each promise of the catalogue that is not kept."""

from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

import inventory

LOGGER = logging.getLogger(__name__)


def report(_app: Sphinx) -> None:
    """Warn of each."""
    for problem in inventory.problems():
        LOGGER.warning(problem)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Look before any page is read."""
    app.connect("builder-inited", report)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
