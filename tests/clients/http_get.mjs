// node:http; the event loop has to go on ticking while it waits.
import http from "node:http";

const [url, seconds] = process.argv.slice(2);
const started = performance.now();
let last = started;
const ticking = setInterval(() => {
  const now = performance.now();
  if (now - last > 1000) throw new Error(`the event loop stood still for ${now - last} ms`);
  last = now;
}, 10);
const end = (line) => {
  clearInterval(ticking);
  console.log(line);
};
// As an option it holds while the socket connects; setTimeout() would wait for the connection first.
const request = http.get(url, { agent: false, timeout: seconds * 1000 }, (answer) => {
  answer.resume();
  end(answer.statusCode);
});
request.on("timeout", () => request.destroy(new Error("timeout")));
request.on("error", (error) => end(`failed ${Math.round(performance.now() - started)} ${error}`));
