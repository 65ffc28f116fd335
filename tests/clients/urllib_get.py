"""urllib, with the timeout of its sockets."""

import sys
import time
import urllib.error
import urllib.request

url, seconds = sys.argv[1], float(sys.argv[2])
started = time.monotonic()
try:
    with urllib.request.urlopen(url, timeout=seconds) as answer:
        print(answer.status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError as error:
    print("failed", round((time.monotonic() - started) * 1000), repr(error))
