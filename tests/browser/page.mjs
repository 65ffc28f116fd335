// A page of `procgate graph` in Chromium, and what a test asks of it.
// usage: node TEST.mjs PUPPETEER-FOLDER CHROMIUM PAGE.html SCREENSHOTS
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

const [folder, executablePath, file, pictures] = process.argv.slice(2);
const library = pathToFileURL(`${folder}/node_modules/puppeteer-core/lib/esm/puppeteer/puppeteer-core.js`);
const puppeteer = (await import(library.href)).default;
// As root Chromium refuses its sandbox; it loads nothing here but the page under test. It ends with the pipe, also
// where this test is killed.
export const browser = await puppeteer.launch({ executablePath, pipe: true, args: ["--no-sandbox", "--disable-gpu"], protocolTimeout: 120_000 });
export const page = await browser.newPage();
await page.setViewport({ width: 1500, height: 900 });

export const complaints = [];
export const requests = [];
page.on("console", (message) => complaints.push(message.text()));
page.on("pageerror", (error) => complaints.push(error.message));
page.on("dialog", (dialog) => { complaints.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
page.on("request", (request) => requests.push(request.url()));

export const graph = (ask, ...args) => page.evaluate(`(${ask})(document.getElementById("graph")._cyreg.cy, ...${JSON.stringify(args)})`);
export const text = (selector) => page.$eval(selector, (element) => element.textContent);
const number = (words) => Number(words.replaceAll(",", ""));
export const flows = async () => number((await text("#summary")).match(/^([\d,]+) of/)[1]);
export const decisions = async () => number((await text("#summary")).match(/([\d,]+) decisions/)[1]);
export const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
// Waits until what was done is on the screen.
export const frame = () => page.evaluate(() => new Promise((done) => {
  requestAnimationFrame(() => requestAnimationFrame(done));
}));
export const until = async (what, ask) => {
  for (let left = 200; left > 0; left -= 1) {
    if (await ask()) return;
    await pause(50);
  }
  assert.fail(`waited in vain: ${what}`);
};
export const search = async (words) => {
  await page.click("#search", { count: 3 });
  await page.keyboard.press("Backspace");
  if (words) await page.type("#search", words);
  await until(`"${words}" in the search`, () => page.$eval("#search", (input, words) => input.value === words, words));
  await pause(200);
  await frame();
};
// Waits until this is so: a busy machine draws late.
export const becomes = (ask, expected, what) => until(`${what} to be ${expected}`, async () => (await ask()) === expected);
export const ok = (claim) => console.log(`ok ${claim}`);
export const picture = (name) => page.screenshot({ path: `${pictures}/${name}.png` });
export const load = () => page.goto(pathToFileURL(file).href, { timeout: 90_000 });
// Ends the test, which has failed if the page complained.
export const end = async () => {
  assert.deepEqual(complaints, []);
  ok("says nothing on the console");
  await browser.close();
};
