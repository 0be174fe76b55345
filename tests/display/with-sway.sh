#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# with-sway.sh PLANE TEST…: runs TEST under a Wayland compositor with two monitors
# (HEADLESS-1 and HEADLESS-2, side by side) and folders of its own. PLANE is the
# program lightbench-plane. Sway does not run as root: root runs all as nobody.
set -euo pipefail

inner () {
  export HOME=$SCRATCH/home XDG_RUNTIME_DIR=$SCRATCH/run
  export XDG_CONFIG_HOME=$SCRATCH/config XDG_CACHE_HOME=$SCRATCH/cache LIGHTBENCH_HOME=$SCRATCH/lightbench
  export LC_ALL=C.UTF-8 GDK_BACKEND=wayland GSETTINGS_BACKEND=memory GSK_RENDERER=cairo LIGHTBENCH_PLANE=$SCRATCH/lightbench-plane
  export WLR_BACKENDS=headless WLR_HEADLESS_OUTPUTS=2 WLR_LIBINPUT_NO_DEVICES=1 WLR_RENDERER=pixman
  unset DISPLAY WAYLAND_DISPLAY SWAYSOCK
  mkdir -m 700 "$HOME" "$XDG_RUNTIME_DIR" "$XDG_CONFIG_HOME" "$XDG_CACHE_HOME"
  cat >"$SCRATCH/sway.conf" <<'EOF'
xwayland disable
output HEADLESS-1 mode 1920x1080@60Hz position 0 0 scale 1
output HEADLESS-2 mode 1920x1080@60Hz position 1920 0 scale 1
default_border none
default_floating_border none
focus_follows_mouse no
seat * hide_cursor 100
EOF
  sway -c "$SCRATCH/sway.conf" >"$SCRATCH/sway.log" 2>&1 &
  compositor=$!
  trap 'kill "$compositor" 2>/dev/null && wait "$compositor" 2>/dev/null || true' EXIT
  for _ in $(seq 200); do
    SWAYSOCK=$(find "$XDG_RUNTIME_DIR" -name 'sway-ipc.*.sock' | head -n 1)
    [ -n "$SWAYSOCK" ] && [ -S "$XDG_RUNTIME_DIR/wayland-1" ] && break
    if ! kill -0 "$compositor" 2>/dev/null; then
      echo "Bail out! sway did not start (package sway)"
      tail -n 20 "$SCRATCH/sway.log" >&2
      exit 1
    fi
    sleep 0.05
  done
  export SWAYSOCK WAYLAND_DISPLAY=wayland-1
  "$@"
}

if [ "$1" = --inner ]; then
  shift
  inner "$@"
  exit
fi

SCRATCH=$(mktemp -d -t lightbench-sway-XXXXXX)
export SCRATCH
trap 'rm -rf "$SCRATCH"' EXIT
# Copies: another user may not see the build folder.
cp "$1" "$SCRATCH/lightbench-plane"
cp "$2" "$SCRATCH/test"
cp "${BASH_SOURCE[0]}" "$SCRATCH/with-sway.sh"
shift 2
as=()
if [ "$(id -u)" -eq 0 ]; then
  chown -R nobody "$SCRATCH"
  as=(setpriv --reuid nobody --regid nogroup --clear-groups)
fi
cd "$SCRATCH"
"${as[@]}" dbus-run-session -- bash "$SCRATCH/with-sway.sh" --inner "$SCRATCH/test" "$@"
