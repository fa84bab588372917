"""A WebSocket client of another project (python3-websockets): OPTIONS over WS or WSS, text and binary.

websocket.py URL [AUTHORITY]
"""

import asyncio
import ssl
import sys

import websockets

REQUEST = (
    "OPTIONS sip:example.test SIP/2.0\r\n"
    "Via: SIP/2.0/{kind} df7jal23ls0d.invalid;branch=z9hG4bK{branch};rport\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:browser@example.test>;tag={branch}\r\n"
    "To: <sip:example.test>\r\n"
    "Call-ID: {branch}\r\n"
    "CSeq: 1 OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
)


async def main(url, authority):
    context = ssl.create_default_context(cafile=authority) if authority else None
    kind = "WSS" if authority else "WS"
    options = {"ssl": context, "server_hostname": "example.test"} if context else {}
    async with websockets.connect(url, subprotocols=["sip"], **options) as socket:
        assert socket.subprotocol == "sip", socket.subprotocol
        for branch, binary in (("one", False), ("two", True)):
            text = REQUEST.format(kind=kind, branch=branch)
            await socket.send(text.encode() if binary else text)
            answer = await asyncio.wait_for(socket.recv(), 10)
            answer = answer.decode() if isinstance(answer, bytes) else answer
            assert answer.startswith("SIP/2.0 200 "), answer
            # RFC 7118 section 5: the client has no address that could be looked up.
            assert "df7jal23ls0d.invalid" in answer, answer
            assert ";received=" in answer, answer
        # RFC 7118 section 6: keep-alive, as a frame and as line ends.
        await asyncio.wait_for(await socket.ping(), 10)
        await socket.send("\r\n\r\n")
        assert await asyncio.wait_for(socket.recv(), 10) == "\r\n"
    try:
        async with websockets.connect(url, **options):
            raise AssertionError("a client without the subprotocol was let in")
    except websockets.exceptions.InvalidStatusCode as refused:
        assert refused.status_code == 400, refused.status_code
    print("done")


asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
