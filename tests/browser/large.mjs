// Moves and filters a page with 2,000 nodes.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { browser, end, frame, graph, load, ok, page, picture } from "./page.mjs";

// Seconds of processor time that Chromium has taken so far, all of its processes together: unlike the time on the
// wall it is about the same on a machine that is busy with other tests.
const spent = () => {
  const group = String(browser.process().pid);
  const ticks = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map((name) => {
    let line;
    try { line = readFileSync(`/proc/${name}/stat`, "utf8"); } catch { return 0; }
    // proc_pid_stat(5): behind the name in parentheses come state, ppid, pgrp; utime and stime are the 12th and 13th.
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
    return fields[2] === group ? Number(fields[11]) + Number(fields[12]) : 0;
  });
  return ticks.reduce((sum, tick) => sum + tick, 0) / 100;
};
const taking = async (act) => {
  const before = spent();
  await act();
  return spent() - before;
};
const MOVES = 40;

const loaded = await taking(async () => {
  await load();
  await page.waitForSelector("#list li");
  await frame();
});
assert.ok(await graph((cy) => cy.nodes().length) >= 2000);
await page.mouse.move(800, 450);
await page.mouse.down();
await page.mouse.move(801, 450);
await frame();
const moved = await taking(async () => {
  for (let step = 0; step < MOVES; step += 1) {
    await page.mouse.move(800 + step * 4, 450 + step * 2);
    await frame();
  }
});
await page.mouse.up();
await frame();
const filtered = await taking(async () => {
  await page.click("label:has(#show-denied)");
  await frame();
});
const each = 1000 * moved / MOVES;
console.log(`2,000 nodes, processor time: ${loaded.toFixed(1)} s to load, ${each.toFixed(0)} ms for a frame while it is moved, ${filtered.toFixed(1)} s to filter`);
// Twice what it takes without a graphics processor.
assert.ok(loaded < 24 && each < 120 && filtered < 5, `${loaded} ${each} ${filtered}`);
await picture("large");
ok("2,000 nodes can be moved and filtered");

await end();
