from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import DatabricksError

REFUSED = (DatabricksError, ValueError)


def first(given):
    config = given["config"]
    client = WorkspaceClient(
        host=f"https://{config['host']}",
        token=config["authentication"]["accessToken"]["token"],
        auth_type="pat",
    )
    warehouse = config["httpPath"].rsplit("/", 1)[1]
    result = client.statement_execution.execute_statement("select current_catalog()", warehouse, catalog=config["catalog"])
    return result.result.data_array[0][0]
