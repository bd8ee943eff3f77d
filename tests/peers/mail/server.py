"""A mail server (aiosmtpd) for the tests. Prints its port once it listens, and then each mail as a line of JSON.

server.py PORT CERTIFICATE KEY USER PASSWORD HOW: it takes mail only over TLS and from this user. HOW is `starttls`, or `tls`
where the connection begins with it (RFC 8314, 3.3).
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

PORT, CERTIFICATE, KEY, USER, PASSWORD, HOW = sys.argv[1:]
BEGINS_WITH_TLS = {"starttls": False, "tls": True}[HOW]


class Printer:
    async def handle_DATA(self, server, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "encrypted": server.transport.get_extra_info("sslcontext") is not None,
            "authenticated": session.authenticated,
            "content": envelope.content.decode(),
        }
        print(json.dumps(mail), flush=True)
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    known = data.login == USER.encode() and data.password == PASSWORD.encode()
    return AuthResult(success=known, handled=False)


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE, KEY)

    def session():
        return SMTP(
            Printer(),
            hostname="peers.test",
            tls_context=None if BEGINS_WITH_TLS else context,
            require_starttls=not BEGINS_WITH_TLS,
            # It knows of no other TLS than that of STARTTLS.
            auth_require_tls=not BEGINS_WITH_TLS,
            auth_required=True,
            authenticator=authenticate,
        )

    server = await asyncio.get_running_loop().create_server(
        session, "127.0.0.2", int(PORT), ssl=context if BEGINS_WITH_TLS else None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
