# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs lightbench-cli (the first argument of the test) in a home of its own."""

import os
import pathlib
import subprocess
import sys
import tempfile

import tap

CLI = sys.argv[1]
HOME = pathlib.Path(tempfile.mkdtemp(prefix="lightbench-cli-"))
FAST = ("--fidelity", "fast", "--seed", "3")


def environment(**more):
    env = dict(os.environ, LIGHTBENCH_HOME=str(HOME / "home"), LC_ALL="C.UTF-8")
    env.update(more)
    return env


def cli(*arguments, code=0, **more):
    """Runs it; returns its output. Anything but the expected exit code fails."""
    done = subprocess.run([CLI, *map(str, arguments)], capture_output=True, text=True, env=environment(**more),
                          timeout=300)
    tap.check(done.returncode == code, f"exit code {done.returncode}, not {code}: {done.stderr[-2000:]}")
    return done


def refused(*arguments, code, says):
    """One clear line on standard error that names the thing, and nothing else."""
    done = cli(*arguments, code=code)
    lines = done.stderr.strip().splitlines()
    tap.check(len(lines) == 1, f"not one line: {done.stderr}")
    tap.check(lines[0].startswith("lightbench-cli: "), lines[0])
    for word in says:
        tap.check(word in lines[0], f"does not name {word}: {lines[0]}")
    tap.check(done.stdout == "", done.stdout)
