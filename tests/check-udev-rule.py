# SPDX-License-Identifier: GPL-3.0-or-later
"""check-udev-rule.py RULE TABLE: the rule is well formed and names each id of the table of models; TAP."""

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import check, run, test

RULE, TABLE = sys.argv[1:3]


@test("/udev/rule-names-every-id")
def names_every_id():
    rows = re.findall(r'\{ "[A-Z0-9]+", THORLABS, \{ (\w+), (\w+) \}', open(TABLE).read())
    wanted = {int(product, 0) for row in rows for product in row} - {0}
    rule = open(RULE).read()
    found = re.findall(r'^ATTR\{idVendor\}=="1313", ATTR\{idProduct\}=="([0-9a-f]{4})", TAG\+="uaccess"$', rule, re.M)
    check(len(rows) >= 12, "the table was not read")
    check({int(product, 16) for product in found} == wanted, "the ids of rule and table differ")
    check(len(found) == len(set(found)), "an id is named twice")


@test("/udev/rule-is-well-formed")
def is_well_formed():
    lines = [line for line in open(RULE).read().splitlines() if line and not line.startswith("#")]
    item = r'[A-Z]+(\{\w+\})?(==|!=|\+=|=)"[^"]*"'
    for line in lines:
        check(re.fullmatch(rf"{item}(, {item})*", line), f"not a rule: {line}")
    check(lines[-1] == 'LABEL="lightbench_end"', "the label is missing")
    verify = shutil.which("udevadm")
    if verify and "verify" in subprocess.run([verify, "--help"], capture_output=True, text=True).stdout:
        result = subprocess.run([verify, "verify", RULE], capture_output=True, text=True)
        check(result.returncode == 0, result.stdout + result.stderr)


run()
