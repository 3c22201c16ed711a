from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import RefreshError
from google.cloud import storage
from google_account import credentials

SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
REFUSED = (GoogleAPIError, RefreshError)


def first(given):
    config = given["config"]
    client = storage.Client(project="my-project", credentials=credentials(given, SCOPE))
    return [blob.name for blob in client.list_blobs(config["bucket"], timeout=20, retry=None)]
