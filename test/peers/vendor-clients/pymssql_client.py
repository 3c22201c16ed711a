import pymssql

REFUSED = pymssql.Error


def first(given):
    config = given["config"]
    with pymssql.connect(
        server="localhost",
        port=str(given["port"]),
        user=config["username"],
        password=config["password"],
        database=config["database"],
        encryption="require",
        login_timeout=20,
        timeout=20,
    ) as connection:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
            return cursor.fetchone()[0]
