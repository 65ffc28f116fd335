"""asyncio's own streams, 200 at a time, under wait_for."""

import asyncio
import sys
import time
from urllib.parse import urlsplit

url, seconds = urlsplit(sys.argv[1]), float(sys.argv[2])


async def get():
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(f"GET {url.path} HTTP/1.1\r\nhost: {url.netloc}\r\nconnection: close\r\n\r\n".encode())
    status = int((await reader.readline()).split()[1])
    await reader.read()
    writer.close()
    return status


async def main():
    gets = (asyncio.wait_for(get(), seconds) for _ in range(200))
    return await asyncio.gather(*gets, return_exceptions=True)


started = time.monotonic()
answers = asyncio.run(main())
if all(isinstance(answer, Exception) for answer in answers):
    print("failed", round((time.monotonic() - started) * 1000), repr(answers[0]))
else:
    print(*set(map(repr, answers)))
