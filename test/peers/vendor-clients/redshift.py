import redshift_connector

REFUSED = redshift_connector.Error


def first(given):
    config = given["config"]
    with redshift_connector.connect(
        host="localhost",
        port=given["port"],
        database=config["database"],
        user=config["username"],
        password=config["password"],
        ssl=False,
        timeout=20,
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("select 1")
        return cursor.fetchone()[0]
