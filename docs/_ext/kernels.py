"""Start the kernels of pages as forks of one process that has loaded libraries.

To load IPython, Matplotlib and the like takes longer than the cells of most pages.  So
one process loads them when the first page asks for a kernel, and is forked for each: a
kernel has the libraries, and nothing of another page.  Only on Linux is a fork safe
enough; elsewhere each kernel is started anew.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

SERVER = Path(__file__).parent / "jupyter" / "kernels" / "python3" / "forked.py"


def start(app: Sphinx) -> None:
    """Start the server, and say in the environment where it listens."""
    if sys.platform != "linux":
        return
    folder = TemporaryDirectory()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address := f"{folder.name}/kernels")
        listener.listen()
        inherited = listener.fileno()
        command = [sys.executable, str(SERVER), "--serve", str(inherited)]
        server = subprocess.Popen(command, pass_fds=[inherited])
    os.environ["DLNOTES_KERNELS"] = address

    def stop(_app: Sphinx, _exception: Exception | None) -> None:
        del os.environ["DLNOTES_KERNELS"]
        server.terminate()
        server.wait()
        folder.cleanup()

    app.connect("build-finished", stop)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Start the server before pages are read."""
    app.connect("builder-inited", start)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
