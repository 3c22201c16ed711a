import trino

REFUSED = (trino.exceptions.HttpError, trino.exceptions.TrinoQueryError)


def first(given):
    config = given["config"]
    connection = trino.dbapi.connect(
        host="localhost",
        port=given["port"],
        http_scheme="https",
        verify=given["ca"],
        auth=trino.auth.BasicAuthentication(config["username"], config["password"]),
        user=config["username"],
        catalog=config["catalog"],
        request_timeout=20,
        max_attempts=1,
    )
    cursor = connection.cursor()
    cursor.execute("select 1")
    return cursor.fetchone()[0]
