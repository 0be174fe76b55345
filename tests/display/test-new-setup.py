# SPDX-License-Identifier: GPL-3.0-or-later
"""A setup is made in the application: monitors are identified, a device is tested, the file is written and used."""

import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "ui"))

import tap
from desktop import Application, wait_for

PROGRAM, CLI = sys.argv[1], sys.argv[2]
FILE = pathlib.Path(os.environ["LIGHTBENCH_HOME"]) / "setups" / "my-bench.json"
LOG = pathlib.Path(os.environ["SCRATCH"]) / "stderr.txt"
WIDTH, HEIGHT = 1920, 1080

application = Application([PROGRAM, "--fidelity", "fast", "--seed", "7"], stderr=LOG.open("w"))


def idle():
    return application.is_sensitive("push button", "Search Again")


def has_number(left):
    """Whether the monitor from that column on shows white on black, and nothing else."""
    area = f"{WIDTH}x{HEIGHT}+{left}+0"
    grey = subprocess.run(["import", "-window", "root", "-crop", area, "-depth", "8", "gray:-"],
                          capture_output=True, check=True).stdout
    white, black = grey.count(b"\xff"), grey.count(b"\0")
    return white > len(grey) / 100 and black > len(grey) / 2 and white + black > 0.98 * len(grey)


def name_setup(name):
    entry = application.get("text", "Name of the setup")
    entry.get_editable_text_iface().set_text_contents(name)


@tap.test("/app/new-setup/opens-beside-stop")
def _():
    application.connect(30)
    wait_for(lambda: application.is_sensitive("push button", "New setup"), "the bench to be connected", 60)
    application.press("push button", "New setup")
    wait_for(idle, "the search to end", 30)
    tap.check(application.is_sensitive("push button", "STOP"), "STOP cannot be pressed")


@tap.test("/app/new-setup/each-monitor-shows-its-number")
def _():
    application.press("push button", "Identify Monitors")
    wait_for(lambda: has_number(0) and has_number(WIDTH), "a number on both monitors", 30)
    wait_for(idle, "the numbers to go", 30)
    tap.check(not has_number(WIDTH), "the number stays")


@tap.test("/app/new-setup/a-device-is-tested")
def _():
    application.press("push button", "Test: Power meter")
    wait_for(lambda: application.shows("Passed: "), "the test to pass", 60)


@tap.test("/app/new-setup/a-nameless-one-is-refused")
def _():
    application.press("push button", "Save and Connect")
    application.wait_text("the setup has no name")


@tap.test("/app/new-setup/is-written-and-used")
def _():
    name_setup("My bench!")
    application.press("push button", "Save and Connect")
    wait_for(FILE.exists, "the file", 10)
    tap.check(json.loads(FILE.read_text())["title"] == "My bench!", "it has another title")
    wait_for(lambda: application.find("push button", "Save and Connect") is None, "the window to close")
    wait_for(lambda: application.is_sensitive("push button", "Disconnect"), "the bench to be connected", 90)
    subprocess.run([CLI, "devices", "--setup", str(FILE)], check=True, capture_output=True, timeout=60)


@tap.test("/app/new-setup/a-file-is-not-replaced-silently")
def _():
    before = FILE.read_bytes()
    application.press("push button", "New setup")
    wait_for(idle, "the search to end", 30)
    name_setup("My Bench")
    application.press("push button", "Save and Connect")
    application.wait_text("Replace the Setup?")
    tap.check(FILE.read_bytes() == before, "it was replaced before the answer")
    # A dialog names its buttons so: with the mnemonic, and by their label.
    application.press("push button", "_Replace Replace")
    wait_for(lambda: FILE.read_bytes() != before, "the file to be replaced")


@tap.test("/app/new-setup/nothing-is-complained-of")
def _():
    said = [line for line in LOG.read_text().splitlines() if "CRITICAL" in line or "lightbench-WARNING" in line]
    tap.check(not said, f"said on the way: {said}")


try:
    tap.run()
finally:
    if application.process.poll() is None:
        application.process.kill()
        application.process.wait()
