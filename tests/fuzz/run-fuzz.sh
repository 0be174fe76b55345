#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# run-fuzz.sh TARGET CORPUS SECONDS [RUNS]: runs a fuzz target from the inputs in
# CORPUS. What it finds goes to the folder TARGET-found, an input that fails to
# TARGET-found/crash-…
found=$1-found
mkdir -p "$found/inputs" || exit 1
exec "$1" -max_total_time="$3" -runs="${4:--1}" -timeout=20 -rss_limit_mb=1024 -max_len=16384 -print_final_stats=1 \
  -dict="$(dirname "$0")/words.dict" -artifact_prefix="$found/" "$found/inputs" "$2"
