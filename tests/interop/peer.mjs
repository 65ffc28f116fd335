// jose's end of the interchange: signs or verifies one token, as the JSON object on stdin says.
import { readFileSync } from "node:fs";
import { importJWK, jwtVerify, SignJWT } from "jose";

const request = JSON.parse(readFileSync(0, "utf8"));
const key = await importJWK(request.jwk, request.alg);
if (request.claims) {
  const signer = new SignJWT(request.claims).setProtectedHeader({ alg: request.alg, kid: request.jwk.kid });
  console.log(JSON.stringify({ token: await signer.sign(key) }));
} else {
  const currentDate = new Date(request.now * 1000);
  const { payload, protectedHeader } = await jwtVerify(request.token, key, { audience: "procgate", currentDate });
  console.log(JSON.stringify({ claims: payload, header: protectedHeader }));
}
