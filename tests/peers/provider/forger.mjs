// An OpenID provider that says and signs what the test likes, where an honest one would not. It prints its issuer once it listens.
// What the next tokens hold besides, or instead, and what they are signed with:
// POST /test/token {"claims": {...}, "key": "own" | "another" | "secret" | "none"}.
//
// node forger.mjs '{"client_id": "...", "client_secret": "...", "poses_as": "an issuer", "tls": {"key": "a file", "certificate": "a file"}}'

import { createHmac, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";

const options = JSON.parse(process.argv[2]);
const [own, another] = [0, 1].map(() => generateKeyPairSync("rsa", { modulusLength: 2048 }));
const jwk = { ...own.publicKey.export({ format: "jwk" }), kid: "own", alg: "RS256", use: "sig" };
const signatures = {
  own: ["RS256", (text) => sign("sha256", text, own.privateKey)],
  another: ["RS256", (text) => sign("sha256", text, another.privateKey)],
  secret: ["HS256", (text) => createHmac("sha256", options.client_secret).update(text).digest()],
  none: ["none", () => ""],
};
let wanted = {};
const nonces = new Map();

const encode = (part) => Buffer.from(part).toString("base64url");

function token(nonce) {
  const [alg, signature] = signatures[wanted.key ?? "own"];
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: issuer,
    aud: options.client_id,
    sub: "ada",
    email: "ada@example.org",
    email_verified: true,
    nonce,
    iat: now,
    exp: now + 300,
    ...wanted.claims,
  };
  const text = `${encode(JSON.stringify({ alg, kid: "own" }))}.${encode(JSON.stringify(claims))}`;
  return `${text}.${encode(signature(Buffer.from(text)))}`;
}

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function answer(request, response) {
  const url = new URL(request.url, issuer);
  const reply = (value) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
  switch (url.pathname) {
    case "/.well-known/openid-configuration":
      return reply({
        issuer: options.poses_as ?? issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/keys`,
        response_types_supported: ["code"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["RS256"],
      });
    case "/keys":
      return reply({ keys: [jwk] });
    case "/authorize": {
      const code = `a-code-of-the-forger-${randomUUID()}`;
      nonces.set(code, url.searchParams.get("nonce"));
      const back = new URL(url.searchParams.get("redirect_uri"));
      back.searchParams.set("code", code);
      back.searchParams.set("state", url.searchParams.get("state"));
      return response.writeHead(302, { location: back.href }).end();
    }
    case "/token": {
      const code = new URLSearchParams(await read(request)).get("code");
      const id_token = token(nonces.get(code));
      return reply({ access_token: "an-access-token-of-the-forger", token_type: "Bearer", expires_in: 300, id_token });
    }
    case "/test/token":
      wanted = JSON.parse(await read(request));
      return response.writeHead(204).end();
    default:
      return response.writeHead(404).end();
  }
}

const server = options.tls
  ? createTlsServer({ key: readFileSync(options.tls.key), cert: readFileSync(options.tls.certificate) }, answer)
  : createServer(answer);
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `${options.tls ? "https" : "http"}://127.0.0.1:${server.address().port}`;
console.log(issuer);
