"""Be a kernel, or stand for one that is forked from a process with libraries loaded.

``forked.py --serve FD`` listens at a socket and forks a kernel for each that asks,
until the process is gone that has started it.  ``forked.py -f CONNECTION_FILE``, which
Jupyter takes for the kernel, asks the server whose address is ``DLNOTES_KERNELS`` and
ends when the kernel ends, and the kernel ends when it does.  Where there is no server,
it becomes the kernel itself.
"""

import json
import os
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path
from threading import Thread

KERNEL = "ipykernel.kernelapp"
LOADED = ("matplotlib.pyplot", "sklearn.datasets", "torch")
PATIENCE = 5.0  # seconds


def serve(listener: socket.socket) -> None:
    """Fork a kernel for each that asks."""
    parent = os.getppid()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a kernel
    listener.settimeout(PATIENCE)
    while os.getppid() == parent:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        wanted = json.loads(connection.makefile().readline())
        os.environ.update(wanted["environ"], JPY_PARENT_PID=str(os.getpid()))
        kernel, *_ = map(import_module, (KERNEL, *LOADED))
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            Thread(target=end_with, args=[connection], daemon=True).start()
            os.chdir(wanted["cwd"])
            kernel.launch_new_instance(wanted["argv"])
            os._exit(0)
        connection.close()


def end_with(connection: socket.socket) -> None:
    """End at once when the other side has ended."""
    connection.recv(1)
    os._exit(1)


def ask(address: str) -> None:
    """Ask for a kernel, and wait until it ends, which Jupyter asks of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wanted = {"argv": sys.argv[1:], "cwd": str(Path.cwd()), "environ": {**os.environ}}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        connection.sendall(json.dumps(wanted).encode() + b"\n")
        connection.recv(1)


if __name__ == "__main__":
    del sys.path[0]  # the folder of this file
    if sys.argv[1] == "--serve":
        serve(socket.socket(fileno=int(sys.argv[2])))
    elif server := os.environ.get("DLNOTES_KERNELS"):
        ask(server)
    else:
        import_module(KERNEL).launch_new_instance(sys.argv[1:])
