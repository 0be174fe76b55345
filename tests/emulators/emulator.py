# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated instruments of usb-instrument.c for transports written in Python (usbredir).

A device answers device_desc(), config_desc(), control(setup, data) -> bytes | None (STALL),
out(endpoint, data) -> bool (False: STALL) and in_(endpoint, length) -> bytes | None (nothing yet) |
False (STALL). The library is the one that Meson builds, named by LIGHTBENCH_EMULATORS.
"""

import ctypes
import os

PIPE, NAK = -32, -11
CONDITIONS = ("interlock", "key", "over-temperature", "limit")
FAULTS = (
    "none", "mute", "stall-out", "stall-in", "stall-control", "wrong-tag", "wrong-inverse", "wrong-message",
    "wrong-size", "empty-first", "split", "short", "mute-for-good", "deaf",
)  # fmt: skip


def _load():
    library = ctypes.CDLL(os.environ["LIGHTBENCH_EMULATORS"])
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    signatures = {
        "instrument_new": (pointer, text, text),
        "instrument_set_condition": (None, pointer, ctypes.c_int, ctypes.c_int),
        "instrument_set_power": (None, pointer, ctypes.c_double),
        "instrument_is_lit": (ctypes.c_int, pointer),
        "instrument_get_current": (ctypes.c_double, pointer),
        "instrument_get_current_peak": (ctypes.c_double, pointer),
        "instrument_get_changed_us": (ctypes.c_int64, pointer),
        "instrument_get_unknown": (ctypes.c_uint, pointer),
        "instrument_dup_log": (pointer, pointer),
        "usb_instrument_new": (pointer, pointer),
        "usb_instrument_free": (None, pointer),
        "usb_instrument_reset": (None, pointer),
        "usb_instrument_get_descriptors": (pointer, pointer, ctypes.POINTER(ctypes.c_size_t)),
        "usb_instrument_control": (ctypes.c_int, pointer, text, ctypes.c_char_p, ctypes.c_int),
        "usb_instrument_out": (ctypes.c_int, pointer, text, ctypes.c_int),
        "usb_instrument_in": (ctypes.c_int, pointer, ctypes.c_char_p, ctypes.c_int),
        "usb_instrument_clear_halt": (None, pointer, ctypes.c_uint8),
        "usb_instrument_set_fault": (None, pointer, ctypes.c_int),
        "usb_instrument_get_violations": (ctypes.c_uint, pointer),
    }
    for name, (result, *arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class UsbInstrument:
    """One instrument on USB; the model as *IDN? says it."""

    def __init__(self, model, serial):
        self._c = _load()
        self._instrument = self._c.instrument_new(model.encode(), serial.encode())
        if not self._instrument:
            raise ValueError(f"there is no emulated {model}")
        self._usb = self._c.usb_instrument_new(self._instrument)
        length = ctypes.c_size_t()
        address = self._c.usb_instrument_get_descriptors(self._usb, ctypes.byref(length))
        self.descriptors = ctypes.string_at(address, length.value)

    def close(self):
        self._c.usb_instrument_free(self._usb)
        self._usb = None

    # For transports.

    def device_desc(self):
        return self.descriptors[:18]

    def config_desc(self):
        return self.descriptors[18:]

    def reset(self):
        self._c.usb_instrument_reset(self._usb)

    def control(self, setup, data=b""):
        request_type, request, value, index = setup[0], setup[1], setup[2] | setup[3] << 8, setup[4]
        if request_type == 0x02 and request == 1 and value == 0:
            self._c.usb_instrument_clear_halt(self._usb, index)
            return b""
        buffer = ctypes.create_string_buffer(4096)
        length = self._c.usb_instrument_control(self._usb, bytes(setup), buffer, len(buffer))
        return None if length < 0 else buffer.raw[:length]

    def out(self, endpoint, data):
        return self._c.usb_instrument_out(self._usb, bytes(data), len(data)) == 0

    def in_(self, endpoint, length):
        buffer = ctypes.create_string_buffer(max(length, 1))
        done = self._c.usb_instrument_in(self._usb, buffer, length)
        return None if done == NAK else False if done < 0 else buffer.raw[:done]

    # For tests.

    def set_condition(self, name, active):
        self._c.instrument_set_condition(self._instrument, CONDITIONS.index(name), int(active))

    def set_fault(self, name):
        self._c.usb_instrument_set_fault(self._usb, FAULTS.index(name))

    def set_power(self, watts):
        self._c.instrument_set_power(self._instrument, watts)

    @property
    def lit(self):
        return bool(self._c.instrument_is_lit(self._instrument))

    @property
    def current(self):
        return self._c.instrument_get_current(self._instrument)

    @property
    def current_peak(self):
        return self._c.instrument_get_current_peak(self._instrument)

    @property
    def changed_us(self):
        """When the light last went on or off, on the monotonic clock."""
        return self._c.instrument_get_changed_us(self._instrument)

    @property
    def unknown(self):
        """Headers that no manual has, and transfers against the specification: both must stay 0."""
        return self._c.instrument_get_unknown(self._instrument), self._c.usb_instrument_get_violations(self._usb)

    @property
    def log(self):
        return ctypes.string_at(self._c.instrument_dup_log(self._instrument)).decode()
