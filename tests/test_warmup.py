"""What is set once per process."""

from __future__ import annotations

import os
import socket

from components import warmup


def test_connections_taken_after_the_warm_up_do_not_hold_small_answers_back() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
        warmup.answer_at_once()
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_the_warm_up_leaves_every_other_descriptor_open() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, open(__file__) as file:
        warmup.answer_at_once()
        ours.sendall(b"still here")
        assert theirs.recv(16) == b"still here"
        assert file.readline()


def test_the_warm_up_takes_no_descriptor_for_itself() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, open(__file__):
        before = len(os.listdir("/dev/fd"))
        warmup.answer_at_once()
        assert len(os.listdir("/dev/fd")) == before
