#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# run-ui-test.sh PROGRAM: clicks through the real window; prints TAP.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# A warning of the desktop below must not end the program that the operator has.
unset G_DEBUG
exec "$here/with-display.sh" /usr/bin/python3 "$here/first-light.py" "$(realpath "$1")"
