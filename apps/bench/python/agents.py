"""The operations that the documentation of the Python package names, written anew and as short as
they can be: X25519 agreement, a chain of HKDF keys with a Diffie-Hellman turn when the direction
changes, AES-256-GCM, an Ed25519 signature on each message, JSON with base64 over TCP, a hub that
keeps nothing. It is measured only; it speaks to nobody but itself.

    agents.py seal BYTES MESSAGES turn|stay     µs of processor time per message, both ends
    agents.py talk PAIRS BYTES SECONDS          messages per second through the hub
    agents.py version
"""

import asyncio
import base64
import json
import os
import sys
import time

import cryptography
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def kdf(salt, secret):
    okm = HKDF(hashes.SHA256(), 64, salt, b"ratchet").derive(secret)
    return okm[:32], okm[32:]


def text(data):
    return base64.b64encode(data).decode()


class End:
    """One end of one session."""

    def __init__(self, signing, peer_key, root):
        self.signing, self.peer_key, self.root = signing, peer_key, root
        self.ratchet = X25519PrivateKey.generate()
        self.theirs = None
        self.sending = self.receiving = root

    def seal(self, plaintext):
        self.sending, key = kdf(self.sending, b"\x01")
        nonce = os.urandom(12)
        head = {"ratchet": text(self.ratchet.public_key().public_bytes_raw()), "nonce": text(nonce)}
        aad = json.dumps(head).encode()
        sealed = AESGCM(key).encrypt(nonce, plaintext, aad)
        head["ciphertext"], head["signature"] = text(sealed), text(self.signing.sign(aad + sealed))
        return json.dumps(head)

    def open(self, wire):
        head = json.loads(wire)
        sealed = base64.b64decode(head.pop("ciphertext"))
        signature = base64.b64decode(head.pop("signature"))
        aad = json.dumps(head).encode()
        self.peer_key.verify(signature, aad + sealed)
        self.receiving, key = kdf(self.receiving, b"\x01")
        return AESGCM(key).decrypt(base64.b64decode(head["nonce"]), sealed, aad)

    def turn(self, wire):
        """The peer's new key, and a new one of ours: both chains begin anew."""
        theirs = X25519PublicKey.from_public_bytes(base64.b64decode(json.loads(wire)["ratchet"]))
        self.root, _ = kdf(self.root, self.ratchet.exchange(theirs))
        self.ratchet = X25519PrivateKey.generate()
        self.root, _ = kdf(self.root, self.ratchet.exchange(theirs))


def pair():
    a, b = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    root = os.urandom(32)
    return End(a, b.public_key(), root), End(b, a.public_key(), root)


def measure_seal(size, count, turn):
    ends, body = pair(), os.urandom(size)
    started = time.process_time()
    for number in range(count):
        sender, receiver = ends if number % 2 == 0 or not turn else ends[::-1]
        wire = sender.seal(body)
        if turn:
            receiver.turn(wire)
        if receiver.open(wire) != body:
            raise ValueError("not what was sealed")
    return (time.process_time() - started) * 1e6 / count


async def hub(reader, writer, lines):
    """Lines `{"to", ...}` go to whoever said `{"name"}` first; nothing is stored."""
    name = json.loads(await reader.readline())["name"]
    lines[name] = writer
    while line := await reader.readline():
        lines[json.loads(line)["to"]].write(line)
    writer.close()


async def talk(pairs, size, seconds):
    lines, counts = {}, [0] * pairs
    server = await asyncio.start_server(
        lambda r, w: hub(r, w, lines), "127.0.0.1", 0, limit=1 << 22
    )
    port = server.sockets[0].getsockname()[1]

    async def join(name):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        writer.write(json.dumps({"name": name}).encode() + b"\n")
        await writer.drain()
        return reader, writer

    async def send(end, number, writer, gate):
        body = os.urandom(size)
        while True:
            await gate.acquire()
            line = json.dumps({"to": f"b{number}", "message": end.seal(body)})
            writer.write(line.encode() + b"\n")
            await writer.drain()

    async def receive(end, number, reader, gate):
        while line := await reader.readline():
            if len(end.open(json.loads(line)["message"])) != size:
                raise ValueError("not what was sent")
            counts[number] += 1
            gate.release()

    tasks = []
    for number in range(pairs):
        a, b = pair()
        (_, writer), (reader, _) = await join(f"a{number}"), await join(f"b{number}")
        await asyncio.sleep(0.02)
        gate = asyncio.Semaphore(64)
        tasks += [send(a, number, writer, gate), receive(b, number, reader, gate)]
    running = [asyncio.create_task(task) for task in tasks]
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    rate = sum(counts) / (time.perf_counter() - started)
    finish(rate)


def finish(answer):
    print(json.dumps(answer), flush=True)
    os._exit(0)  # connections that are still open need no farewell


def main(what, *args):
    if what == "version":
        return f"{sys.version.split()[0]}, cryptography {cryptography.__version__}"
    if what == "seal":
        return measure_seal(int(args[0]), int(args[1]), args[2] == "turn")
    return asyncio.run(talk(int(args[0]), int(args[1]), float(args[2])))


finish(main(*sys.argv[1:]))
