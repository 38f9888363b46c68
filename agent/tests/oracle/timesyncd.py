"""A systemd-timesyncd that is none, on a real message bus, for one program.

usage: timesyncd.py MESSAGE PROGRAM [ARGUMENT…]   MESSAGE: JSON, the members of NTPMessage
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

NAME, PATH = "org.freedesktop.timesync1", "/org/freedesktop/timesync1"
TYPES = {"u": dbus.UInt32, "i": dbus.Int32, "t": dbus.UInt64, "b": dbus.Boolean}


class Manager(dbus.service.Object):
    def __init__(self, bus, message):
        super().__init__(bus, PATH)
        members = [TYPES[t](value) for t, value in zip("uuuuitt", message)]
        members.append(dbus.ByteArray(bytes(message[7])))
        members += [TYPES[t](value) for t, value in zip("ttttbtt", message[8:])]
        self.message = dbus.Struct(members, signature="uuuuittayttttbtt")

    @dbus.service.method(dbus.PROPERTIES_IFACE, in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        assert (interface, name) == (NAME + ".Manager", "NTPMessage"), (interface, name)
        return self.message

    @dbus.service.method(dbus.PROPERTIES_IFACE, in_signature="s", out_signature="a{sv}")
    def GetAll(self, interface):
        return {"NTPMessage": self.message, "RootDistanceMaxUSec": dbus.UInt64(5_000_000)}


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
