#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The machine's first process: the host's root file system, read-only, under an
# overlay in memory; a writable folder of the host at /results; then one script.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do
  insmod "/modules/$module" || echo "insmod $module failed"
done
argument () { sed -n "s/.*\bbench.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }

mkdir -p /host /memory
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose hostroot /host || poweroff -f
mount -t tmpfs -o size=1g tmpfs /memory
mkdir -p /memory/upper /memory/work
mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work overlay /new || poweroff -f
for folder in proc sys dev run tmp lib/modules results; do mkdir -p "/new/$folder"; done
mount -t proc proc /new/proc
mount -t sysfs sysfs /new/sys
mount -t devtmpfs dev /new/dev
mkdir -p /new/dev/pts /new/dev/shm
mount -t devpts devpts /new/dev/pts
mount -t tmpfs shm /new/dev/shm
mount -t tmpfs run /new/run
mount -o bind "/host$(argument modules)" /new/lib/modules
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 results /new/results

setsid chroot /new /bin/sh "$(argument script)" </dev/null
echo $? >/new/results/status
umount /new/results
poweroff -f
