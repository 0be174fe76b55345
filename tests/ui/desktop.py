# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds and presses what is in a window, by the accessibility bus (AT-SPI 2). A program is asked for all that it shows
in one call (org.a11y.atspi.Cache.GetItems), which keeps it busy for a tenth of the time of a walk through its tree."""

import subprocess
import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, Gio, GLib

ACCESSIBLE = "org.a11y.atspi.Accessible"
ROOT = "/org/a11y/atspi/accessible/root"
MODAL, SENSITIVE, VISIBLE = Atspi.StateType.MODAL, Atspi.StateType.SENSITIVE, Atspi.StateType.VISIBLE
FOCUSED = Atspi.StateType.FOCUSED


def wait_for(condition, what, timeout=20.0):
    """The first true answer of condition(); fails after @timeout seconds."""
    end = time.monotonic() + timeout
    gone = None
    while True:
        try:
            answer = condition()
        except GLib.Error as error:
            # The thing went away between two questions.
            answer, gone = None, error
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s for {what}; last error: {gone}")
        time.sleep(0.05)


class Bus:
    """The accessibility bus of the session."""

    def __init__(self):
        session = Gio.bus_get_sync(Gio.BusType.SESSION)
        address = session.call_sync("org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus", "GetAddress", None, None,
                                    Gio.DBusCallFlags.NONE, -1, None).unpack()[0]
        flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
        self.connection = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)

    def call(self, owner, path, interface, method, signature="()", *arguments):
        """What the method returns: nothing, a value, or a tuple of several."""
        answer = self.connection.call_sync(owner, path, interface, method, GLib.Variant(signature, arguments), None,
                                           Gio.DBusCallFlags.NONE, -1, None).unpack()
        return answer[0] if len(answer) == 1 else answer

    def programs(self):
        """(bus name, process) of each program with a window."""
        for owner, _ in self.call("org.a11y.atspi.Registry", ROOT, ACCESSIBLE, "GetChildren"):
            yield owner, self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                   "GetConnectionUnixProcessID", "(s)", owner)


class Node:
    """One thing in a window. Role, name and states are those of the look that found it; its methods ask anew."""

    def __init__(self, bus, owner, path, role, name, states):
        self.bus, self.owner, self.path = bus, owner, path
        self.role, self.name, self.states = role, name, states
        self.children = []

    def walk(self):
        """The node and all below it, in order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def had(self, state):
        """Whether it was so in the look that found it."""
        return bool(self.states[state // 32] >> state % 32 & 1)

    def has(self, state):
        """Whether it is so now."""
        self.states = self.bus.call(self.owner, self.path, ACCESSIBLE, "GetState")
        return self.had(state)

    def is_sensitive(self):
        return self.has(SENSITIVE)

    def name_now(self):
        self.name = self._property(ACCESSIBLE, "Name")
        return self.name

    def press(self):
        self.bus.call(self.owner, self.path, "org.a11y.atspi.Action", "DoAction", "(i)", 0)

    def set_text(self, text):
        self.bus.call(self.owner, self.path, "org.a11y.atspi.EditableText", "SetTextContents", "(s)", text)

    def set_to_maximum(self):
        value = "org.a11y.atspi.Value"
        self.bus.call(self.owner, self.path, "org.freedesktop.DBus.Properties", "Set", "(ssv)", value, "CurrentValue",
                      GLib.Variant("d", self._property(value, "MaximumValue")))

    def _property(self, interface, name):
        return self.bus.call(self.owner, self.path, "org.freedesktop.DBus.Properties", "Get", "(ss)", interface, name)


TEXTS = ("label", "status bar", "alert", "notification", "text")


class Application:
    """The program under test."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen(command, **options)
        self.bus = Bus()
        self.owner = None
        self.scope = None

    def connect(self, timeout=20.0):
        self.owner = wait_for(self._find, "the application on the accessibility bus", timeout)

    def _find(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the program ended with exit code {self.process.returncode}")
        return next((owner for owner, process in self.bus.programs() if process == self.process.pid), None)

    def page(self, name):
        """The part of the window to look into from here on: a page by its name, or all of it."""
        self.scope = name and f"{name} page"

    def root(self):
        """All that the program shows, as it is now: the root of the tree."""
        asked = set()
        while True:
            nodes, counts = {}, {}
            items = self.bus.call(self.owner, "/org/a11y/atspi/cache", "org.a11y.atspi.Cache", "GetItems")
            for (_, path), _, _, _, count, _, name, role, _, states in items:
                nodes[path] = Node(self.bus, self.owner, path, Atspi.role_get_name(Atspi.Role(role)), name, states)
                counts[path] = count
            for (_, path), _, (_, parent), *_ in sorted(items, key=lambda item: item[3]):
                if parent in nodes:
                    nodes[parent].children.append(nodes[path])
            # What nobody asked for yet is not among them.
            unknown = [path for path, node in nodes.items() if len(node.children) != counts[path]]
            if asked.issuperset(unknown):
                return nodes[ROOT]
            for path in unknown:
                asked.add(path)
                self._ask(path)

    def _ask(self, path):
        try:
            self.bus.call(self.owner, path, ACCESSIBLE, "GetChildren")
        except GLib.Error:
            pass  # gone meanwhile

    def _nodes(self):
        for node in self.root().walk():
            if self.scope and node.name == self.scope:
                yield from node.walk()
                return
            if not self.scope:
                yield node

    def nodes(self, role, name):
        """The visible nodes of that role and name."""
        return [node for node in self._nodes() if node.role == role and node.name == name and node.had(VISIBLE)]

    def find(self, role, name):
        """The first of them, or None."""
        return next(iter(self.nodes(role, name)), None)

    def get(self, role, name, timeout=20.0):
        return wait_for(lambda: self.find(role, name), f"{role} {name!r}", timeout)

    def is_sensitive(self, role, name):
        node = self.find(role, name)
        return node is not None and node.had(SENSITIVE)

    def press(self, role, name, timeout=20.0):
        """Presses a button once it can be pressed."""
        wait_for(lambda: self.is_sensitive(role, name), f"{role} {name!r} to be sensitive", timeout)
        self.get(role, name).press()

    def is_modal(self):
        """Whether a modal dialog is open."""
        return any(window.had(MODAL) for window in self.root().children)

    def focus(self, role, name):
        """By the keyboard: GTK lets nobody else move it."""
        for _ in range(60):
            if any(part.had(FOCUSED) for part in self.get(role, name).walk()):
                return
            subprocess.run(["xdotool", "key", "Tab"], check=True, timeout=20)
            time.sleep(0.1)
        raise AssertionError(f"Tab does not come to {name}")

    def texts(self):
        """All texts of the page, in order."""
        return [node.name for node in self._nodes() if node.role in TEXTS]

    def shows(self, text):
        """Whether it is anywhere in the window: page, header bar, status line, toast."""
        return any(text in node.name for node in self.root().walk() if node.role in TEXTS)

    def wait_text(self, text, timeout=20.0):
        wait_for(lambda: self.shows(text), f"the text {text!r}", timeout)

    def names(self, role):
        return [node.name for node in self._nodes() if node.role == role]
