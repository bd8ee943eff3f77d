// An OpenID provider (oidc-provider, certified) for the tests. It prints its issuer once it listens, and lets everybody in as
// whoever the test says: POST /test/person {sub, email, email_verified, name} or {"deny": true}.
//
// node provider.mjs '{"port": 0, "redirect_uris": [...], "client_id": "...", "client_secret": "...", "in_token": false}'

import { createServer } from "node:http";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import Provider from "oidc-provider";

const options = JSON.parse(process.argv[2]);
let person = { sub: "nobody" };
const claims = new Map();

// New keys at each start: a host that has the old ones must notice.
const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
const jwks = { keys: [{ ...key, kid: randomUUID(), alg: "RS256", use: "sig" }] };

const server = createServer();
await new Promise((listening) => server.listen(options.port, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: options.client_id,
      client_secret: options.client_secret,
      redirect_uris: options.redirect_uris,
    },
  ],
  jwks,
  cookies: { keys: [randomUUID()] },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  conformIdTokenClaims: !options.in_token,
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ ...claims.get(sub), sub }) }),
  // Everybody has agreed to everything.
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope("openid email profile");
    await grant.save();
    return grant;
  },
});

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString());
}

const serve = provider.callback();
server.on("request", async (request, response) => {
  if (request.url === "/test/person") {
    person = await read(request);
    claims.set(person.sub, person);
    response.writeHead(204).end();
  } else if (request.url.startsWith("/interaction/")) {
    const result = person.deny ? { error: "access_denied" } : { login: { accountId: person.sub } };
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  } else {
    serve(request, response);
  }
});
console.log(issuer);
