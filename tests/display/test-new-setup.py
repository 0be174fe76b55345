# SPDX-License-Identifier: GPL-3.0-or-later
"""test-new-setup.py PROGRAM CLI: a setup is made in the application. The two monitors are told apart, instruments on
the emulated bus (with-bus.sh) tested, wrong input refused by name, a monitor unplugged on the way; the file is
written and used."""

import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "ui"))

import tap
from desktop import Application, wait_for

PROGRAM, CLI = sys.argv[1], sys.argv[2]
FILE = pathlib.Path(os.environ["LIGHTBENCH_HOME"]) / "setups" / "my-bench.json"
ERRORS = pathlib.Path(os.environ["SCRATCH"]) / "stderr.txt"
LOG = pathlib.Path(os.environ["LIGHT_LOG"])
LIGHT, METER = os.environ["LIGHT_SERIAL"], os.environ["METER_SERIAL"]
LIMIT = "Limit of the light source, mA"
WIDTH, HEIGHT = 1920, 1080

application = Application([PROGRAM, "--fidelity", "fast", "--seed", "7"], stderr=ERRORS.open("w"))


def idle():
    return application.is_sensitive("push button", "Search Again")


def number_on(left):
    """The figure, 1 or 2, that the monitor from that column on shows, white on black and nothing else; else None."""
    area = f"{WIDTH}x{HEIGHT}+{left}+0"
    grey = subprocess.run(["import", "-window", "root", "-crop", area, "-depth", "8", "gray:-"],
                          capture_output=True, check=True).stdout
    white, black = grey.count(b"\xff"), grey.count(b"\0")
    if white < len(grey) / 100 or black < len(grey) / 2 or white + black < 0.98 * len(grey):
        return None
    rows = [y for y in range(HEIGHT) if b"\xff" in grey[y * WIDTH:(y + 1) * WIDTH]]
    if rows[-1] - rows[0] < HEIGHT / 3:
        return None
    # At a third of its height a 1 is its stem, in the middle; a 2 is the right end of its bow.
    row = grey[(2 * rows[0] + rows[-1]) // 3 * WIDTH:][:WIDTH]
    base = grey[(rows[-1] - 5) * WIDTH:][:WIDTH]
    middle = (base.find(b"\xff") + base.rfind(b"\xff")) // 2
    return 1 if row[middle] == 255 else 2


def type_into(name, text):
    """Types into a field, as the operator does who then presses a button by its key: the focus stays."""
    application.focus("spin button", name)
    keys("ctrl+a", "BackSpace")
    if text:
        subprocess.run(["xdotool", "type", "--", text], check=True, timeout=20)
    time.sleep(0.3)


def keys(*names):
    subprocess.run(["xdotool", "key", *names], check=True, timeout=20)
    time.sleep(0.3)


def texts_of(row):
    return [part.name for part in application.get("combo box", row).walk() if part.role == "label"]


def choose_second(row):
    """The second monitor, from the list that opens."""
    application.focus("combo box", row)
    keys("space")
    keys("Home", "Down", "Return")
    wait_for(lambda: any("DUMMY1" in text for text in texts_of(row)), f"the second monitor as {row}")


def search_again():
    application.press("push button", "Search Again")
    wait_for(idle, "the search to end", 30)


def xrandr(*arguments):
    subprocess.run(["xrandr", *arguments], check=True, timeout=20)


def name_setup(name):
    application.get("text", "Name of the setup").set_text(name)


@tap.test("/app/new-setup/opens-beside-stop")
def _():
    application.connect(30)
    wait_for(lambda: application.is_sensitive("push button", "New setup"), "the bench to be connected", 60)
    application.press("push button", "New setup")
    wait_for(idle, "the search to end", 30)
    tap.check(application.is_sensitive("push button", "STOP"), "STOP cannot be pressed")


@tap.test("/app/new-setup/lists-what-was-found")
def _():
    tap.check(f"Thorlabs CLD1015, serial {LIGHT}" in texts_of("Light source"), f"{texts_of('Light source')}")
    tap.check(f"Thorlabs PM100D, serial {METER}" in texts_of("Power meter"), f"{texts_of('Power meter')}")


@tap.test("/app/new-setup/each-monitor-shows-its-own-number")
def _():
    application.press("push button", "Identify Monitors")
    wait_for(lambda: number_on(0) and number_on(WIDTH), "a number on both monitors", 30)
    tap.check((number_on(0), number_on(WIDTH)) == (1, 2), "the numbers are not 1 and 2")
    wait_for(idle, "the numbers to go", 30)
    tap.check(number_on(WIDTH) is None, "the number stays")


@tap.test("/app/new-setup/a-monitor-is-chosen-and-tested")
def _():
    for row in ("Source plane", "Weight plane"):
        choose_second(row)
    application.press("push button", "Test: Weight plane")
    wait_for(lambda: any("Passed: " in text for text in texts_of("Weight plane")), "the test to pass", 60)


@tap.test("/app/new-setup/instruments-are-tested")
def _():
    for row in ("Power meter", "Light source"):
        application.press("push button", f"Test: {row}")
        wait_for(lambda: any("Passed: " in text for text in texts_of(row)), f"the test of the {row} to pass", 60)
        wait_for(idle, "the test to end", 30)
    lines = LOG.read_text().split() if LOG.exists() else []
    tap.check("lit" not in lines[:-1] or lines[-1] == "dark", "the test left the light on")


@tap.test("/app/new-setup/what-is-no-limit-is-refused-by-name")
def _():
    name_setup("Refused")
    for text in ("", "nan", "-3", "1e9", "3o"):
        type_into(LIMIT, text)
        application.press("push button", "Save and Connect")
        application.wait_text(f'Limit of the light source: "{text}" is not a number from 0 to 10000')


@tap.test("/app/new-setup/a-limit-that-is-typed-counts-at-once")
def _():
    type_into(LIMIT, "30")
    application.press("push button", "Save and Connect")
    application.wait_text("the usual current is over the limit")
    type_into(LIMIT, "45.5")


@tap.test("/app/new-setup/a-monitor-that-was-unplugged-meanwhile-is-named")
def _():
    xrandr("--output", "DUMMY1", "--off")
    application.press("push button", "Test: Weight plane")
    wait_for(lambda: any("Test failed: " in text for text in texts_of("Weight plane")), "the test to fail", 60)
    wait_for(idle, "the test to end", 30)
    application.press("push button", "Identify Monitors")
    wait_for(lambda: number_on(0) == 1, "the number on the monitor that is left", 30)
    wait_for(idle, "the number to go", 30)
    tap.check(any("DUMMY1" in text and "\n" not in text and "monitor" in text for text in application.texts()),
              "the monitor that is gone is not named")
    search_again()
    tap.check("Simulated" in texts_of("Weight plane"), f"{texts_of('Weight plane')}")
    xrandr("--output", "DUMMY0", "--mode", "1920x1080", "--pos", "0x0",
           "--output", "DUMMY1", "--mode", "1920x1080", "--pos", "1920x0")
    search_again()
    for row in ("Source plane", "Weight plane"):
        choose_second(row)


@tap.test("/app/new-setup/a-nameless-one-is-refused")
def _():
    name_setup("")
    application.press("push button", "Save and Connect")
    application.wait_text("the setup has no name")


@tap.test("/app/new-setup/a-folder-that-cannot-be-made-is-named")
def _():
    name_setup("My bench!")
    # Root may write everywhere, but not into this.
    FILE.parent.parent.mkdir(exist_ok=True)
    FILE.parent.write_text("not a folder")
    application.press("push button", "Save and Connect")
    application.wait_text(f"{FILE.parent}: the folder cannot be made")
    FILE.parent.unlink()


@tap.test("/app/new-setup/is-written-and-used")
def _():
    application.press("push button", "Save and Connect")
    wait_for(FILE.exists, "the file", 10)
    setup = json.loads(FILE.read_text())
    devices = setup["devices"]
    tap.check(setup["title"] == "My bench!", "it has another title")
    tap.check(devices["light"]["limit"] == 45.5 and devices["light"]["serial"] == LIGHT, f"{devices['light']}")
    tap.check(devices["power-meter"]["serial"] == METER, f"{devices['power-meter']}")
    tap.check(all(devices[plane]["connector"] == "DUMMY1" for plane in ("source", "weight")), f"{devices}")
    wait_for(lambda: application.find("push button", "Save and Connect") is None, "the window to close")
    wait_for(lambda: application.is_sensitive("push button", "Disconnect"), "the bench to be connected", 90)
    application.wait_text(f"CLD1015, serial {LIGHT}")
    application.press("push button", "Disconnect")
    application.wait_text("Not connected", 30)
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
    said = [line for line in ERRORS.read_text().splitlines() if "CRITICAL" in line or "lightbench-WARNING" in line]
    tap.check(not said, f"said on the way: {said}")


try:
    tap.run()
finally:
    if application.process.poll() is None:
        application.process.kill()
        application.process.wait()
