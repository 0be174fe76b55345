# SPDX-License-Identifier: GPL-3.0-or-later
"""Accuracy after calibration on the simulated bench, over several worlds
(optics.md, "Figures of merit"). Arguments: lightbench-cli, seeds; pixel by pixel,
or, as in 2:fast, with small planes and camera."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import tap

CLI = sys.argv[1]
WORLDS = sys.argv[2:] or ["1", "2", "3"]
HOME = pathlib.Path(tempfile.mkdtemp(prefix="lightbench-accuracy-"))

LINEAR_LIMIT = 0.021
ATTENTION_LIMIT = 0.0565


def session(world, *arguments):
    seed, _, fidelity = world.partition(":")
    done = subprocess.run([CLI, *arguments, "--seed", seed, "--fidelity", fidelity or "pixel",
                           "--session", str(HOME / f"{world}.lbsession"), "--json"],
                          capture_output=True, text=True, timeout=900, env=dict(os.environ, LIGHTBENCH_HOME=str(HOME)))
    tap.check(done.returncode == 0, done.stderr[-2000:])
    return json.loads(done.stdout)


def check_world(world):
    steps = session(world, "calibrate")["steps"]
    for step in steps:
        print(f"# world {world} {step['name']}: {step['verdict']}, {step['residual']} of {step['limit']} {step['unit']}")
    groups = session(world, "run", "dot-product")["groups"]
    attention = session(world, "run", "attention")
    for group in groups + [dict(attention, length="attention", signed=True)]:
        print(f"# world {world} length {group['length']} signed {group['signed']}: "
              f"normalised error {group['normalised_error']:.4f}, before {group['normalised_error_uncalibrated']:.4f}, "
              f"slope {group['slope']:.4f} ({group['slope_low']:.4f} to {group['slope_high']:.4f})")
    for group in groups:
        name = f"length {group['length']}, signed {group['signed']}"
        tap.check(group["dot_products"] == 1000, name)
        if group["signed"]:
            tap.check(group["normalised_error"] <= LINEAR_LIMIT, f"{name}: {group['normalised_error']}")
        tap.check(abs(group["slope"] - 1) <= 0.01, f"{name}: slope {group['slope']}")
        tap.check(group["normalised_error_uncalibrated"] >= 2 * group["normalised_error"], f"{name}: before calibration")
    tap.check(attention["normalised_error"] <= ATTENTION_LIMIT, f"attention: {attention['normalised_error']}")
    tap.check(attention["normalised_error_uncalibrated"] >= 2 * attention["normalised_error"], "attention: before")


for world in WORLDS:
    tap.test(f"/accuracy/world-{world}-is-calibrated-to-the-figures-of-the-design")(
        lambda world=world: check_world(world))

try:
    tap.run()
finally:
    shutil.rmtree(HOME, ignore_errors=True)
