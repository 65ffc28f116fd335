"""PyJWT's end of the interchange: signs or verifies one token, as the JSON object on stdin says."""

import json
import sys

import jwt

request = json.load(sys.stdin)
key = jwt.PyJWK(request["jwk"], algorithm=request["alg"]).key
if "claims" in request:
    answer = {"token": jwt.encode(request["claims"], key, request["alg"], headers={"kid": request["jwk"]["kid"]})}
else:
    options = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(request["token"], key, [request["alg"]], audience="procgate", options=options)
    answer = {"claims": claims, "header": jwt.get_unverified_header(request["token"])}
json.dump(answer, sys.stdout)
