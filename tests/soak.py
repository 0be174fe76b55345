# SPDX-License-Identifier: GPL-3.0-or-later
"""The long checks, by hand: light source and camera unplugged and plugged in again 100 times under the
kernel's own drivers, in the virtual machine; instruments on the emulated bus as often, in every state, and
40 random sequences of calls against the light's limit; every calibration step of 20 small worlds against
their truth (each world's parameters are in worlds.log in the build folder); accuracy over 20 worlds.
Argument: lightbench-cli, in its build folder."""

import os
import pathlib
import subprocess
import sys

here = pathlib.Path(__file__).parent
build = pathlib.Path(sys.argv[1]).resolve().parent.parent.parent
failed = False


def go(*command):
    global failed
    environment = dict(os.environ, LIGHTBENCH_LIBEXEC_DIR=build / "src" / "light", G_DEBUG="fatal-warnings",
                       LIGHTBENCH_VM_REPLUGS="100")
    failed = subprocess.run(command, env=environment).returncode != 0 or failed


for name in ("usbtmc", "usb-light", "usb-meter", "light-limit"):
    go("umockdev-wrapper", build / "tests" / f"test-{name}", "-m", "slow")
# The machine has a time limit of its own, which grows with the number.
go("meson", "test", "-C", build, "--no-rebuild", "--suite", "vm", "--print-errorlogs", "--timeout-multiplier", "7")
go(sys.executable, here / "worlds.py", build / "tests", "--log", build / "worlds.log")
go(sys.executable, here / "test-accuracy.py", sys.argv[1], *(str(seed) for seed in range(1, 21)))
print("Next: look for 'not ok' above; each world's figures stand before it.", file=sys.stderr)
sys.exit(1 if failed else 0)
