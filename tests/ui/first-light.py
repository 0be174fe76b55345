# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job with the mouse: connect, calibrate, run, report, STOP, quit."""

import os
import pathlib
import re
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

import tap
from desktop import Application, wait_for

PROGRAM = sys.argv[1]
SCRATCH = pathlib.Path(os.environ["SCRATCH"])
SESSION = SCRATCH / "first.lbsession"
REPORT = SCRATCH / "first.pdf"
LOG = SCRATCH / "stderr.txt"
DISPLACED = "Source plane displaced by a quarter of a macropixel"
HANGING = "Camera's driver hangs for a minute"

application = Application([PROGRAM, "--fidelity", "fast", "--seed", "7", "--session", str(SESSION)],
                          stderr=LOG.open("w"))


def press_stop():
    """Presses STOP and waits for what the header bar says of the light."""
    stop, light = find_stop()
    stop.press()
    wait_for(lambda: light.name_now() == "Light off", "the light to be off", 2)


def find_stop():
    """STOP and what the header bar says of the light, to be looked up beforehand: while figures are drawn a look through
    the whole window takes longer than the light may."""
    application.page(None)
    return application.get("push button", "STOP"), next(node for node in application.root().walk()
                                                        if node.name.startswith("Light "))


def begin_run():
    """Presses Run on the page in view; what ends the run, to be pressed or watched."""
    run, abort = application.get("push button", "Run"), application.get("push button", "Abort")
    wait_for(run.is_sensitive, "Run to be sensitive", 30)
    run.press()
    wait_for(abort.is_sensitive, "the run to begin", 30)
    return abort


def show(page):
    """Goes to a page and looks into it; the window's own parts are found with no page."""
    application.page(None)
    application.press("push button", page)
    application.page(page)


@tap.test("/app/window-opens-with-stop-and-pages")
def _():
    application.connect()
    application.get("push button", "STOP")
    for page in ("Bench", "Calibrate", "Experiment", "Session"):
        application.get("push button", page)


@tap.test("/app/bench-connects-by-itself")
def _():
    wait_for(lambda: application.is_sensitive("push button", "Disconnect"), "the bench to be connected", 60)
    tap.check(not application.is_sensitive("push button", "Connect"), "Connect can be pressed on a connected bench")
    application.wait_text("Light armed")
    application.wait_text("Ready, not calibrated")


@tap.test("/app/bench-disconnects-and-connects")
def _():
    application.press("push button", "Disconnect")
    application.wait_text("Not connected", 30)
    application.press("push button", "Connect", 30)
    application.wait_text("Ready, not calibrated", 60)


@tap.test("/app/run-waits-for-a-calibration")
def _():
    show("Experiment")
    application.wait_text("The bench has no complete calibration")
    tap.check(not application.is_sensitive("push button", "Run"), "Run can be pressed without a calibration")


@tap.test("/app/all-steps-calibrate")
def _():
    show("Calibrate")
    application.press("push button", "Calibrate all")
    # A look through the window takes long while figures are drawn: the beginning may be missed.
    application.wait_text("Ready, calibrated", 240)
    wait_for(lambda: not application.is_sensitive("push button", "Abort"), "the calibration to end", 240)
    rows = [name for name in application.names("list item") if name.endswith(": passed")
            or name.endswith(": passed with a warning")]
    tap.check(len(rows) == 10, f"not all ten steps passed: {application.names('list item')}")
    tap.check(len([n for n in application.names("image") if n]) > 0, "no figure is shown")


@tap.test("/app/step-run-again-is-compared-with-the-result-before")
def _():
    tap.check(application.find("combo box", "Compare with") is None, "a first result is compared")
    application.press("push button", "Run Dark")
    application.get("combo box", "Compare with", 60)
    application.wait_text("Earlier results")


@tap.test("/app/result-marked-as-bad-gives-way-to-the-one-before")
def _():
    application.press("push button", "Mark as Bad…")
    application.wait_text("Mark This Result as Bad?")
    application.page(None)
    application.press("push button", "_Mark as Bad Mark as Bad")
    application.page("Calibrate")
    store = pathlib.Path(os.environ["LIGHTBENCH_HOME"]) / "calibrations"
    wait_for(lambda: list(store.glob("*.bad")), "the mark", 20)
    # Nothing is older than the first result of Dark, which is in force again.
    application.wait_text("Ready, calibrated", 20)
    wait_for(lambda: not application.is_sensitive("push button", "Run what is due"), "nothing to be due", 20)


@tap.test("/app/attention-scores-run")
def _():
    show("Experiment")
    application.wait_text("Forecast:", 60)
    # That it finished is said for a few seconds only, less than a look through the window may take.
    abort = begin_run()
    wait_for(lambda: not abort.is_sensitive(), "the run to end", 120)
    texts = application.texts()
    error = texts[texts.index("Normalised error") + 1]
    tap.check(re.fullmatch(r"[0-9.]+ %", error), f"normalised error reads {error!r}")
    tap.check(0 < float(error.split()[0]) < 5.65, f"normalised error is {error}")
    figures = {name for name in application.names("image") if name}
    tap.check({"Attention, ideal", "Attention, measured", "Measured - ideal"} <= figures, f"figures are {figures}")


def inject(fault):
    """A fault of the simulated bench, or its end."""
    show("Bench")
    application.press("check box", fault)
    show("Experiment")


@tap.test("/app/failed-sentinel-holds-a-run-which-may-go-on")
def _():
    inject(DISPLACED)
    abort = begin_run()
    pause = application.get("push button", "Resume", 60)
    wait_for(lambda: application.shows("Held. A sentinel is off"), "what holds the run", 20)
    pause.press()
    wait_for(lambda: not abort.is_sensitive(), "the run to end", 120)
    application.wait_text("of the dot products are in doubt", 20)
    tap.check(not application.shows("Held."), "still says that the run is held")
    inject(DISPLACED)


@tap.test("/app/session-lists-what-was-done")
def _():
    show("Session")
    application.wait_text("Attention scores, layer 0, head 0", 20)
    application.wait_text("Settings")


@tap.test("/app/report-is-written-beside-the-session")
def _():
    application.press("push button", "Report")
    wait_for(REPORT.exists, "the report", 60)
    text = subprocess.run(["pdftotext", str(REPORT), "-"], capture_output=True, text=True, check=True).stdout
    for word in ("Lightbench", "Attention scores"):
        tap.check(word in text, f"the report does not say {word!r}")


@tap.test("/app/stop-switches-off-and-arming-goes-on")
def _():
    press_stop()
    application.wait_text("STOP: the light is off")
    show("Experiment")
    tap.check(not application.is_sensitive("push button", "Run"), "Run can be pressed after STOP")
    application.page(None)
    application.press("push button", "Arm Again")
    application.wait_text("Light armed")
    application.page("Experiment")
    wait_for(lambda: application.is_sensitive("push button", "Run"), "Run after arming")


@tap.test("/app/stop-ends-a-run")
def _():
    # A run of virtual time is over in seconds: all that is pressed or read meanwhile is looked up before.
    application.get("spin button", "Photons per MAC").set_to_maximum()
    stop, light = find_stop()
    abort = begin_run()
    stop.press()
    wait_for(lambda: light.name_now() == "Light off", "the light to be off", 2)
    wait_for(lambda: not abort.is_sensitive(), "the run to end", 20)
    show("Session")
    application.wait_text("aborted", 20)


@tap.test("/app/keys-stop-a-run-whose-camera-hangs-while-a-modal-dialog-is-open")
def _():
    application.page(None)
    application.press("push button", "Arm Again")
    application.wait_text("Light armed")
    inject(HANGING)
    light = find_stop()[1]
    abort = begin_run()
    subprocess.run(["gapplication", "action", "org.lightbench.Lightbench", "about"], check=True, timeout=10)
    wait_for(application.is_modal, "a modal dialog", 10)
    subprocess.run(["xdotool", "mousemove", "640", "400", "key", "ctrl+period"], check=True, timeout=10)
    wait_for(lambda: light.name_now() == "Light off", "the light to be off", 2)
    tap.check(abort.is_sensitive(), "the run has ended: its camera does not hang")
    # The late worker comes back from its call, and lights nothing.
    inject(HANGING)
    wait_for(lambda: not abort.is_sensitive(), "the run to end", 20)
    tap.check(light.name_now() == "Light off", "the light is on again")


@tap.test("/app/terminating-closes-the-session")
def _():
    application.process.send_signal(signal.SIGTERM)
    code = application.process.wait(timeout=10)
    tap.check(code == 0, f"exit code {code}")
    tap.check(SESSION.exists(), "there is no session")
    left = [path.name for path in SCRATCH.glob("first.lbsession*")]
    tap.check(left == ["first.lbsession"], f"left behind: {left}")
    said = [line for line in LOG.read_text().splitlines() if "CRITICAL" in line or "lightbench-WARNING" in line]
    tap.check(not said, f"said on the way: {said}")


@tap.test("/app/no-display-is-one-clear-line")
def _():
    env = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run([PROGRAM], env=env, capture_output=True, text=True, timeout=20)
    tap.check(done.returncode == 1, f"exit code {done.returncode}")
    lines = done.stderr.strip().splitlines()
    tap.check(len(lines) == 1 and lines[0].startswith("lightbench: there is no display"), f"says {done.stderr!r}")


@tap.test("/app/wrong-options-are-one-clear-line")
def _():
    for arguments, word in ((("--fidelity", "coarse"), "--fidelity"), (("--setup", "/no/such.json"), "/no/such.json")):
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=20)
        tap.check(done.returncode == 2, f"exit code {done.returncode}")
        lines = done.stderr.strip().splitlines()
        tap.check(len(lines) == 1 and word in lines[0], f"says {done.stderr!r}")


try:
    tap.run()
finally:
    if application.process.poll() is None:
        application.process.kill()
        application.process.wait()
