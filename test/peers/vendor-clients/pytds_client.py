import pytds

REFUSED = pytds.tds_base.Error


def first(given):
    config = given["config"]
    with pytds.connect(
        dsn="localhost",
        port=given["port"],
        user=config["username"],
        password=config["password"],
        database=config["database"],
        cafile=given["ca"],
        timeout=20,
        login_timeout=20,
        autocommit=True,
    ) as connection:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
            return cursor.fetchone()[0]
