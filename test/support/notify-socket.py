"""Plays systemd's part of sd_notify(3), which Node has no sockets for: prints a JSON line per message,
with its time and whether HOST:PORT accepted connections at that moment. Usage: notify-socket.py SOCKET HOST PORT"""
import json, socket, sys, time

path, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(path)
print(json.dumps({"listening": True}), flush=True)
while True:
    message = notify.recv(4096).decode()
    at = time.time() * 1000
    probe = socket.socket()
    serves = probe.connect_ex((host, port)) == 0
    probe.close()
    print(json.dumps({"message": message.split("\n"), "serves": serves, "at": at}), flush=True)
