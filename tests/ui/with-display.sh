#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# with-display.sh COMMAND…: runs it under a display, a bus, an accessibility bus
# and folders of its own; the last are in $SCRATCH.
set -euo pipefail

SCRATCH=$(mktemp -d -t lightbench-ui-XXXXXX)
server=
finish () {
  [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null
  rm -rf "$SCRATCH"
}
trap finish EXIT

export SCRATCH HOME=$SCRATCH/home XDG_RUNTIME_DIR=$SCRATCH/run
export XDG_CONFIG_HOME=$SCRATCH/config XDG_CACHE_HOME=$SCRATCH/cache LIGHTBENCH_HOME=$SCRATCH/lightbench
mkdir -m 700 "$HOME" "$XDG_RUNTIME_DIR" "$XDG_CONFIG_HOME" "$XDG_CACHE_HOME"
export LC_ALL=C.UTF-8 GDK_BACKEND=x11 GSK_RENDERER=cairo GSETTINGS_BACKEND=memory
unset WAYLAND_DISPLAY

# Xvfb picks a free number itself: two tests may run beside each other.
exec 5>"$SCRATCH/display"
Xvfb -displayfd 5 -screen 0 1280x800x24 -nolisten tcp -noreset >/dev/null 2>&1 &
server=$!
for _ in $(seq 100); do
  [ -s "$SCRATCH/display" ] && break
  sleep 0.1
done
DISPLAY=:$(cat "$SCRATCH/display")
export DISPLAY

# What the bus and its services say is not the command's.
dbus-run-session -- bash -c 'exec "$@" >&6 6>&-' bash "$@" 6>&1 >&2
