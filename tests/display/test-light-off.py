# SPDX-License-Identifier: GPL-3.0-or-later
"""test-light-off.py PROGRAM CLI SETUP: whatever ends a measurement of the application, the light is off soon
after, by the log of the instrument on the emulated bus (with-bus.sh). The planes are windows on a real X
server; camera and optics are simulated."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "ui"))

import tap
from desktop import SENSITIVE, Application, wait_for

PROGRAM, CLI, SAMPLE = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
LOG = pathlib.Path(os.environ["LIGHT_LOG"])
SCRATCH = pathlib.Path(os.environ["SCRATCH"])
SETUP = SCRATCH / "instruments.json"
DARK_S, STOPPED_S = 0.5, 1.5
# Lit for so long: it is being renewed.
RENEWED_S = 0.6

application = None


def write_setup(rate_hz):
    """The sample with both planes on the second monitor and real instruments."""
    setup = json.loads(SAMPLE.read_text())
    devices = setup["devices"]
    devices["source"]["connector"] = devices["weight"]["connector"] = "DUMMY1"
    devices["camera"].update(height=16, rate_hz=rate_hz)
    devices["light"] = {"driver": "usb", "model": "CLD1015", "serial": os.environ["LIGHT_SERIAL"], "limit": 80}
    devices["power-meter"] = {"driver": "usb", "model": "PM100D", "serial": os.environ["METER_SERIAL"],
                              "wavelength_nm": 532}
    SETUP.write_text(json.dumps(setup))


def last_change():
    """(time, "lit" or "dark") by the instrument's clock, which is this program's too."""
    lines = LOG.read_text().splitlines() if LOG.exists() else []
    if not lines:
        return 0.0, "dark"
    microseconds, what = lines[-1].split()
    return int(microseconds) / 1e6, what


def start():
    global application
    application = Application([PROGRAM, "--setup", str(SETUP)], stderr=(SCRATCH / "stderr.txt").open("a"))
    application.connect(30)
    wait_for(lambda: application.is_sensitive("push button", "Disconnect"), "the bench to be connected", 90)


def press_when_sensitive(button):
    wait_for(button.is_sensitive, button.name, 30)
    button.press()


def measure():
    """Begins a calibration step with light. Its frames take ten seconds each, and light, all that while."""
    application.page(None)
    application.press("push button", "Calibrate")
    application.page("Calibrate")
    press_when_sensitive(application.get("push button", "Run Light"))

    def is_renewed():
        since, what = last_change()
        return what == "lit" and time.monotonic() - since > RENEWED_S

    wait_for(is_renewed, "light that stays", 60)
    application.page(None)


def expect_dark(action, limit_s=DARK_S):
    since = time.monotonic()
    action()
    wait_for(lambda: last_change()[1] == "dark", "darkness", 20)
    dark = last_change()[0]
    print(f"# dark after {1000 * (dark - since):.0f} ms")
    tap.check(since <= dark < since + limit_s, f"dark after {dark - since:.3f} s")
    time.sleep(0.5)
    tap.check(last_change()[1] == "dark", "it is lit again")


def arm():
    press_when_sensitive(application.get("push button", "Arm Again"))
    application.wait_text("Light armed")


def expect_end(expected):
    """The program has ended by itself."""
    code = application.process.wait(timeout=20)
    tap.check(code == expected, f"exit code {code}")


def planes():
    """The processes of the planes."""
    found = subprocess.run(["ps", "-o", "pid=", "-C", "lightbench-plane", "--ppid", str(application.process.pid)],
                           capture_output=True, text=True, check=True).stdout.split()
    mine = subprocess.run(["ps", "-o", "pid=", "--ppid", str(application.process.pid)],
                          capture_output=True, text=True, check=True).stdout.split()
    return [int(pid) for pid in found if pid in mine]


def xrandr(*arguments):
    subprocess.run(["xrandr", *arguments], check=True, timeout=20)


@tap.test("/app/light-off/by-abort")
def _():
    write_setup(60)
    subprocess.run([CLI, "calibrate", "--setup", str(SETUP), "--steps", "dark"], check=True, capture_output=True,
                   timeout=60)
    write_setup(0.1)
    start()
    measure()
    abort = next(node for node in application.nodes("push button", "Abort") if node.had(SENSITIVE))
    expect_dark(abort.press)


@tap.test("/app/light-off/by-stop")
def _():
    measure()
    stop = application.get("push button", "STOP")
    expect_dark(stop.press)


@tap.test("/app/light-off/by-the-space-bar-on-stop")
def _():
    arm()
    measure()
    application.focus("push button", "STOP")
    expect_dark(lambda: subprocess.run(["xdotool", "key", "space"], check=True, timeout=20))


@tap.test("/app/light-off/by-the-keys-of-stop-while-a-modal-dialog-is-open")
def _():
    arm()
    measure()
    subprocess.run(["gapplication", "action", "org.lightbench.Lightbench", "about"], check=True, timeout=10)
    wait_for(application.is_modal, "a modal dialog", 10)
    expect_dark(lambda: subprocess.run(["xdotool", "mousemove", "960", "500", "key", "ctrl+period"], check=True))
    subprocess.run(["xdotool", "key", "Escape"], check=True)
    wait_for(lambda: not application.is_modal(), "the dialog to go", 10)


@tap.test("/app/light-off/by-the-death-of-a-plane")
def _():
    arm()
    measure()
    lost = planes()
    tap.check(lost, "there is no plane")
    expect_dark(lambda: os.kill(lost[0], signal.SIGKILL))


@tap.test("/app/light-off/by-a-plane's-monitor-that-goes")
def _():
    arm()
    measure()
    expect_dark(lambda: xrandr("--output", "DUMMY1", "--off"))
    xrandr("--output", "DUMMY0", "--mode", "1920x1080", "--pos", "0x0",
           "--output", "DUMMY1", "--mode", "1920x1080", "--pos", "1920x0")


@tap.test("/app/light-off/by-closing-the-window")
def _():
    arm()
    measure()
    window = subprocess.run(["xdotool", "search", "--onlyvisible", "--name", "^Lightbench$"], capture_output=True,
                            text=True, check=True).stdout.split()[0]
    # As the window manager's button does.
    expect_dark(lambda: subprocess.run(["xdotool", "windowactivate", "--sync", window, "key", "alt+F4"], check=True))
    expect_end(0)


def check_signal(number, code, limit_s=DARK_S):
    start()
    measure()
    expect_dark(lambda: application.process.send_signal(number), limit_s)
    if number == signal.SIGSTOP:
        application.process.send_signal(signal.SIGCONT)
        time.sleep(1)
        tap.check(last_change()[1] == "dark", "it is lit again once it goes on")
        application.process.kill()
    expect_end(code)


@tap.test("/app/light-off/by-termination")
def _():
    check_signal(signal.SIGTERM, 0)


@tap.test("/app/light-off/by-a-crash")
def _():
    check_signal(signal.SIGSEGV, -signal.SIGSEGV)


@tap.test("/app/light-off/by-kill")
def _():
    check_signal(signal.SIGKILL, -signal.SIGKILL)


@tap.test("/app/light-off/by-being-stopped")
def _():
    check_signal(signal.SIGSTOP, -signal.SIGKILL, STOPPED_S)


try:
    tap.run()
finally:
    if application is not None and application.process.poll() is None:
        application.process.kill()
        application.process.wait()
