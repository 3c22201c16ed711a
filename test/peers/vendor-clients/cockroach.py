import psycopg

REFUSED = psycopg.OperationalError


def first(given):
    config = given["config"]
    with psycopg.connect(
        host="localhost",
        port=given["port"],
        dbname=config["database"],
        user=config["username"],
        password=config["password"],
        sslmode="verify-full",
        sslrootcert=given["ca"],
        connect_timeout=20,
    ) as connection:
        return connection.execute("select 1").fetchone()[0]
