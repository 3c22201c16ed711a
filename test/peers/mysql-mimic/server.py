"""A MySQL server made of mysql-mimic, on loopback, in clear text: `python server.py PASSWORD`. Prints its port. Each of its users
signs in by the way that his name tells, with that password."""

import asyncio
import sys

from mysql_mimic import IdentityProvider, MysqlServer, NativePasswordAuthPlugin, Session, User
from mysql_mimic.auth import AbstractClearPasswordAuthPlugin, NoLoginAuthPlugin

PASSWORD = sys.argv[1]


class ClearPassword(AbstractClearPasswordAuthPlugin):
    name = "clear"

    async def check(self, username, password):
        return username if password == PASSWORD else None


class Users(IdentityProvider):
    def get_plugins(self):
        return [NativePasswordAuthPlugin(), ClearPassword(), NoLoginAuthPlugin()]

    async def get_user(self, username):
        native = NativePasswordAuthPlugin.create_auth_string(PASSWORD)
        users = {
            "äpp": User("äpp", native, "mysql_native_password"),
            "native": User("native", native, "mysql_native_password"),
            "rotated": User("rotated", NativePasswordAuthPlugin.create_auth_string("new"), "mysql_native_password", native),
            "clear": User("clear", None, "clear"),
            "locked": User("locked", None, "mysql_no_login"),
        }
        return users.get(username)


class Shop(Session):
    async def query(self, expression, sql, attrs):
        raise NotImplementedError(sql)

    async def schema(self):
        return {"shop": {"clients": {"id": "INT", "name": "TEXT"}}}


async def main():
    server = MysqlServer(session_factory=Shop, identity_provider=Users())
    await server.start_server(host="127.0.0.1", port=0)
    print(server._server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
