#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# with-bus.sh WITH-INSTRUMENTS COMMAND…: runs it beside the instruments of
# with-instruments.c; their log is $LIGHT_LOG, in $SCRATCH.
set -euo pipefail

export LIGHT_LOG=$SCRATCH/light.log
with=$1
shift
exec umockdev-wrapper "$with" "$LIGHT_LOG" "$@"
