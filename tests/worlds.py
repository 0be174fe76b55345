# SPDX-License-Identifier: GPL-3.0-or-later
"""Every calibration step of many simulated worlds against the truth of each, and the noise model that
verification finds against held-out products: worlds.py FOLDER-OF-TESTS [--worlds 1-20]
[--fidelity fast|pixel] [--programs a,b] [--log FILE] [--table LOG ...]

Runs the test programs that know LIGHTBENCH_WORLDS, a process a world, and prints the worst error of each
step beside its limit, the extremes of the worlds' parameters, and all p-values. The log has each world's
parameters. --table: of logs that are there; no program is run. Exit code 1: a step said pass while it was off by more than its limit, the noise model
differs from the bench in more worlds than one in 20, or a program did not come to its end."""

import argparse
import math
import os
import pathlib
import re
import statistics
import subprocess
import sys

PROGRAMS = ("calibration-steps", "calibration-devices", "crosstalk", "verification")
STEP = re.compile(r"# (\S+ \S+) world (\d+), ([\w-]+) \((pass|warn|fail)\): (.+) off by (\S+) of (\S+)$")
VERDICT = re.compile(r"# (\S+ \S+) world (\d+), ([\w-]+): (pass|warn|fail), residual")
WORLD = re.compile(r"# (\S+ \S+) world (\d+):$")
PARAMETER = re.compile(r"# (\w+): (-?[0-9.e+-]+|none|x|y|both)( \S+)?$")
NOISE = re.compile(r"# (\S+ \S+) world (\d+): (\d+) held-out (signed|positive) products of (\d+) elements, (\d+) "
                   r"photons.*, ratio (\S+) \+- \S+, p = (\S+)$")
# Two samples of one distribution differ so much once in a hundred times.
P_MIN = 0.01
# The mean over worlds of the model's rms error over the bench's is looked at from so many worlds on, and may be
# off 1 by so many of its standard errors, but always by 2 %.
RATIO_WORLDS = 10
RATIO_SIGMAS = 3
RATIO_LEAST = 0.02


def run_worlds(folder, worlds, fidelity, programs, log):
    ended = True
    for seed in worlds:
        for program in programs:
            environment = dict(os.environ, LIGHTBENCH_WORLDS=str(seed), LIGHTBENCH_FIDELITY=fidelity)
            done = subprocess.run([folder / f"test-{program}"], env=environment, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
            log.write(done.stdout)
            log.write(f"# {program}, world {seed}, {fidelity}: exit code {done.returncode}\n")
            log.flush()
            print(f"{program}, {fidelity} world {seed}: exit code {done.returncode}", file=sys.stderr)
            # 1: a test failed, which the table tells.
            ended = ended and done.returncode in (0, 1)
    return ended


def print_parameters(lines):
    """Lowest and highest of each parameter over the worlds of a bench."""
    values, bench = {}, None
    for line in lines:
        if match := WORLD.match(line):
            bench = match[1]
        elif (match := PARAMETER.match(line)) and bench:
            values.setdefault((bench, match[1], match[3] or ""), set()).add(match[2])
        else:
            bench = None
    for (name, parameter, unit), found in values.items():
        if any(value.isalpha() for value in found):
            print(f"{name} {parameter}: {', '.join(sorted(found))}")
        elif len(found) > 1:
            print(f"{name} {parameter}: {min(found, key=float)} to {max(found, key=float)}{unit}")


def print_steps(lines):
    worst, verdicts, wrong = {}, {}, 0
    for line in lines:
        if match := VERDICT.match(line):
            verdicts.setdefault((match[3], match[1]), {})[int(match[2])] = match[4]
        if match := STEP.match(line):
            bench, seed, step, verdict, what, off, limit = match.groups()
            ratio = float(off) / float(limit)
            row = worst.setdefault((step, bench, what), {"ratio": -1, "worlds": set(), "over": set(), "wrong": set()})
            row["worlds"].add(int(seed))
            if not ratio <= 1:
                row["over"].add(int(seed))
            if not ratio <= 1 and verdict != "fail":
                row["wrong"].add(int(seed))
            if not ratio <= row["ratio"]:
                row.update(ratio=ratio, off=off, limit=limit, seed=seed, verdict=verdict)
    print("| step | bench | what | worlds | worst | limit | ratio | world | its verdict | over the limit |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for (step, bench, what), row in worst.items():
        wrong += len(row["wrong"])
        print(f"| {step} | {bench} | {what} | {len(row['worlds'])} | {row['off']} | {row['limit']} | {row['ratio']:.2f} "
              f"| {row['seed']} | {row['verdict']} | {len(row['over'])} |")
    for (step, bench), of in verdicts.items():
        count = {name: sum(verdict == name for verdict in of.values()) for name in ("pass", "warn", "fail")}
        print(f"{step}, {bench}: {count['pass']} pass, {count['warn']} warn, {count['fail']} fail")
    return wrong == 0


def print_noise(lines):
    groups = {}
    for line in lines:
        if match := NOISE.match(line):
            groups.setdefault((match[1], match[4], match[5], match[6]), {})[int(match[2])] = (
                math.log(float(match[7])), float(match[8]))
    good = True
    for (bench, sign, length, photons), values in groups.items():
        name = f"noise model, {bench}, {sign}, {length} elements, {photons} photons per MAC"
        logs = [ratio for ratio, _ in values.values()]
        if len(logs) > 1:
            mean, error = statistics.mean(logs), statistics.stdev(logs) / len(logs) ** 0.5
            good = good and (len(logs) < RATIO_WORLDS or abs(mean) <= max(RATIO_SIGMAS * error, RATIO_LEAST))
            print(f"{name}: rms error {math.exp(mean):.4f} +- {error:.4f} of the bench's over {len(logs)} worlds")
        # Positive products of an exposure share the error of its light: they are not independent.
        if sign == "signed":
            low = [seed for seed, (_, p) in values.items() if not p > P_MIN]
            good = good and len(low) * 20 <= len(values)
            print(f"{name}: p over {P_MIN} in {len(values) - len(low)} of {len(values)} worlds; "
                  + " ".join(f"{seed}:{p:.3f}" for seed, (_, p) in sorted(values.items())))
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--worlds", default="1-20")
    parser.add_argument("--fidelity", default="fast", choices=("fast", "pixel"))
    parser.add_argument("--programs", default=",".join(PROGRAMS))
    parser.add_argument("--log", type=pathlib.Path, default=pathlib.Path("worlds.log"))
    parser.add_argument("--table", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    ended = True
    if not arguments.table:
        first, _, last = arguments.worlds.partition("-")
        with arguments.log.open("w", encoding="utf-8") as log:
            ended = run_worlds(arguments.folder, range(int(first), int(last or first) + 1), arguments.fidelity,
                               arguments.programs.split(","), log)
    lines = []
    for path in arguments.table or [arguments.log]:
        lines += path.read_text(encoding="utf-8").splitlines()
    print_parameters(lines)
    steps, noise = print_steps(lines), print_noise(lines)
    return 0 if ended and steps and noise else 1


if __name__ == "__main__":
    sys.exit(main())
