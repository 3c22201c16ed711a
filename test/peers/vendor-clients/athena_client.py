import time

from aws_client import client
from botocore.exceptions import ClientError

REFUSED = ClientError
RUNNING = ("QUEUED", "RUNNING")


def first(given):
    config = given["config"]
    athena = client("athena", config)
    begun = athena.start_query_execution(
        QueryString="SELECT 1", ResultConfiguration={"OutputLocation": config["outputLocation"]}
    )
    query = {"QueryExecutionId": begun["QueryExecutionId"]}
    while athena.get_query_execution(**query)["QueryExecution"]["Status"]["State"] in RUNNING:
        time.sleep(0.05)
    rows = athena.get_query_results(**query)["ResultSet"]["Rows"]
    return rows[-1]["Data"][0]["VarCharValue"]
