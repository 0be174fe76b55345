# SPDX-License-Identifier: GPL-3.0-or-later
"""lightbench-cli from outside: what it prints, what it leaves, what it refuses."""

import functools
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import time

import numpy

import tap
from program import CLI, FAST, HOME, cli, environment, refused

APPLICATION = sys.argv[2]
MODEL = pathlib.Path(os.environ["LIGHTBENCH_DATA_DIR"]) / "models" / "model-d64"


@tap.test("/cli/version-and-help")
def _():
    tap.check(cli("--version").stdout.startswith("lightbench-cli 0."), "version")
    tap.check("calibrate" in cli("--help").stdout, "help")
    for name in ("devices", "calibrate", "calibrations", "run", "multiply", "report", "sessions", "first-light"):
        tap.check(f"lightbench-cli {name}" in cli(name, "--help").stdout, name)
    cli(code=2)
    cli("no-such-thing", code=2)


@tap.test("/cli/devices-lists-the-simulated-bench")
def _():
    devices = json.loads(cli("devices", "--setup", "simulated", "--json").stdout)["devices"]
    tap.check({device["role"] for device in devices} >= {"source", "weight", "camera", "light"}, devices)
    tap.check(all(device["state"] in ("connected", "running") for device in devices), devices)


@tap.test("/cli/session-of-calibration-runs-and-report")
def _():
    session = HOME / "whole.lbsession"
    steps = json.loads(cli("calibrate", *FAST, "--session", session, "--json").stdout)["steps"]
    tap.check([step["name"] for step in steps] == ["dark", "light", "timing", "photon-transfer", "alignment", "response",
                                                   "background", "flat-field", "crosstalk", "verification"], steps)
    tap.check(all(step["verdict"] != "fail" for step in steps), steps)
    run = json.loads(cli("run", "attention", *FAST, "--session", session, "--json").stdout)
    tap.check(run["dot_products"] == 32 * 32, run)
    tap.check(run["normalised_error"] < run["normalised_error_uncalibrated"], run)
    tap.check(run["sentinels"] >= 2 and run["sentinels_failed"] == 0 and run["in_doubt"] == 0, run)
    tap.check(run["photons_per_mac"] > 0 and run["photons_per_mac_detected"] > 0, run)
    run = json.loads(cli("run", "dot-product", *FAST, "--session", session, "--count", 50, "--length", "16,64",
                         "--json").stdout)
    tap.check([(g["length"], g["signed"]) for g in run["groups"]] ==
              [(16, False), (16, True), (64, False), (64, True)], run)
    whole = json.loads(cli("sessions", session, "--json").stdout)
    tap.check(whole["whole"] and whole["runs"] == 2 and whole["calibrations"] == 10, whole)
    tap.check(whole["rows"] == 32 * 32 + 200, whole)
    tap.check(not list(HOME.glob("whole.lbsession?*")), "more than one file is left")
    report = HOME / "whole.pdf"
    cli("report", session, "-o", report)
    text = subprocess.run(["pdftotext", report, "-"], capture_output=True, text=True, check=True).stdout
    for word in ("flat", "Normalised error", "Attention"):
        tap.check(word.lower() in text.lower(), f"{word} is not in the report")


@tap.test("/cli/session-has-the-calibrations-that-decoded-it")
def _():
    session = HOME / "later.lbsession"
    for _ in range(2):
        cli("run", "dot-product", *FAST, "--session", session, "--count", 5, "--length", "16")
    later = json.loads(cli("sessions", session, "--json").stdout)
    tap.check(later["calibrations"] == 10 and later["runs"] == 2, later)


def calibrations(*arguments, **more):
    return json.loads(cli("calibrations", *FAST, *arguments, "--json", **more).stdout)


@tap.test("/cli/results-are-compared-exported-imported-and-marked-bad")
def _():
    own, other = {"LIGHTBENCH_HOME": str(HOME / "own")}, {"LIGHTBENCH_HOME": str(HOME / "other")}
    cli("calibrate", *FAST, "--steps", "dark", **own)
    cli("calibrate", "--fidelity", "fast", "--world-seed", 3, "--seed", 4, "--steps", "dark,light", **own)
    light, newer, older = calibrations(**own)["calibrations"]
    tap.check(light["in_force"] and not light["due"], light)
    tap.check(newer["in_force"] and not older["in_force"], (newer, older))
    values = {value["name"]: value for value in calibrations("--compare", older["id"], newer["id"], **own)["values"]}
    tap.check((values["residual"]["a"], values["residual"]["b"]) == (older["residual"], newer["residual"]), values)
    tap.check(values["offset"]["a"] != values["offset"]["b"] and values["offset (rms change)"]["b"] > 0, values)
    archive = HOME / "results.json"
    tap.check(calibrations("--mark-bad", newer["id"], **own) == {"marked": 1}, "not marked")
    light = calibrations(**own)["calibrations"][0]
    tap.check(light["due"] and "no longer in force" in light["why"], light)
    tap.check(calibrations("--export", archive, **own) == {"exported": 3}, "not exported")
    for home, counts in ((own, (0, 3)), (other, (3, 0)), (other, (0, 3))):
        done = calibrations("--import", archive, **home)
        tap.check((done["imported"], done["already_there"]) == counts, done)
    listed = calibrations(**other)["calibrations"][1:]
    tap.check([(c["hash"], c["bad"], c["in_force"]) for c in listed] ==
              [(newer["hash"], True, False), (older["hash"], False, True)], listed)
    damaged = HOME / "damaged.json"
    damaged.write_text(archive.read_text().replace('"dark"', '"bark"', 1))
    refused("calibrations", *FAST, "--import", damaged, code=1, says=[str(damaged)])


@tap.test("/cli/a-step-that-fails-is-a-result-with-its-reason")
def _():
    setup, session = HOME / "dark.json", HOME / "dark.lbsession"
    preset = pathlib.Path(os.environ["LIGHTBENCH_DATA_DIR"]) / "setups" / "simulated.json"
    setup.write_text(re.sub('"quantum_efficiency": [0-9.]+', '"quantum_efficiency": 0.001', preset.read_text()))
    done = cli("calibrate", *FAST, "--setup", setup, "--session", session, "--steps", "dark,light,timing", "--json",
               code=1)
    answer = json.loads(done.stdout)
    tap.check([(step["name"], step["verdict"]) for step in answer["steps"]] == [("dark", "pass"), ("light", "fail")],
              answer)
    tap.check("too little light" in answer["steps"][1]["message"] in answer["error"]["why"], answer)
    tap.check(answer["steps"][1]["residual"] is None, answer)
    stored = json.loads(cli("calibrations", *FAST, "--setup", setup, "--json").stdout)["calibrations"]
    tap.check([(one["step"], one["in_force"]) for one in stored] == [("light", False), ("dark", True)], stored)
    tap.check(json.loads(cli("sessions", session, "--json").stdout)["calibrations"] == 2, "not in the session")


@tap.test("/cli/only-ordinary-files-are-replaced")
def _():
    target = HOME / "target.pdf"
    target.write_text("precious")
    link, pipe = HOME / "link.pdf", HOME / "pipe.pdf"
    link.symlink_to(target)
    os.mkfifo(pipe)
    for path in (link, pipe, "/dev/full"):
        refused("report", HOME / "whole.lbsession", "-o", path, code=2, says=[str(path)])
        refused("calibrations", *FAST, "--export", path, code=2, says=[str(path)])
        refused("calibrations", *FAST, "--noise-model", path, code=2, says=[str(path)])
    tap.check(link.is_symlink() and pipe.is_fifo() and target.read_text() == "precious", "something was replaced")


@tap.test("/cli/output-that-is-lost-is-an-error")
def _():
    with open("/dev/full", "w") as full:
        done = subprocess.run([CLI, "sessions", HOME / "whole.lbsession"], stdout=full, stderr=subprocess.PIPE, text=True,
                              env=environment(), timeout=60)
    tap.check(done.returncode == 1 and "cannot be written" in done.stderr, f"{done.returncode}: {done.stderr}")


@functools.cache
def first_light(threads, locale="C.UTF-8"):
    session = HOME / f"{threads}-{locale}.lbsession"
    out = cli("first-light", *FAST, "--session", session, "--json", OMP_NUM_THREADS=str(threads), LC_ALL=locale)
    figures = json.loads(out.stdout)
    return figures["attention"], figures["dot_product"]


@tap.test("/cli/same-seed-gives-the-same-figures-with-one-or-two-threads")
def _():
    tap.check(first_light(1) == first_light(2), f"{first_light(1)} {first_light(2)}")


@tap.test("/cli/figures-do-not-depend-on-the-locale")
def _():
    tap.check(first_light(2) == first_light(2, "de_DE.UTF-8"), "differ")


@tap.test("/cli/first-light-ends-with-a-table-and-a-report")
def _():
    done = cli("first-light", *FAST, "--session", HOME / "table.lbsession")
    tap.check("Normalised error calibrated" in done.stdout, done.stdout)
    tap.check((HOME / "table.pdf").read_bytes().startswith(b"%PDF"), "no PDF")


def save(name, values):
    numpy.save(HOME / name, values.astype(numpy.float32))
    return HOME / name


@tap.test("/cli/multiply-digital-equals-the-product")
def _():
    random = numpy.random.default_rng(5)
    a, b = random.standard_normal((7, 33)), random.standard_normal((5, 33))
    cli("multiply", save("a.npy", a), save("b.npy", b), "-o", HOME / "out.npy", "--engine", "digital")
    out = numpy.load(HOME / "out.npy")
    tap.check(out.shape == (7, 5) and numpy.abs(out - a @ b.T).max() < 1e-4, out)


@tap.test("/cli/multiply-on-the-bench-comes-near-the-product")
def _():
    random = numpy.random.default_rng(6)
    a, b = random.uniform(-1, 1, (6, 200)), random.uniform(-1, 1, (9, 200))
    cli("multiply", save("a.npy", a), save("b.npy", b), "-o", HOME / "out.npy", "--engine", "bench", "--calibrate",
        "--session", HOME / "multiply.lbsession", *FAST)
    error = numpy.load(HOME / "out.npy") - a @ b.T
    scale = 2 * 200 * 0.0625
    tap.check(numpy.sqrt((error ** 2).mean()) < 0.05 * scale, error)


@tap.test("/cli/multiply-with-heads")
def _():
    random = numpy.random.default_rng(7)
    a, b = random.standard_normal((3, 4, 8)), random.standard_normal((3, 5, 8))
    cli("multiply", save("a.npy", a), save("b.npy", b), "-o", HOME / "out.npy", "--engine", "digital", "--kind",
        "attention")
    tap.check(numpy.abs(numpy.load(HOME / "out.npy") - numpy.einsum("hmd,hnd->hmn", a, b)).max() < 1e-4, "differ")


@tap.test("/cli/wrong-operands-are-refused")
def _():
    good = save("good.npy", numpy.ones((2, 3)))
    out = HOME / "never.npy"
    rest = ("-o", out, "--engine", "digital")
    refused("multiply", good, save("other.npy", numpy.ones((2, 4))), *rest, code=1, says=["good.npy", "other.npy"])
    refused("multiply", good, HOME / "missing.npy", *rest, code=1, says=["missing.npy"])
    (HOME / "cut.npy").write_bytes(good.read_bytes()[:-5])
    refused("multiply", good, HOME / "cut.npy", *rest, code=1, says=["cut.npy"])
    refused("multiply", good, save("nan.npy", numpy.full((2, 3), numpy.nan)), *rest, code=1, says=["NaN"])
    refused("multiply", good, good, "-o", out, "--engine", "abacus", code=2, says=["abacus"])
    tap.check(not out.exists(), "an output was written")


@tap.test("/cli/wrong-models-and-texts-are-refused")
def _():
    run = ("run", "attention", *FAST, "--session", HOME / "unmade.lbsession")
    refused(*run, "--model", HOME / "no-model", code=1, says=["no-model"])
    damaged = HOME / "damaged-model"
    shutil.copytree(MODEL, damaged)
    for name in damaged.iterdir():
        name.chmod(0o644)
    weights = (damaged / "model.safetensors").read_bytes()
    (damaged / "model.safetensors").write_bytes(weights[:len(weights) // 2])
    refused(*run, "--model", damaged, code=1, says=["model.safetensors"])
    (damaged / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + weights[8:])
    refused(*run, "--model", damaged, code=1, says=["model.safetensors"])
    shutil.copy(MODEL / "model.safetensors", damaged)
    for name in ("config.json", "vocab.json", "merges.txt", "model.safetensors"):
        (damaged / name).rename(damaged / "away")
        refused(*run, "--model", damaged, code=1, says=[name, "give a folder"])
        (damaged / "away").rename(damaged / name)
    (damaged / "config.json").write_text("{")
    refused(*run, "--model", damaged, code=1, says=["config.json"])
    refused(*run, "--text", "word " * 500, "--tokens", 0, code=2, says=["128"])
    refused(*run, "--text", "", code=2, says=["token"])
    refused(*run, "--text", "a", "--text-file", "b", code=2, says=["--text-file"])
    refused(*run, "--layer", 9, code=2, says=["layer 9"])
    refused(*run, "--photons", "0,5", code=2, says=["0,5"])
    refused(*run, "--sentinels", "-1", code=2, says=["--sentinels", "-1"])
    refused(*run, "--sentinel-limit", "0,5", code=2, says=["0,5"])
    refused(*run, "--on-sentinel", "pray", code=2, says=["pray", "recalibrate"])
    refused("run", "dot-product", "--length", "64,x", code=2, says=["64,x"])
    tap.check(not (HOME / "unmade.lbsession").exists(), "a session was made")


@tap.test("/cli/wrong-setups-are-refused")
def _():
    refused("devices", "--setup", HOME / "no-setup.json", code=2, says=["no-setup.json"])
    setup = HOME / "setup.json"
    text = (pathlib.Path(os.environ["LIGHTBENCH_DATA_DIR"]) / "setups" / "simulated.json").read_text()
    setup.write_text(text[:200])
    refused("devices", "--setup", setup, code=2, says=["setup.json"])
    content = json.loads(text)
    content["optics"]["lens"] = 1
    setup.write_text(json.dumps(content))
    refused("devices", "--setup", setup, code=2, says=["lens"])
    del content["optics"]["lens"]
    content["optics"]["quantum_efficiency"] = 1.5
    setup.write_text(json.dumps(content))
    refused("devices", "--setup", setup, code=2, says=["quantum_efficiency", "1.5"])
    content["optics"]["quantum_efficiency"] = 0.7
    content["world"]["no_such_imperfection"] = 1
    setup.write_text(json.dumps(content))
    refused("devices", "--setup", setup, code=2, says=["no_such_imperfection"])
    del content["world"]["no_such_imperfection"]
    content["world"]["driver"] = "nonsense"
    setup.write_text(json.dumps(content))
    refused("devices", "--setup", setup, code=2, says=["driver"])
    del content["world"]["driver"]
    content["devices"]["light"]["unit"] = "furlong"
    setup.write_text(json.dumps(content))
    refused("devices", "--setup", setup, code=2, says=["unit", "furlong"])


@tap.test("/cli/uncalibrated-bench-is-refused")
def _():
    done = cli("run", "attention", "--fidelity", "fast", "--seed", "77", "--session", HOME / "raw.lbsession", code=1)
    tap.check("calibrate" in done.stderr, done.stderr)
    tap.check(not (HOME / "raw.lbsession").exists(), "a session was left for nothing")


@tap.test("/cli/unwritable-folders-are-refused")
def _():
    session = HOME / "nowhere.lbsession"
    for arguments in (("calibrate",), ("first-light",), ("run", "attention", "--calibrate")):
        done = cli(*arguments, *FAST, "--session", session, code=1, LIGHTBENCH_HOME="/proc/no-home")
        lines = done.stderr.strip().splitlines()
        tap.check(len(lines) == 1 and "/proc/no-home" in lines[0] and "LIGHTBENCH_HOME" in lines[0], done.stderr)
        tap.check(not list(HOME.glob("nowhere*")), "something was left")
        refused(*arguments, *FAST, "--session", "/proc/nowhere.lbsession", code=1, says=["/proc/nowhere.lbsession"])
    pdf = HOME / "nowhere.pdf"
    refused("report", session, "-o", pdf, code=1, says=["nowhere.lbsession"])
    refused("report", HOME / "whole.lbsession", "-o", "/proc/nowhere.pdf", code=1, says=["/proc/nowhere.pdf"])
    good = save("good.npy", numpy.ones((2, 3)))
    refused("multiply", good, good, "-o", "/proc/nowhere.npy", "--engine", "digital", code=1, says=["/proc/nowhere.npy"])
    tap.check(not list(HOME.glob("nowhere*")), "something was left")


@tap.test("/cli/no-display-is-said-in-a-line")
def _():
    for more in ({"DISPLAY": ":9999"}, {}):
        env = environment(**more)
        env.pop("WAYLAND_DISPLAY", None)
        if not more:
            env.pop("DISPLAY", None)
        done = subprocess.run([APPLICATION], capture_output=True, text=True, env=env, timeout=60)
        lines = done.stderr.strip().splitlines()
        tap.check(done.returncode == 1, f"exit code {done.returncode}")
        tap.check(len(lines) == 1 and "no display" in lines[0] and "lightbench-cli" in lines[0], done.stderr)


@tap.test("/cli/damaged-and-foreign-sessions-are-refused")
def _():
    foreign = HOME / "foreign.lbsession"
    foreign.write_text("this is not a session\n" * 100)
    refused("sessions", foreign, code=1, says=["foreign.lbsession"])
    refused("report", foreign, "-o", HOME / "foreign.pdf", code=1, says=["foreign.lbsession"])
    refused("calibrate", *FAST, "--session", foreign, code=1, says=["foreign.lbsession"])
    tap.check(foreign.read_text().startswith("this is not"), "the foreign file was changed")
    refused("report", HOME / "whole.lbsession", "-o", HOME / "no-folder" / "x.pdf", code=1, says=["no-folder"])
    refused("calibrate", *FAST, "--session", "/proc/no-folder/x.lbsession", code=1, says=["/proc/no-folder"])


@tap.test("/cli/interrupt-switches-off-keeps-the-session-and-exits-130")
def _():
    session = HOME / "interrupted.lbsession"
    process = subprocess.Popen([CLI, "calibrate", "--seed", "3", "--session", str(session)], env=environment(),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not session.exists():
        time.sleep(0.02)
        tap.check(process.poll() is None, "it ended by itself")
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    tap.check(process.returncode == 130, f"{process.returncode}: {errors}")
    tap.check(json.loads(cli("sessions", session, "--json").stdout)["whole"], "damaged")


@tap.test("/cli/killed-run-leaves-a-whole-session")
def _():
    session = HOME / "killed.lbsession"
    shutil.copy(HOME / "whole.lbsession", session)
    process = subprocess.Popen([CLI, "run", "dot-product", *FAST, "--session", str(session)], env=environment(),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.7)
    process.kill()
    process.wait()
    after = json.loads(cli("sessions", session, "--json").stdout)
    tap.check(after["whole"] and after["rows"] >= 32 * 32 + 200, after)
    cli("run", "attention", *FAST, "--session", session)


try:
    tap.run()
finally:
    shutil.rmtree(HOME, ignore_errors=True)
