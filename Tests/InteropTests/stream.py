"""Bytes over a kernel's TCP, compared by their hash.

    stream.py serve ADDRESS PORT         take one connection, read it to its end, answer with the hash of what came
    stream.py send ADDRESS PORT BYTES    send so many bytes and say whether the other end got the same ones
"""
import hashlib
import socket
import sys
import time


def main():
    verb, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    digest = hashlib.sha256()
    if verb == "serve":
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(1)
        connection, _ = listener.accept()
        while data := connection.recv(1 << 20):
            digest.update(data)
        connection.sendall(digest.hexdigest().encode())
        return
    count = int(sys.argv[4])
    for attempt in range(50):
        try:
            connection = socket.create_connection((address, port), timeout=30)
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    began = time.monotonic()
    block = bytes(range(251)) * 4_000
    left = count
    while left:
        piece = block[: min(left, len(block))]
        connection.sendall(piece)
        digest.update(piece)
        left -= len(piece)
    connection.shutdown(socket.SHUT_WR)
    answer = connection.recv(64, socket.MSG_WAITALL).decode()
    seconds = time.monotonic() - began
    same = "the same" if answer == digest.hexdigest() else "other"
    print(f"{same} bytes arrived, {count * 8 / seconds / 1e6:.0f} Mbit/s")


main()
