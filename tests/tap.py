# SPDX-License-Identifier: GPL-3.0-or-later
"""A few lines of TAP for tests that drive the programs from outside."""

import sys
import traceback

_tests = []


def test(name):
    """Registers a function as the test of that name."""

    def register(function):
        _tests.append((name, function))
        return function

    return register


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def run():
    print("TAP version 13")
    print(f"1..{len(_tests)}")
    failed = 0
    for number, (name, function) in enumerate(_tests, 1):
        try:
            function()
            print(f"ok {number} {name}", flush=True)
        except Exception as error:
            failed += 1
            # The harness shows what a failed program said here, but not its TAP.
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            print(f"not ok {number} {name}", flush=True)
    sys.exit(1 if failed else 0)
