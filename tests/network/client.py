"""A program that reaches a server by gRPC or SMTP, by the library that everybody takes; or two servers by
turns, each of which is the one to end the connection.

usage: client.py grpc|smtp|turns ADDRESS
"""

import smtplib
import socket
import sys

import grpc

TURNS = 400


def quit_at(port):
    with socket.create_connection((address, port), timeout=10) as connection:
        connection.sendall(b"QUIT\r\n")
        while connection.recv(1024):
            pass


kind, address = sys.argv[1:]
if kind == "grpc":
    with grpc.insecure_channel(f"{address}:50051") as channel:
        print(channel.unary_unary("/shop.Echo/Say")(b"grpc", timeout=10).decode())
elif kind == "turns":
    for _ in range(TURNS):
        quit_at(6379)
        quit_at(25)
    print("hello turns")
else:
    with smtplib.SMTP(address, 25, timeout=10) as server:
        server.sendmail("checkout@shop.example", ["mail@shop.example"], "Subject: hello\n\nhello\n")
        print("hello smtp")
