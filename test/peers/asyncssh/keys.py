"""Writes a key of each kind in each text form of a private key that asyncssh knows: `python keys.py PASSPHRASE`. Prints them
as JSON, each by its name, with its public key."""

import json
import sys

import asyncssh

KINDS = {
    "Ed25519": "ssh-ed25519",
    "Ed448": "ssh-ed448",
    "ECDSA P-256": "ecdsa-sha2-nistp256",
    "ECDSA P-384": "ecdsa-sha2-nistp384",
    "ECDSA P-521": "ecdsa-sha2-nistp521",
    "RSA": "ssh-rsa",
}
OPENSSH = [
    "3des-cbc",
    "aes128-cbc",
    "aes256-cbc",
    "aes128-ctr",
    "aes256-ctr",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
]
FORMS = {
    "openssh": OPENSSH,
    "pkcs1-pem": ["aes128-cbc", "aes256-cbc", "des3-cbc"],
    "pkcs8-pem": ["aes128-cbc", "aes256-cbc", "des3-cbc"],
}
# its own 128 rounds for each of them would take minutes
FEW = {"rounds": 2}
# the older standard knows these two alone
WITHOUT_PKCS1 = ["Ed25519", "Ed448"]

told = {}
for kind, algorithm in KINDS.items():
    key = asyncssh.generate_private_key(algorithm)
    for form, ciphers in FORMS.items():
        if form == "pkcs1-pem" and kind in WITHOUT_PKCS1:
            continue
        for cipher in [None, *ciphers]:
            encryption = {} if cipher is None else {"passphrase": sys.argv[1], "cipher_name": cipher, **FEW}
            told[f"{kind}, {form}, {cipher or 'not encrypted'}"] = {
                "private": key.export_private_key(form, **encryption).decode(),
                "public": key.export_public_key("openssh").decode(),
            }
usual = asyncssh.generate_private_key("ssh-ed25519")
told["as asyncssh encrypts by itself"] = {
    "private": usual.export_private_key(passphrase=sys.argv[1]).decode(),
    "public": usual.export_public_key("openssh").decode(),
}
print(json.dumps(told))
