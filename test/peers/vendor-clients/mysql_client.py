import mysql.connector

REFUSED = mysql.connector.Error


def first(given):
    config = given["config"]
    connection = mysql.connector.connect(
        host="localhost",
        port=given["port"],
        user=config["username"],
        password=config["password"],
        database=config["database"],
        ssl_ca=given["ca"],
        ssl_verify_cert=True,
        use_pure=True,
        connection_timeout=20,
    )
    cursor = connection.cursor()
    cursor.execute("select 1")
    return cursor.fetchone()[0]
