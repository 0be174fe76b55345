#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Inside the machine: waits for the emulated devices, then runs the programs that
# /results/programs names, one after the other. Their TAP goes to /results/NAME.tap.
export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
# udevadm does nothing in a chroot without it.
export SYSTEMD_IGNORE_CHROOT=1
export LIBCAMERA_LOG_LEVELS='*:ERROR' LIBCAMERA_LOG_NO_COLOR=1
export G_DEBUG=fatal-criticals
cd /

say () { echo "[$(cut -d' ' -f1 /proc/uptime)] $*"; }

wait_for () {
  n=0
  until sh -c "$1"; do
    n=$((n + 1))
    [ $n -gt 300 ] && { say "never came: $1"; return 1; }
    sleep 0.2
  done
}

mkdir -p /run/udev
/lib/systemd/systemd-udevd --daemon --resolve-names=never
udevadm settle --timeout=20
modprobe xhci-pci
modprobe uvcvideo
wait_for '[ -e /dev/video0 ]' || exit 1
wait_for '[ "$(cat /sys/bus/usb/devices/*/idVendor | grep -c 1313)" -eq 2 ]' || exit 1
udevadm settle --timeout=20
say "devices are there"

limit=$((240 + 20 * $(cat /results/replugs)))
status=0
while read -r name program; do
  # shellcheck disable=SC2086
  timeout -k 3 "$limit" $program >"/results/$name.tap" 2>"/results/$name.err"
  code=$?
  [ $code -eq 0 ] || status=1
  say "$name: $code"
done </results/programs
dmesg >/results/dmesg
exit $status
