// Uses the page as a person does, with mouse and keyboard, light and dark.
import assert from "node:assert/strict";
import { becomes, decisions, end, flows, frame, graph, load, ok, page, pause, picture, requests, search, text, until } from "./page.mjs";

await load();
const data = JSON.parse(await text("#data"));
assert.equal(await flows(), data.flows.length);
assert.equal(await graph((cy) => cy.nodes(":visible").length), data.nodes.length);
const painted = await page.evaluate(() => [...document.querySelectorAll("#graph canvas")].some((canvas) =>
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0)));
assert.ok(painted);
await picture("light");
ok("draws every node and flow");

assert.deepEqual(requests.filter((url) => !url.startsWith("file:") && !url.startsWith("data:")), []);
assert.equal(requests.filter((url) => url.startsWith("file:")).length, 1);
assert.equal(await page.$$eval("script", (all) => all.length), 3);
assert.equal(await page.$$eval("img, iframe, object, [onerror]", (all) => all.length), 0);
assert.ok(!/[\u202e\u001b]/.test(await text("body")));
ok("loads one file, and names that peers chose are text in it");

const kinds = await graph((cy) => ["allowed", "denied", "audit", "unidentified"].map((kind) => {
  const edge = cy.edges(`.${kind}`)[0];
  return [edge.style("line-style") + edge.style("line-dash-pattern"), edge.style("target-arrow-shape"), edge.style("label")];
}));
for (const part of [1, 2]) assert.equal(new Set(kinds.map((kind) => kind[part])).size, 4, JSON.stringify(kinds));
assert.equal(new Set(kinds.map((kind) => kind[0])).size, 4, JSON.stringify(kinds));
const words = await page.$$eval("#outcomes label", (all) => all.map((label) => label.textContent));
assert.equal(new Set(words).size, 4);
ok("tells the outcomes apart by line, arrowhead, mark and word");

await search("payments");
const found = await flows();
assert.ok(found > 0 && found < data.flows.length);
await search(data.flows.find((flow) => flow.exe.length > 0).exe[0].slice(7, 30));
assert.ok(await flows() > 0);
await search("no such thing");
await becomes(flows, 0, "flows");
assert.ok(await page.$eval("#empty", (element) => !element.hidden));
await search("");
await becomes(flows, data.flows.length, "flows");
ok("finds by name and digest, and says when nothing fits");

for (const outcome of ["allowed", "denied", "audit", "unidentified"]) {
  const others = data.flows.filter((flow) => flow.outcome !== outcome).length;
  await page.click(`label:has(#show-${outcome})`);
  await becomes(flows, others, `flows without ${outcome}`);
  await becomes(() => graph((cy, kind) => cy.edges(`.${kind}:visible`).length, outcome), 0, `drawn ${outcome}`);
  await page.click(`label:has(#show-${outcome})`);
  await becomes(flows, data.flows.length, "flows");
}
ok("hides and shows each outcome");

const all = await decisions();
await page.focus("#from");
for (let step = 0; step < 10; step += 1) await page.keyboard.press("ArrowRight");
const later = await decisions();
assert.ok(later > 0 && later < all, `${later} of ${all}`);
await page.keyboard.press("Home");
await becomes(decisions, all, "decisions");
ok("counts what a range of time has");

const point = (id) => graph((cy, name) => {
  const element = cy.getElementById(name);
  const at = element.isNode() ? element.renderedPosition() : element.renderedMidpoint();
  const box = cy.container().getBoundingClientRect();
  return [box.x + at.x, box.y + at.y];
}, id);
const denied = data.flows.findIndex((flow) => flow.outcome === "denied");
await search(data.nodes[data.flows[denied].process].name);
await page.mouse.click(...await point(`n${data.flows[denied].process}`));
await until("details of a node", async () => (await text("#side h2")) === data.nodes[data.flows[denied].process].name);
for (const name of ["allowed", "audit", "unidentified"]) await page.click(`label:has(#show-${name})`);
await page.keyboard.press("Escape");
await pause(100);
await frame();
await page.mouse.click(...await point(`f${denied}`));
await until("details of a flow", () => page.$("#explain"));
const side = await text("#side");
for (const part of ["no-matching-rule", "checkout-pays", data.flows[denied].exe[0], "first seen", "last seen", "decisions"]) {
  assert.ok(side.includes(part), `${part}: ${side}`);
}
assert.equal(await text("#explain"), data.flows[denied].explain);
assert.ok((await text("#explain")).startsWith("procgate policy explain --policy "));
assert.ok(side.includes("Rule checkout-pays"), side);
await picture("details");
ok("a click shows rule, digest, evidence and the command that explains");
for (const name of ["allowed", "audit", "unidentified"]) await page.click(`label:has(#show-${name})`);

await page.keyboard.press("Escape");
assert.ok(await page.$eval("#side", (element) => element.hidden));
await search("");
await page.focus("#graph");
await page.keyboard.press("/");
assert.equal(await page.evaluate(() => document.activeElement.id), "search");
await page.keyboard.press("Escape");
assert.equal(await page.evaluate(() => document.activeElement.id), "list");
for (let step = 0; step < 3; step += 1) await page.keyboard.press("ArrowDown");
assert.equal(await page.$eval("#list [aria-selected=true]", (item) => [...item.parentNode.children].indexOf(item)), 2);
assert.ok(await page.$eval("#side", (element) => !element.hidden));
const zoom = await graph((cy) => cy.zoom());
await page.keyboard.press("+");
assert.ok(await graph((cy) => cy.zoom()) > zoom);
await page.keyboard.press("0");
await page.keyboard.press("Escape");
const reached = new Set();
for (let step = 0; step < 14; step += 1) {
  await page.keyboard.press("Tab");
  reached.add(await page.evaluate(() => document.activeElement.id));
}
for (const id of ["search", "show-allowed", "show-unidentified", "list", "graph", "from", "to"]) assert.ok(reached.has(id), id);
ok("works by the keyboard alone");

const colours = () => page.evaluate(() => {
  const cy = document.getElementById("graph")._cyreg.cy;
  return [getComputedStyle(document.body).backgroundColor, cy.nodes()[0].style("color"), cy.edges(".denied")[0].style("line-color")].join(" ");
});
const light = await colours();
await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
await until("the dark colours", async () => (await colours()).split(" ").every((part, at) => part !== light.split(" ")[at] || !part.includes("rgb")));
const dark = await colours();
await picture("dark");
await page.click("#theme");
await becomes(colours, light, "the colours");
await page.click("#theme");
await becomes(colours, dark, "the colours");
ok("is light or dark as the system is, or as one chooses");

await end();
