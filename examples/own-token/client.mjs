#!/usr/bin/env node
// A request over TLS by a program that carries its token itself: it begins TLS, so nobody else can put it in.
//
// usage: procgate-shim run --token-socket /procgate --exempt ADDRESS ... -- node client.mjs ADDRESS PORT NAME [CA-FILE]

import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";
import { text } from "node:stream/consumers";
import tls from "node:tls";

const DESK = process.env.PROCGATE_TOKEN_SOCKET ?? "/procgate";
const PART = 240; // a protocol name has at most 255 bytes

const written = (host, port) => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);

// The token for this connection, which has to be there: the token holds for its two addresses only.
function tokenFor({ localAddress, localPort, remoteAddress, remotePort }) {
  const path = `${DESK}/${written(localAddress, localPort)}/${written(remoteAddress, remotePort)}`;
  return text(net.connect(path));
}

function protocols(token) {
  const parts = token.match(new RegExp(`.{1,${PART}}`, "g"));
  return parts.map((part, index) => `procgate/${index}/${part}`);
}

const [address, port, servername, authority] = process.argv.slice(2);
const socket = net.connect(Number(port), address);
await once(socket, "connect");
const server = tls.connect({
  socket,
  servername,
  ca: authority && readFileSync(authority),
  // What is really spoken comes first: the server picks it.
  ALPNProtocols: ["http/1.1", ...protocols(await tokenFor(socket))],
});
await once(server, "secureConnect");
server.write(`GET / HTTP/1.1\r\nhost: ${servername}\r\nconnection: close\r\n\r\n`);
console.log(server.alpnProtocol, (await text(server)).split("\r\n")[0]);
