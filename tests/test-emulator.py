# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated instruments as transports in Python see them; TAP."""

import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "emulators"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from emulator import UsbInstrument
from tap import check, run, test

tag = 0


def send(device, text):
    global tag
    tag = tag % 255 + 1
    data = text.encode() + b"\n"
    message = struct.pack("<BBBBIB3x", 1, tag, tag ^ 255, 0, len(data), 1) + data
    return device.out(1, message + bytes(-len(message) % 4))


def ask(device, text):
    global tag
    check(send(device, text), f"{text} was not taken")
    tag = tag % 255 + 1
    check(device.out(1, struct.pack("<BBBBIB3x", 2, tag, tag ^ 255, 0, 1000, 0)), "the request was not taken")
    answer = device.in_(2, 2048)
    size = struct.unpack("<I", answer[4:8])[0]
    return answer[12 : 12 + size].decode().strip()


@test("/emulator/descriptors")
def descriptors():
    device = UsbInstrument("CLD1015", "M1")
    check(struct.unpack("<HH", device.device_desc()[8:12]) == (0x1313, 0x804F), "ids")
    check(device.config_desc()[2] == len(device.config_desc()), "length of the configuration")
    check(device.control(bytes([0x80, 6, 3, 3, 9, 4, 255, 0])) == b"\x06\x03M\x001\x00", "serial number")
    check(device.control(bytes([0xA1, 0x55, 0, 0, 0, 0, 8, 0])) is None, "an unknown request stalls")
    device.close()


@test("/emulator/commands-and-light")
def commands():
    device = UsbInstrument("CLD1015", "M1")
    check(device.in_(2, 64) is None, "nothing to say yet")
    check(ask(device, "*IDN?").startswith("THORLABS,CLD1015,M1,"), "identity")
    send(device, "SOUR:CURR 0.05;:OUTP1:STAT ON")
    check(device.lit and device.current == 0.05, "light")
    device.set_condition("interlock", True)
    check(not device.lit and ask(device, "OUTP:PROT:INTL:TRIP?") == "1", "interlock")
    check(device.unknown == (0, 0), "all was known")
    send(device, "NONSENSE 1")
    check(ask(device, "SYST:ERR?") == '-113,"Undefined header"' and device.unknown == (1, 0), "unknown header")
    check("LIGHT OFF" in device.log, device.log)
    device.close()


@test("/emulator/stalls")
def stalls():
    device = UsbInstrument("PM100D", "P1")
    check(not device.out(1, b"\x01\x01\x01" + bytes(9)), "a wrong header stalls")
    check(not send(device, "*CLS"), "the endpoint is halted")
    device.control(bytes([0x02, 1, 0, 0, 1, 0, 0, 0]))
    check(send(device, "*CLS"), "cleared")
    device.set_power(1e-3)
    check(float(ask(device, "MEAS:POW?")) == 1e-3, "power")
    check(device.unknown == (0, 1), "the violation was counted")
    device.close()


run()
