"""A program that reaches a server by gRPC or SMTP, by the library that everybody takes.

usage: client.py grpc|smtp ADDRESS
"""

import smtplib
import sys

import grpc

kind, address = sys.argv[1:]
if kind == "grpc":
    with grpc.insecure_channel(f"{address}:50051") as channel:
        print(channel.unary_unary("/shop.Echo/Say")(b"grpc", timeout=10).decode())
else:
    with smtplib.SMTP(address, 25, timeout=10) as server:
        server.sendmail("checkout@shop.example", ["mail@shop.example"], "Subject: hello\n\nhello\n")
        print("hello smtp")
