"""Hostile API clients and monitors, as programs of their own, so that they take no time from who measures: hostile.py KIND PORT ADDRESS
[COUNT]. A monitor's connection comes as a descriptor, whose number stands for the port.

They do their harm until stdin ends, and say so with a line when they have begun.
"""
import json
import select
import socket
import sys
import time

LIST = b'{"action": "usb_list", "all": true}\n'
MOVE = b'{"action": "usb_detach", "vid": "9999", "pid": "9999"}\n'


def connect(port, address):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.bind((address, 0))
    s.settimeout(5)
    s.connect(("127.0.0.1", port))
    return s


def over():
    return bool(select.select([sys.stdin], [], [], 0)[0])


def say_begun():
    print("begun", flush=True)


def crowd(port, address, count):
    held = []
    for _ in range(count):
        try:
            held.append(connect(port, address))
        except OSError:
            pass
    return held


def silent(port, address, count):
    """Connections that never say a word."""
    held = crowd(port, address, count)
    say_begun()
    while not over():
        time.sleep(0.05)
    return held


def dribble(port, address, count):
    """Lines that are begun, byte by byte, and never end; who is sent away comes again."""
    held = crowd(port, address, count)
    say_begun()
    while not over():
        for i, s in enumerate(held):
            try:
                s.sendall(b" ")
            except OSError:
                try:
                    held[i] = connect(port, address)
                except OSError:
                    pass
        time.sleep(0.02)


def deaf(port, address, count):
    """Subscribers that never read, and ask for lists that they do not read either."""
    held = crowd(port, address, count)
    for s in held:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        s.setblocking(False)
        try:
            s.send(b'{"action": "enable_notifications"}\n' + LIST * 50)
        except OSError:
            pass
    say_begun()
    while not over():
        time.sleep(0.05)


def flood(port, address, count, request=LIST):
    """Requests as fast as they are taken; answers are read and thrown away."""
    held = crowd(port, address, count)
    for s in held:
        s.setblocking(False)
    say_begun()
    while not over():
        readable, writable, _ = select.select(held, held, [], 0.05)
        for s in readable:
            try:
                s.recv(1 << 16)
            except OSError:
                pass
        for s in writable:
            try:
                s.send(request * 20)
            except OSError:
                pass


def moves(port, address, count):
    """The same with requests that would change something."""
    flood(port, address, count, MOVE)


def garbage(port, address, count):
    """Lines of 10 MB, nested and not, with no end in sight until there is one."""
    held = crowd(port, address, count)
    say_begun()
    while not over():
        for s in held:
            try:
                for _ in range(160):
                    s.sendall(b"[" * (1 << 16))
                s.sendall(b"\n" + json.dumps({"action": "x" * 3000}).encode() + b"\n")
                s.recv(1 << 16)
            except OSError:
                pass
            if over():
                return


def knock(port, address, count):
    """Connections by the hundred, from many addresses, opened and thrown away."""
    say_begun()
    n = 0
    while not over():
        try:
            connect(port, f"127.0.{2 + n % 250}.{1 + n // 250 % 250}").close()
        except OSError:
            pass
        n += 1


def events(fd, address, count):
    """A monitor's events as fast as they are taken, whole lines."""
    event = b'{"event": "BALLOON_CHANGE", "data": {"actual": 1}, "timestamp": {"seconds": 1, "microseconds": 2}}\r\n' * 100
    say_begun()
    with socket.socket(fileno=fd) as s:
        while not over():
            s.sendall(event)


def main():
    kind, port, address = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 16
    {"silent": silent, "dribble": dribble, "deaf": deaf, "flood": flood, "moves": moves, "garbage": garbage,
     "knock": knock, "events": events}[kind](port, address, count)


if __name__ == "__main__":
    main()
