#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""machine.py CACHE USB_HOST NAME=PROGRAM...: runs test programs in a virtual machine.

A stock Debian kernel under QEMU without KVM, the host's root file system
read-only over 9p, and emulated USB devices (a camera, a CLD1015, a PM100D) outside
the machine that are plugged in by the usbredir protocol. Prints the programs' TAP as
one. A machine that cannot run is a failure. CACHE keeps kernel and first file
system; the kernel is fetched with apt-get download when it is not there. LIGHTBENCH_VM_CACHE
is another such folder, which several builds may share.
"""

import glob
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DEVICES = ["camera", "CLD1015", "PM100D"]
FIRST_MODULES = ["virtio_pci", "9pnet_virtio", "9p", "overlay"]
TOOLS = "sh mount mkdir insmod cat echo sed chroot poweroff umount setsid".split()
# Unplugged and plugged in again so often; many more of them take their time.
REPLUGS = int(os.environ.get("LIGHTBENCH_VM_REPLUGS", "5"))
RUN_S = 540 + 30 * (REPLUGS - 5)
FETCH_S = 240


def bail_out(why):
    print(f"Bail out! the virtual machine cannot run: {why}")
    sys.exit(1)


def run(*command, **options):
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, **options)


def kernel_package():
    """The kernel that linux-image-amd64 stands for now."""
    answer = run("apt-cache", "depends", "linux-image-amd64", stdout=subprocess.PIPE, text=True, timeout=60)
    found = re.search(r"Depends: (linux-image-\d\S*)", answer.stdout)
    if not found:
        bail_out("apt-cache knows no linux-image-amd64; run apt-get update")
    return found.group(1)


def unpack_kernel(image, out):
    """vmlinux from a bzImage with an XZ payload: unpacking it under emulation takes half of the boot."""
    data = open(image, "rb").read()
    start = data.find(b"\xfd7zXZ\0")
    if start < 0:
        bail_out(f"{image} has no XZ payload")
    kernel = lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(data[start:])
    with open(out, "wb") as file:
        file.write(kernel)


def fetch_kernel(folder):
    """Fills FOLDER with lib/modules and vmlinux."""
    package = kernel_package()
    with tempfile.TemporaryDirectory(dir=os.path.dirname(folder)) as work:
        run("apt-get", "download", package, cwd=work, stdout=sys.stderr, timeout=FETCH_S)
        run("dpkg", "-x", glob.glob(f"{work}/*.deb")[0], f"{work}/kernel")
        version = os.listdir(f"{work}/kernel/lib/modules")[0]
        run("depmod", "-b", f"{work}/kernel", version)
        unpack_kernel(f"{work}/kernel/boot/vmlinuz-{version}", f"{work}/kernel/vmlinux")
        shutil.rmtree(f"{work}/kernel/boot")
        os.rename(f"{work}/kernel", folder)


def module_files(kernel, version, module):
    answer = run("modprobe", "-d", kernel, "-S", version, "--show-depends", module, stdout=subprocess.PIPE, text=True)
    return [line.split()[1] for line in answer.stdout.splitlines() if line.startswith("insmod")]


def make_first_file_system(kernel, out):
    """busybox, init.sh, and the modules that mounting the host's root takes."""
    version = os.listdir(f"{kernel}/lib/modules")[0]
    with tempfile.TemporaryDirectory() as root:
        for folder in ["bin", "modules", "proc", "sys", "dev", "new"]:
            os.mkdir(f"{root}/{folder}")
        shutil.copy("/bin/busybox", f"{root}/bin/busybox")
        for tool in TOOLS:
            os.symlink("busybox", f"{root}/bin/{tool}")
        order = []
        for module in FIRST_MODULES:
            for path in module_files(kernel, version, module):
                if os.path.basename(path) not in order:
                    order.append(os.path.basename(path))
                    shutil.copy(path, f"{root}/modules")
        with open(f"{root}/modules/order", "w") as file:
            file.write("\n".join(order))
        shutil.copy(f"{HERE}/init.sh", f"{root}/init")
        os.chmod(f"{root}/init", 0o755)
        with open(out, "wb") as file:
            run("sh", "-c", "find . | cpio -o -H newc --quiet | gzip -1", cwd=root, stdout=file)


def prepare(cache):
    os.makedirs(cache, exist_ok=True)
    kernel = f"{cache}/kernel"
    if not os.path.exists(f"{kernel}/vmlinux"):
        shutil.rmtree(kernel, ignore_errors=True)
        fetch_kernel(kernel)
    make_first_file_system(kernel, f"{cache}/first.gz")
    return kernel


def qemu_command(cache, kernel, results):
    command = [
        "qemu-system-x86_64", "-M", "pc", "-icount", "shift=2,sleep=on", "-accel", "tcg,thread=single", "-cpu", "qemu64", "-smp", "1", "-m", "2G",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-monitor", "none", "-serial", "stdio",
        "-kernel", f"{kernel}/vmlinux", "-initrd", f"{cache}/first.gz",
        "-append", "console=ttyS0,115200 quiet loglevel=4 panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check "
        f"random.trust_cpu=on bench.modules={kernel}/lib/modules bench.script={HERE}/guest.sh",
        "-device", "virtio-rng-pci",
        "-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap",
        "-device", "virtio-9p-pci,fsdev=root,mount_tag=hostroot",
        "-fsdev", f"local,id=results,path={results},security_model=none",
        "-device", "virtio-9p-pci,fsdev=results,mount_tag=results",
        "-device", "qemu-xhci,id=xhci",
    ]
    for number, device in enumerate(DEVICES):
        command += ["-chardev", f"socket,id=usb{number},path={results}/{device}.sock,server=on,wait=off",
                    "-device", f"usb-redir,bus=xhci.0,chardev=usb{number}"]
    return command


def end(processes):
    for process in processes:
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def boot(cache, kernel, usb_host, results):
    """Runs the machine; its console is returned."""
    devices = [subprocess.Popen([usb_host, device, f"{results}/{device}.sock", results]) for device in DEVICES]
    console = f"{results}/console"
    try:
        with open(console, "wb") as file:
            run(*qemu_command(cache, kernel, results), stdout=file, stderr=subprocess.STDOUT, timeout=RUN_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        end(devices)
    return open(console, errors="replace").read()


def read(path):
    return open(path, errors="replace").read() if os.path.exists(path) else ""


def report(results, names):
    """One TAP of all programs; how many tests failed. A program without a plan, or that ended early, has failed."""
    number, failed = 0, 0
    for name in names:
        tap = read(f"{results}/{name}.tap")
        planned = re.search(r"^1\.\.(\d+)", tap, re.M)
        seen = 0
        for line in tap.splitlines():
            case = re.match(r"(not ok|ok) \d+ ?(.*)", line)
            if case:
                number, seen = number + 1, seen + 1
                failed += case.group(1) != "ok"
                print(f"{case.group(1)} {number} {case.group(2)}")
            elif not line.startswith("1.."):
                print(f"# {line}")
        if not planned or seen != int(planned.group(1)):
            number, failed = number + 1, failed + 1
            print(f"not ok {number} /vm/{name}-ran-to-its-end")
        for line in read(f"{results}/{name}.err").splitlines()[-30:]:
            print(f"# {line}")
    return number, failed


def check_breaches(results, number):
    """An instrument that was sent what no manual has, or other bytes than its class allows, fails the suite."""
    logs = [read(f"{results}/log.{device}") for device in DEVICES if device != "camera"]
    good = all(re.search(f" {what} 0$", log, re.M) for log in logs for what in ["unknown", "violations"])
    print(f"{'ok' if good else 'not ok'} {number} /vm/instruments-were-sent-what-their-manuals-have")
    return 0 if good else 1


def check_status(results, number):
    """What a program has to say after its last test, a sanitizer above all, is in its exit code."""
    good = read(f"{results}/status").strip() == "0"
    print(f"{'ok' if good else 'not ok'} {number} /vm/programs-end-well")
    return 0 if good else 1


def main():
    cache = os.path.abspath(os.environ.get("LIGHTBENCH_VM_CACHE", sys.argv[1]))
    usb_host, programs = sys.argv[2], sys.argv[3:]
    names = [program.split("=", 1)[0] for program in programs]
    started = time.monotonic()
    try:
        kernel = prepare(cache)
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        bail_out(error)
    with tempfile.TemporaryDirectory(prefix="lb-vm-") as results:
        with open(f"{results}/programs", "w") as file:
            file.writelines(program.replace("=", " ", 1) + "\n" for program in programs)
        shutil.copy(f"{HERE}/setup.json", results)
        with open(f"{results}/replugs", "w") as file:
            file.write(f"{REPLUGS}\n")
        try:
            console = boot(cache, kernel, usb_host, results)
        except (OSError, subprocess.SubprocessError) as error:
            bail_out(error)
        number, failed = report(results, names)
        failed += check_breaches(results, number + 1)
        failed += check_status(results, number + 2)
        print(f"1..{number + 2}")
        print(f"# {time.monotonic() - started:.0f} s in all")
        if failed:
            for line in (console + read(f"{results}/dmesg")[-2000:]).splitlines()[-60:]:
                print(f"# {line}")
            if os.environ.get("LIGHTBENCH_VM_KEEP"):
                shutil.copytree(results, os.environ["LIGHTBENCH_VM_KEEP"], dirs_exist_ok=True,
                                ignore=shutil.ignore_patterns("*.sock"))
            sys.exit(1)


main()
