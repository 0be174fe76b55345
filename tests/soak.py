# SPDX-License-Identifier: GPL-3.0-or-later
"""The long checks, by hand: accuracy over 20 worlds. Argument: lightbench-cli."""

import pathlib
import subprocess
import sys

here = pathlib.Path(__file__).parent
seeds = [str(seed) for seed in range(1, 21)]
done = subprocess.run([sys.executable, here / "test-accuracy.py", sys.argv[1], *seeds])
print("Next: look for 'not ok' above; each world's figures stand before it.", file=sys.stderr)
sys.exit(done.returncode)
