"""A bastion made of asyncssh, on loopback: `python bastion.py`, with its settings as JSON on stdin. Prints its port and the
fingerprint of its host key. It ends with its stdin."""

import asyncio
import json
import sys

import asyncssh

settings = json.loads(sys.stdin.readline())
target = settings.get("target")
known = [asyncssh.import_public_key(line) for line in settings.get("authorizedKeys", [])]


class Bastion(asyncssh.SSHServer):
    """Takes the user's password, or the answers to its questions, and opens one place for him."""

    def connection_made(self, connection):
        self.connection = connection
        if "banner" in settings:
            connection.send_auth_banner(settings["banner"])

    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return "password" in settings and "rounds" not in settings

    def validate_password(self, username, password):
        is_right = username == settings["user"] and password == settings.get("password")
        if is_right and settings.get("expired"):
            raise asyncssh.PasswordChangeRequired("Your password has expired.")
        return is_right

    def change_password(self, username, old_password, new_password):
        return False

    def public_key_auth_supported(self):
        return "authorizedKeys" in settings

    def validate_public_key(self, username, key):
        return username == settings["user"] and key in known

    def kbdint_auth_supported(self):
        return "rounds" in settings

    def get_kbdint_challenge(self, username, lang, submethods):
        self.rounds = list(settings["rounds"])
        return self.question()

    def validate_kbdint_response(self, username, responses):
        prompts = self.rounds.pop(0)
        if responses != [settings["password"]] * len(prompts) or username != settings["user"]:
            return False
        return self.question() if self.rounds else True

    def question(self):
        return "Sign in", "", "", [(text, False) for text in self.rounds[0]]

    def connection_requested(self, dest_host, dest_port, orig_host, orig_port):
        if f"{dest_host}:{dest_port}" != settings.get("forward"):
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "Not there.")
        return self.connection.forward_connection("127.0.0.1", target)


async def main():
    host_key = asyncssh.generate_private_key(settings.get("hostKey", "ssh-ed25519"))
    options = {"rekey_bytes": settings["rekeyBytes"]} if "rekeyBytes" in settings else {}
    if "keepaliveSeconds" in settings:
        options["keepalive_interval"] = settings["keepaliveSeconds"]
    server = await asyncssh.create_server(
        Bastion, "127.0.0.1", 0, server_host_keys=[host_key], server_version=settings.get("version", ()), **options
    )
    print(server.sockets[0].getsockname()[1], host_key.get_fingerprint(), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
