"""Runs a program in a process to which the kernel refuses io_uring, as many containers do.

    python3 without-io-uring.py PROGRAM [ARGUMENT ...]

A seccomp filter answers io_uring_setup with EPERM and lets everything else pass.
"""

import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
IO_URING_SETUP = 425  # the same number on every architecture
EPERM = 1
RET_ALLOW, RET_ERRNO = 0x7FFF0000, 0x00050000


def instruction(code, jump_true, jump_false, value):
    return struct.pack("HBBI", code, jump_true, jump_false, value)


FILTER = b"".join(
    [
        instruction(0x20, 0, 0, 0),  # load the number of the system call
        instruction(0x15, 0, 1, IO_URING_SETUP),  # is it this one?
        instruction(0x06, 0, 0, RET_ERRNO | EPERM),
        instruction(0x06, 0, 0, RET_ALLOW),
    ]
)


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(FILTER) // 8, FILTER)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or (
        libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program)) != 0
    ):
        sys.exit(f"seccomp is not to be had: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[1], sys.argv[1:])


main()
