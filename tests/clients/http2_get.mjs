// node:http2 with prior knowledge, two requests one after the other on one connection.
import http2 from "node:http2";

const [url, seconds] = process.argv.slice(2);
const { origin, pathname } = new URL(url);
const started = performance.now();
const session = http2.connect(origin);
const get = () =>
  new Promise((resolve, reject) => {
    session.on("error", reject);
    const request = session.request({ ":path": pathname });
    let status;
    request.on("response", (headers) => (status = headers[":status"]));
    request.on("error", reject);
    request.on("close", () => (status ? resolve(status) : reject(new Error("no answer"))));
    request.resume().end();
  });
// A timer of its own: those of sessions and requests wait for the connection first.
const timer = setTimeout(() => {
  console.log(`failed ${Math.round(performance.now() - started)} timeout`);
  process.exit();
}, seconds * 1000);
try {
  const statuses = [await get(), await get()];
  console.log(statuses[0] === statuses[1] ? statuses[0] : `both ${statuses}`);
} catch (error) {
  console.log(`failed ${Math.round(performance.now() - started)} ${error}`);
}
clearTimeout(timer);
session.destroy();
