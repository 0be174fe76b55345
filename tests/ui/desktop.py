# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds and presses what is in a window, by way of AT-SPI."""

import subprocess
import time
import warnings

warnings.simplefilter("ignore")
import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib

Atspi.init()


def wait_for(condition, what, timeout=10.0):
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


def children(node):
    for index in range(node.get_child_count()):
        child = node.get_child_at_index(index)
        if child is not None:
            yield child


def walk(node):
    """The node and all below it, but for those that go away meanwhile, or have gone and are still listed."""
    try:
        node.get_role_name()
    except GLib.Error:
        return
    yield node
    try:
        below = list(children(node))
    except GLib.Error:
        return
    for child in below:
        yield from walk(child)


TEXTS = ("label", "status bar", "alert", "notification", "text")


def has(node, state):
    return node.get_state_set().contains(state)


class Application:
    """The program under test."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen(command, **options)
        self.node = None
        self.scope = None

    def connect(self, timeout=20.0):
        self.node = wait_for(self._find, "the application on the accessibility bus", timeout)
        # No event loop runs here that would refresh what is remembered.
        self.node.set_cache_mask(Atspi.Cache.NONE)

    def _find(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the program ended with exit code {self.process.returncode}")
        for node in children(Atspi.get_desktop(0)):
            if node.get_process_id() == self.process.pid:
                return node
        return None

    def page(self, name):
        """The part of the window to look into from here on: a page by its name, or all of it."""
        self.scope = name and f"{name} page"

    def _nodes(self):
        for node in walk(self.node):
            if self.scope and node.get_name() == self.scope:
                yield from walk(node)
                return
            if not self.scope:
                yield node

    def nodes(self, role, name):
        """The visible nodes of that role and name."""
        for node in self._nodes():
            if node.get_role_name() == role and node.get_name() == name and has(node, Atspi.StateType.VISIBLE):
                yield node

    def find(self, role, name):
        """The first of them, or None."""
        return next(self.nodes(role, name), None)

    def get(self, role, name, timeout=10.0):
        return wait_for(lambda: self.find(role, name), f"{role} {name!r}", timeout)

    def is_sensitive(self, role, name):
        node = self.find(role, name)
        return node is not None and has(node, Atspi.StateType.SENSITIVE)

    def press(self, role, name, timeout=10.0):
        """Presses a button once it can be pressed."""
        wait_for(lambda: self.is_sensitive(role, name), f"{role} {name!r} to be sensitive", timeout)
        self.get(role, name).get_action_iface().do_action(0)

    def texts(self):
        """All texts of the page, in order."""
        return [node.get_name() for node in self._nodes() if node.get_role_name() in TEXTS]

    def shows(self, text):
        """Whether it is anywhere in the window: page, header bar, status line, toast."""
        return any(text in node.get_name() for node in walk(self.node) if node.get_role_name() in TEXTS)

    def wait_text(self, text, timeout=10.0):
        wait_for(lambda: self.shows(text), f"the text {text!r}", timeout)

    def names(self, role):
        return [node.get_name() for node in self._nodes() if node.get_role_name() == role]
