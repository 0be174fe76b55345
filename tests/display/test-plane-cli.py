#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""test-plane-cli.py LIGHTBENCH-CLI SETUPS: the command line on the two monitors of
an X server, DUMMY0 and DUMMY1."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tap import check, run, test  # noqa: E402

CLI, SETUPS = sys.argv[1:3]
SCRATCH = os.environ["SCRATCH"]


def devices(*arguments):
    done = subprocess.run([CLI, "devices", "--json", *arguments], capture_output=True, text=True, timeout=120)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def setup(name, **monitors):
    """The sample of that name on other monitors."""
    with open(os.path.join(SETUPS, name + ".json"), encoding="utf-8") as file:
        text = file.read()
    for old, new in monitors.items():
        check(old.replace("_", "-") in text, f"{name} has no {old}")
        text = text.replace(old.replace("_", "-"), new)
    path = os.path.join(SCRATCH, name + ".json")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


@test("/plane/cli/monitors-are-listed-as-candidates")
def _():
    code, result, _ = devices()
    check(code == 0, f"exit {code}")
    planes = [d for d in result["devices"] if d["driver"] == "display"]
    check(len(planes) == 2, f"{planes}")
    check(all(d["role"] == "source/weight" and d["state"] == "present" for d in planes), f"{planes}")
    check("on DUMMY1, 1920 x 1080" in planes[1]["identity"], planes[1]["identity"])


def check_planes(path, regions):
    code, result, errors = devices("--setup", path)
    check(code == 0, f"exit {code}: {errors}")
    planes = {d["role"]: d for d in result["devices"] if d["driver"] == "display"}
    check(set(planes) == {"source", "weight"}, f"{planes}")
    for role, region in regions.items():
        check(region in planes[role]["identity"], planes[role]["identity"])
        check(planes[role]["state"] == "connected", planes[role]["state"])


@test("/plane/cli/sample-with-one-monitor-split-connects")
def _():
    check_planes(setup("split-monitor", HDMI_1="DUMMY1"),
                 {"source": "960 x 1080 at 0, 0", "weight": "960 x 1080 at 960, 0"})


@test("/plane/cli/sample-with-two-monitors-connects")
def _():
    check_planes(setup("two-monitors", HDMI_1="DUMMY0", DP_1="DUMMY1"),
                 {"source": "green, serial DUMMY0", "weight": "grey, serial DUMMY1"})


@test("/plane/cli/missing-monitor-is-named-with-those-that-are-there")
def _():
    code, _, errors = devices("--setup", os.path.join(SETUPS, "two-monitors.json"))
    check(code == 1, f"exit {code}")
    check('"HDMI-1"' in errors and "DUMMY0" in errors and "DUMMY1" in errors, errors)


run()
