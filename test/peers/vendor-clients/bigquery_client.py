from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import RefreshError
from google.cloud import bigquery
from google_account import credentials

SCOPE = "https://www.googleapis.com/auth/bigquery"
REFUSED = (GoogleAPIError, RefreshError)


def first(given):
    config = given["config"]
    client = bigquery.Client(project=config["projectId"], credentials=credentials(given, SCOPE), location=config["location"])
    return [dataset.dataset_id for dataset in client.list_datasets(retry=None, timeout=20)]
