import snowflake.connector

REFUSED = snowflake.connector.errors.Error


def first(given):
    config = given["config"]
    connection = snowflake.connector.connect(
        account=config["account"],
        host="localhost",
        port=given["port"],
        protocol="https",
        user=config["username"],
        password=config["authentication"]["password"]["password"],
        warehouse=config["warehouse"],
        database=config["database"],
        login_timeout=20,
        network_timeout=20,
        client_session_keep_alive=False,
        disable_ocsp_checks=True,
        session_parameters={},
    )
    return connection.cursor().execute("select 1").fetchone()[0]
