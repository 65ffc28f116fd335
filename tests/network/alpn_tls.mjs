// Names a token's parts among its protocols: AUTHORITY HOST SOURCE-PORT PORT NAMES…; prints what the server says.
import { readFileSync } from "node:fs";
import tls from "node:tls";

const [authority, servername, localPort, port, ...names] = process.argv.slice(2);
const stream = tls.connect({
  host: "127.0.0.1", port: Number(port), localAddress: "127.0.0.1", localPort: Number(localPort),
  ca: readFileSync(authority), servername, ALPNProtocols: ["h2", "http/1.1", ...names],
});
stream.setTimeout(20_000, () => stream.destroy());
stream.on("error", (error) => console.error(error.message));
stream.on("data", (data) => process.stdout.write(data));
