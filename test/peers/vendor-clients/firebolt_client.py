from firebolt.client.auth import ClientCredentials
from firebolt.db import connect
from firebolt.utils.exception import FireboltError

REFUSED = FireboltError


def first(given):
    config = given["config"]
    with connect(
        auth=ClientCredentials(config["clientId"], config["clientSecret"]),
        account_name=config["account"],
        database=config["database"],
        engine_name=config["engine"],
        disable_cache=True,
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("select 1")
        return cursor.fetchone()[0]
