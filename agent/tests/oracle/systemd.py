"""A systemd that is none, on a real message bus, for one program.

usage: systemd.py UNITS PROGRAM [ARGUMENT…]   UNITS: JSON, [[name, load state, active state]…]
Runs the program while the name is held, and ends as it does.
"""

import json
import subprocess
import sys
import threading

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

NAME, PATH = "org.freedesktop.systemd1", "/org/freedesktop/systemd1"


class Manager(dbus.service.Object):
    def __init__(self, bus, units):
        super().__init__(bus, PATH)
        self.units = units

    @dbus.service.method(NAME + ".Manager", out_signature="a(ssssssouso)")
    def ListUnits(self):
        return [
            (name, "what " + name + " is for", load, active, "x", "", PATH, dbus.UInt32(0), "", "/")
            for name, load, active in self.units
        ]


def main():
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    loop = GLib.MainLoop()
    bus = dbus.SystemBus()
    held = dbus.service.BusName(NAME, bus)
    manager = Manager(bus, json.loads(sys.argv[1]))
    result = []

    def run():
        result.append(subprocess.run(sys.argv[2:]).returncode)
        loop.quit()

    threading.Thread(target=run).start()
    loop.run()
    del held, manager
    sys.exit(result[0])


main()
