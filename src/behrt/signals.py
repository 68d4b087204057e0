"""How a run that is asked to stop gets the message."""

import signal
import threading
from typing import Any


def handle_in_a_thread(number: int) -> None:
    """Call the handler of a signal in a thread of its own from now on.

    Python calls a handler in the main thread, between two of its instructions. A handler that waits
    for a lock, as Snakemake's of SIGTERM does, then never ends if the main thread has it.
    Nothing changes for a signal without a handler. Only the main thread may call this.
    """
    handler = signal.getsignal(number)
    if callable(handler):
        called = handler

        def start(*given: Any) -> None:
            threading.Thread(target=called, args=given, daemon=True).start()

        signal.signal(number, start)
