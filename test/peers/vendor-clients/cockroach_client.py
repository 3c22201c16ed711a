import psycopg

REFUSED = psycopg.OperationalError


def first(given):
    config = given["config"]
    in_clear_text = config["tls"]["mode"] == "DISABLE"
    with psycopg.connect(
        host="localhost",
        port=given["port"],
        dbname=config["database"],
        user=config["username"],
        password=config["password"],
        sslmode="disable" if in_clear_text else "verify-full",
        sslrootcert=given["ca"],
        connect_timeout=20,
    ) as connection:
        return connection.execute("select 1").fetchone()[0]
