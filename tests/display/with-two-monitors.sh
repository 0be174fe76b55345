#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# with-two-monitors.sh COMMAND…: runs it under an X server with two monitors
# (DUMMY0 and DUMMY1, side by side), a window manager, and folders of its own.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SCRATCH=$(mktemp -d -t lightbench-display-XXXXXX)
server= manager=
finish () {
  [ -z "$manager" ] || kill "$manager" 2>/dev/null || true
  [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; }
  rm -rf "$SCRATCH"
}
trap finish EXIT

export SCRATCH HOME=$SCRATCH/home XDG_RUNTIME_DIR=$SCRATCH/run
export XDG_CONFIG_HOME=$SCRATCH/config XDG_CACHE_HOME=$SCRATCH/cache LIGHTBENCH_HOME=$SCRATCH/lightbench
mkdir -m 700 "$HOME" "$XDG_RUNTIME_DIR" "$XDG_CONFIG_HOME" "$XDG_CACHE_HOME"
export LC_ALL=C.UTF-8 GDK_BACKEND=x11 GSETTINGS_BACKEND=memory GSK_RENDERER=cairo
unset WAYLAND_DISPLAY

exec 5>"$SCRATCH/display"
/usr/lib/xorg/Xorg -displayfd 5 -noreset -nolisten tcp -novtswitch -sharevts -logfile "$SCRATCH/xorg.log" \
  -config "$here/xorg-two-monitors.conf" >"$SCRATCH/xorg.out" 2>&1 &
server=$!
for _ in $(seq 200); do
  [ -s "$SCRATCH/display" ] && break
  if ! kill -0 "$server" 2>/dev/null; then
    echo "Bail out! the X server did not start (packages xserver-xorg-core, xserver-xorg-video-dummy)"
    tail -n 20 "$SCRATCH/xorg.out" >&2
    exit 1
  fi
  sleep 0.05
done
DISPLAY=:$(cat "$SCRATCH/display")
export DISPLAY

# The second monitor sometimes needs to be asked twice.
for _ in $(seq 20); do
  xrandr --addmode DUMMY1 1920x1080 2>/dev/null || true
  xrandr --output DUMMY0 --mode 1920x1080 --pos 0x0 --primary --output DUMMY1 --mode 1920x1080 --pos 1920x0 || true
  [ "$(xrandr --listactivemonitors | head -n 1)" = "Monitors: 2" ] && break
  sleep 0.1
done
openbox --sm-disable >/dev/null 2>&1 &
manager=$!
for _ in $(seq 100); do
  xprop -root _NET_SUPPORTING_WM_CHECK 2>/dev/null | grep -q 'window id' && break
  sleep 0.05
done

# What the bus and its services say is not the command's.
dbus-run-session -- bash -c 'exec "$@" >&6 6>&-' bash "$@" 6>&1 >&2
