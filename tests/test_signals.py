"""A signal is handled although the thread that it interrupts has the lock of the handler."""

import os
import signal
import threading

from behrt.signals import handle_in_a_thread


def test_a_handler_waits_for_a_lock_that_the_interrupted_thread_has() -> None:
    lock, handled = threading.Lock(), threading.Event()

    def handler(*_: object) -> None:
        with lock:
            handled.set()

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        handle_in_a_thread(signal.SIGUSR1)
        with lock:
            os.kill(os.getpid(), signal.SIGUSR1)
            assert not handled.wait(0.05)
        assert handled.wait(10)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_without_a_handler_is_left_as_it_is() -> None:
    before = signal.getsignal(signal.SIGUSR2)
    handle_in_a_thread(signal.SIGUSR2)
    assert signal.getsignal(signal.SIGUSR2) is before is signal.SIG_DFL
