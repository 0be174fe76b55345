# SPDX-License-Identifier: GPL-3.0-or-later
"""lightbench-cli with whole models: logits, perplexity, generate, and products on all engines."""

import csv
import json
import math
import os
import pathlib
import shutil
import signal
import subprocess

import numpy

import tap
from program import CLI, FAST, HOME, cli, environment, refused

DATA = pathlib.Path(os.environ["LIGHTBENCH_DATA_DIR"])
REFERENCE = pathlib.Path(__file__).parent / "data" / "reference"
# Some 1,000 tokens of English with all kinds of lines.
TEXT = HOME / "text.txt"
TEXT.write_text((DATA.parent / "COPYING").read_text()[:6000])


def perplexity(*arguments, **more):
    return json.loads(cli("perplexity", "--text-file", TEXT, *arguments, "--json", **more).stdout)


def logits(name, tokens, *arguments, **more):
    out = HOME / name
    cli("logits", "--tokens", ",".join(map(str, tokens)), "-o", out, *arguments, **more)
    return numpy.load(out)


TOKENS = [int(token) for token in numpy.load(REFERENCE / "tokens.npy")]


@tap.test("/cli/model/help")
def _():
    for name in ("logits", "perplexity", "generate", "multiply"):
        text = cli(name, "--help").stdout
        tap.check(f"lightbench-cli {name}" in text and "--engine" in text, text)


@tap.test("/cli/model/digital-logits-equal-the-reference")
def _():
    expected = numpy.load(REFERENCE / "logits-float32-every-8th.npy")
    found = logits("digital.npy", TOKENS)
    tap.check(found.shape == (128, 2048), found.shape)
    tap.check(numpy.abs(found[7::8] - expected).max() < 2e-4 * numpy.abs(expected).max(), "differ")


@tap.test("/cli/model/int8-logits-come-near-the-digital-ones")
def _():
    digital = logits("digital.npy", TOKENS)
    int8 = logits("int8.npy", TOKENS, "--engine", "int8")
    ratio = (int8 - digital).std() / digital.std()
    tap.check(0.001 < ratio < 0.2, ratio)


@tap.test("/cli/model/same-bytes-with-one-and-two-threads-and-in-german")
def _():
    tokens = TOKENS[:40]
    for engine in (("int8",), ("noise", "--photons", "0.5"), ("noise", "--mode", "moment", "--photons", "30.5")):
        one = logits("one.npy", tokens, "--engine", *engine, "--threads", 1)
        two = logits("two.npy", tokens, "--engine", *engine, "--threads", 2, LC_ALL="de_DE.UTF-8")
        tap.check(one.tobytes() == two.tobytes(), f"{engine} differ")
        other = logits("other.npy", tokens, "--engine", *engine, "--seed", 9)
        tap.check(one.tobytes() != other.tobytes(), f"{engine}: another seed gives the same")


@tap.test("/cli/model/perplexity-of-windows")
def _():
    losses = HOME / "losses.csv"
    found = perplexity("--limit", 600, "--csv", losses, LC_ALL="de_DE.UTF-8")
    tap.check(found["tokens"] == 4 * 128 and found["windows"] == 4 and found["engine"] == "digital", found)
    tap.check(math.isclose(found["perplexity"], math.exp(found["loss"]), rel_tol=1e-9), found)
    with losses.open() as file:
        rows = list(csv.DictReader(file))
    tap.check([int(row["first_token"]) for row in rows] == [0, 128, 256, 384], rows)
    mean = sum(float(row["loss"]) for row in rows) / 4
    tap.check(math.isclose(mean, found["loss"], rel_tol=1e-6), (mean, found))
    again = perplexity("--limit", 600)
    tap.check(again == found, (again, found))
    done = cli("perplexity", "--text-file", TEXT, "--limit", 300)
    tap.check(done.stdout.startswith("perplexity: "), done.stdout)
    tap.check("100 %" in done.stderr, done.stderr)


@tap.test("/cli/model/less-light-predicts-worse")
def _():
    found = [perplexity("--limit", 600, "--engine", "noise", "--photons", photons)["perplexity"]
             for photons in ("0.3", "3", "30", "inf")]
    tap.check(found[0] > found[1] > found[2] > 0.98 * found[3], found)
    int8 = perplexity("--limit", 600, "--engine", "int8")["perplexity"]
    tap.check(found[0] > 2 * int8, (found, int8))


@tap.test("/cli/model/exact-and-by-moments-agree")
def _():
    exact = perplexity("--limit", 600, "--engine", "noise", "--photons", "20")
    moment = perplexity("--limit", 600, "--engine", "noise", "--photons", "20", "--mode", "moment")
    tap.check(abs(exact["loss"] - moment["loss"]) < 0.1, (exact, moment))
    tap.check(exact["mode"] == "exact" and moment["mode"] == "moment", (exact, moment))
    little = perplexity("--limit", 300, "--engine", "noise", "--photons", "0.05", "--mode", "moment")
    tap.check(little["exact_instead"] > 0, little)


@tap.test("/cli/model/routes")
def _():
    tokens = TOKENS[:30]
    digital = logits("digital.npy", tokens)
    all_noise = logits("noise.npy", tokens, "--engine", "noise", "--photons", "5")
    routed = logits("routed.npy", tokens, "--route", "*.*=noise", "--photons", "5")
    tap.check(all_noise.tobytes() == routed.tobytes(), "a route for everything is not the engine")
    last = logits("last.npy", tokens, "--route", "*.*=noise", "--route", "*.*=digital", "--photons", "5")
    tap.check(last.tobytes() == digital.tobytes(), "the last route does not count")
    one = logits("w2.npy", tokens, "--route", "3.w2=noise", "--photons", "5")
    error = numpy.abs(one - digital).max(), numpy.abs(all_noise - digital).max()
    tap.check(0 < error[0] < error[1], error)


@tap.test("/cli/model/one-operator-on-the-bench")
def _():
    session = HOME / "route.lbsession"
    tokens = TOKENS[:8]
    found = logits("bench.npy", tokens, "--route", "3.w2=bench", "--calibrate", "--session", session, *FAST)
    digital = logits("digital.npy", tokens)
    ratio = (found - digital).std() / digital.std()
    tap.check(0 < ratio < 0.1, ratio)
    whole = json.loads(cli("sessions", session, "--json").stdout)
    tap.check(whole["whole"] and whole["runs"] == 1, whole)
    run = json.loads(cli("run", "model", *FAST, "--session", session, "--tokens", 3, "--json").stdout)
    tap.check(len(run["groups"]) == 32 and run["groups"][3]["name"] == "layer 0, qk", run["groups"])
    tap.check(len(run["predictions"]) == 3 and run["predictions"][0]["next"] == run["predictions"][1]["token"],
              run["predictions"])
    tap.check(run["perplexity"] > 1 and run["perplexity_ideal"] > 1, run)
    run = json.loads(cli("run", "layer", "--op", "w1", "--layer", 3, *FAST, "--session", session, "--tokens", 3,
                         "--json").stdout)
    tap.check(run["dot_products"] == 3 * 256 and run["normalised_error"] < 0.021, run)
    report = HOME / "route.pdf"
    cli("report", session, "-o", report)
    text = subprocess.run(["pdftotext", report, "-"], capture_output=True, text=True, check=True).stdout
    for word in ("Whole model model-d64", "Layer 3, operator w1", "layer 2, av"):
        tap.check(word in text, f"the report does not say {word}")


@tap.test("/cli/model/generation")
def _():
    greedy = json.loads(cli("generate", "--prompt", "The old man", "--count", 12, "--json").stdout)
    tap.check(greedy["text"] == "The old man" + greedy["continuation"] and len(greedy["tokens"]) == 12, greedy)
    plain = cli("generate", "--prompt", "The old man", "--count", 12, LC_ALL="de_DE.UTF-8").stdout
    tap.check(plain == greedy["text"] + "\n", plain)
    drawn = [json.loads(cli("generate", "--prompt", "The old man", "--count", 12, "--temperature", "0.8",
                            "--top-k", 50, "--seed", seed, "--json").stdout)["tokens"] for seed in (1, 1, 2)]
    tap.check(drawn[0] == drawn[1] != drawn[2], drawn)
    long = json.loads(cli("generate", "--prompt", "The old man", "--count", 140, "--json").stdout)
    tap.check(long["tokens"][:12] == greedy["tokens"] and len(long["tokens"]) == 140, long)
    noisy = json.loads(cli("generate", "--prompt", "The old man", "--count", 12, "--engine", "noise", "--photons",
                           "0.2", "--json").stdout)
    tap.check(noisy["tokens"] != greedy["tokens"], noisy)


def unquantised_model():
    """The shipped model without its ranges."""
    folder = HOME / "unquantised"
    if folder.exists():
        return folder
    shutil.copytree(DATA / "models" / "model-d64", folder)
    path = folder / "model.safetensors"
    path.chmod(0o644)
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    for name in [name for name in header if name.endswith(".range")]:
        header[name + ".unused"] = header.pop(name)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + size:])
    return folder


@tap.test("/cli/model/ranges-are-found-on-a-text")
def _():
    model = unquantised_model()
    for engine in ("int8", "noise"):
        refused("perplexity", "--model", model, "--text-file", TEXT, "--engine", engine, code=1,
                says=["unquantised", "--calibration-text"])
    int8 = perplexity("--limit", 600, "--engine", "int8")["loss"]
    found = perplexity("--limit", 600, "--engine", "int8", "--model", model, "--calibration-text", TEXT)["loss"]
    tap.check(abs(found - int8) < 0.1, (found, int8))
    text = ("--calibration-text", TEXT)
    saved = HOME / "with-ranges"
    refused("perplexity", "--text-file", TEXT, "--model", model, "--save-model", saved, code=2, says=["--calibration-text"])
    refused("perplexity", "--text-file", TEXT, "--model", model, *text, "--save-model", HOME, code=2, says=["--save-model", str(HOME)])
    perplexity("--limit", 64, "--engine", "int8", "--model", model, *text, "--save-model", saved)
    again = perplexity("--limit", 600, "--engine", "int8", "--model", saved)["loss"]
    tap.check(again == found, (again, found))


@tap.test("/cli/model/calibrated-means-are-found-on-a-text")
def _():
    noise = ("--limit", 600, "--engine", "noise", "--photons", "inf")
    refused("perplexity", "--text-file", TEXT, *noise, "--sigma-mean", "calibrated", code=1,
            says=["model-d64", "--calibration-text"])
    paper = perplexity(*noise)
    found = perplexity(*noise, "--sigma-mean", "calibrated", "--calibration-text", TEXT)
    tap.check(found["sigma_mean"] == "calibrated", found)
    tap.check(0 < abs(found["loss"] - paper["loss"]) < 0.1, (found, paper))


def save(name, values):
    numpy.save(HOME / name, values.astype(numpy.float32))
    return HOME / name


@tap.test("/cli/model/products-on-the-noise-engine")
def _():
    random = numpy.random.default_rng(8)
    a, b = random.uniform(-1, 1, (30, 64)), random.uniform(-1, 1, (40, 64))
    ideal = a @ b.T
    operands = save("a.npy", a), save("b.npy", b)
    errors = []
    for photons in ("0.1", "10", "1000", "inf"):
        cli("multiply", *operands, "-o", HOME / "out.npy", "--engine", "noise", "--photons", photons)
        errors.append((numpy.load(HOME / "out.npy") - ideal).std())
    tap.check(errors[0] > errors[1] > errors[2] > errors[3] > 0.1, errors)
    cli("multiply", *operands, "-o", HOME / "out.npy", "--engine", "noise", "--photons", "0")
    tap.check(numpy.abs(numpy.load(HOME / "out.npy") - ideal).max() < 1e-4, "no photons: not the product itself")
    cli("multiply", *operands, "-o", HOME / "out.npy", "--engine", "noise", "--photons", "0", "--bits", 3)
    tap.check((numpy.load(HOME / "out.npy") - ideal).std() > 0.1, "3 bits are as good as none")
    cli("multiply", *operands, "-o", HOME / "out.npy", "--engine", "int8")
    tap.check(0 < (numpy.load(HOME / "out.npy") - ideal).std() < 0.1, "int8")


@tap.test("/cli/model/products-with-look-up-tables")
def _():
    a = numpy.array([[1, 0.5, 0.0], [0.25, 1, 1]])
    table = HOME / "table.tsv"
    table.write_text("".join(f"{level}\t{(level / 100) ** 2:.6f}\n" for level in range(101)))
    operands = save("a.npy", a), save("b.npy", numpy.eye(3))
    cli("multiply", *operands, "-o", HOME / "out.npy", "--engine", "noise", "--photons", "0", "--source-lut", table)
    tap.check(numpy.abs(numpy.load(HOME / "out.npy") - a ** 2).max() < 1e-5, numpy.load(HOME / "out.npy"))
    damaged = HOME / "damaged.tsv"
    damaged.write_text("0\t0\n1\tmuch\n")
    refused("multiply", *operands, "-o", operands[1], code=2, says=["-o", "operand"])
    refused("multiply", *operands, "-o", HOME / "no.npy", "--engine", "noise", "--slm-lut", damaged, code=1,
            says=["damaged.tsv"])
    refused("multiply", *operands, "-o", HOME / "no.npy", "--engine", "noise", "--slm-lut", HOME / "none.tsv",
            code=1, says=["none.tsv"])


@tap.test("/cli/model/noise-model-of-a-bench-stands-in-for-it")
def _():
    session, file = HOME / "noise.lbsession", HOME / "noise.json"
    cli("calibrate", *FAST, "--session", session)
    cli("calibrations", *FAST, "--session", session, "--noise-model", file)
    rng = numpy.random.default_rng(4)
    a, b = rng.uniform(-1, 1, (60, 64)).astype("f4"), rng.uniform(-1, 1, (50, 64)).astype("f4")
    numpy.save(HOME / "na.npy", a)
    numpy.save(HOME / "nb.npy", b)
    errors = {}
    for name, arguments in (("bench", ("--engine", "bench", *FAST, "--session", session)),
                            ("model", ("--engine", "noise", "--noise-model", file))):
        out = HOME / f"n-{name}.npy"
        cli("multiply", HOME / "na.npy", HOME / "nb.npy", "-o", out, "--photons", 2000, *arguments)
        errors[name] = (numpy.load(out) - a @ b.T).std()
    # Another world's products, the same size of error: within a fifth.
    tap.check(0.8 < errors["model"] / errors["bench"] < 1.25, errors)
    refused("multiply", HOME / "na.npy", HOME / "nb.npy", "-o", HOME / "x.npy", "--engine", "noise",
            "--noise-model", file, "--mode", "moment", code=2, says=["--mode"])
    refused("multiply", HOME / "na.npy", HOME / "nb.npy", "-o", HOME / "x.npy", "--engine", "noise",
            "--noise-model", HOME / "missing.json", code=1, says=["missing.json"])


@tap.test("/cli/model/wrong-options-are-refused")
def _():
    run = ("perplexity", "--text-file", TEXT)
    for arguments, says in (
            (("--engine", "abacus"), ["abacus", "digital"]),
            (("--photons", "many"), ["--photons", "many"]),
            (("--photons", "-1"), ["--photons"]),
            (("--photons", "0,5"), ["0,5"]),
            (("--engine", "bench", "--photons", "inf"), ["bench"]),
            (("--engine", "noise", "--mode", "fast"), ["--mode", "fast"]),
            (("--engine", "noise", "--sigma-mean", "none"), ["--sigma-mean"]),
            (("--mode", "exact"), ["--mode", "noise"]),
            (("--slm-lut", "x"), ["--slm-lut", "noise"]),
            (("--bits", 4), ["--bits", "noise"]),
            (("--engine", "noise", "--bits", 40), ["--bits", "40"]),
            (("--engine", "noise", "--bits", 0), ["--bits", "0"]),
            (("--calibrate",), ["--calibrate", "bench"]),
            (("--threads", -1), ["--threads"]),
            (("--limit", 1), ["--limit"]),
            (("--route", "w2=noise"), ["w2=noise"]),
            (("--route", "3.w9=noise"), ["w9"]),
            (("--route", "3.w2=abacus"), ["abacus"]),
            (("--route", "4.w2=digital"), ["4.w2", "0 to 3"]),
            (("--seed", -2), ["--seed"])):
        refused(*run, *arguments, code=2, says=says)
    refused("perplexity", code=2, says=["--text-file"])
    refused("perplexity", "--text-file", HOME / "none.txt", code=1, says=["none.txt"])
    (HOME / "latin.txt").write_bytes("Größe".encode("latin-1") * 300)
    refused("perplexity", "--text-file", HOME / "latin.txt", code=2, says=["latin.txt", "UTF-8"])
    refused("logits", "--tokens", "1,x", "-o", HOME / "no.npy", code=2, says=["1,x"])
    refused("logits", "--tokens", "1,2048", "-o", HOME / "no.npy", code=2, says=["2048"])
    refused("logits", "--tokens", "1,2", code=2, says=["-o"])
    refused("logits", "--tokens", "1,2", "-o", HOME, code=2, says=[str(HOME)])
    refused("logits", "--tokens", "1,2", "-o", HOME / "no-folder" / "x.npy", code=1, says=["no-folder"])
    refused("perplexity", "--text-file", HOME / "none.txt", "--csv", HOME / "no-folder" / "x.csv", code=1,
            says=["x.csv", "no-folder"])
    refused("generate", code=2, says=["--prompt"])
    refused("generate", "--prompt", "", code=2, says=["token"])
    refused("generate", "--prompt", "a", "--temperature", "0,5", code=2, says=["0,5"])
    refused("run", "layer", "--op", "w3", code=2, says=["w3"])
    refused("run", "model", "--tokens", -1, code=2, says=["--tokens"])
    tap.check(not (HOME / "no.npy").exists(), "an output was written")


@tap.test("/cli/model/interrupt-keeps-the-losses-and-exits-130")
def _():
    losses = HOME / "interrupted.csv"
    long = HOME / "long.txt"
    long.write_text((DATA.parent / "COPYING").read_text() * 20)
    process = subprocess.Popen([CLI, "perplexity", "--text-file", str(long), "--csv", str(losses), "--engine", "noise"],
                               env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # The first window is done when progress is shown.
    first = process.stderr.readline()
    tap.check(first.startswith("Perplexity: "), first)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    tap.check(process.returncode == 130 and out == "", f"{process.returncode}: {out} {errors}")
    tap.check("broken off" in errors, errors)
    with losses.open() as file:
        tap.check(len(list(csv.DictReader(file))) > 0, "no window was kept")


try:
    tap.run()
finally:
    shutil.rmtree(HOME, ignore_errors=True)
