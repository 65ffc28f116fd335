"""requests, with its timeout."""

import sys
import time

import requests

url, seconds = sys.argv[1], float(sys.argv[2])
started = time.monotonic()
try:
    print(requests.get(url, timeout=seconds).status_code)
except requests.RequestException as error:
    print("failed", round((time.monotonic() - started) * 1000), repr(error))
