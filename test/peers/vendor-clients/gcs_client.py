from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import RefreshError
from google.cloud import storage
from google_account import credentials

SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
REFUSED = (GoogleAPIError, RefreshError)


def names(given, signed_in):
    config = given["config"]
    client = storage.Client(project="my-project", credentials=signed_in)
    return [blob.name for blob in client.list_blobs(config["bucket"], timeout=20, retry=None)]


def first(given):
    return names(given, credentials(given, SCOPE))
