"""aiohttp on asyncio; a second task has to go on ticking while the first waits."""

import asyncio
import sys
import time

import aiohttp

url, seconds = sys.argv[1], float(sys.argv[2])


async def get():
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds)) as session:
        async with session.get(url) as answer:
            return answer.status


async def tick():
    while True:
        before = time.monotonic()
        await asyncio.sleep(0.01)
        late = time.monotonic() - before
        if late > 1:
            raise RuntimeError(f"the event loop stood still for {late:.1f} s")


async def main():
    tasks = [asyncio.create_task(get()), asyncio.create_task(tick())]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return done.pop().result()


started = time.monotonic()
try:
    print(asyncio.run(main()))
except (aiohttp.ClientError, TimeoutError) as error:
    print("failed", round((time.monotonic() - started) * 1000), repr(error))
