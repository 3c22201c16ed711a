import gcs_client
from google.auth import identity_pool
from google.auth.exceptions import OAuthError

REFUSED = (*gcs_client.REFUSED, OAuthError)


class Given(identity_pool.SubjectTokenSupplier):
    def __init__(self, token):
        self.token = token

    def get_subject_token(self, context, request):
        return self.token


def first(given):
    told = given["config"]["workloadIdentity"]
    account = told["serviceAccountEmail"]
    credentials = identity_pool.Credentials(
        audience=told["audience"],
        subject_token_type="urn:ietf:params:oauth:token-type:jwt",
        token_url="https://sts.googleapis.com/v1/token",
        service_account_impersonation_url=f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{account}:generateAccessToken",
        subject_token_supplier=Given(told["token"]),
        scopes=[gcs_client.SCOPE],
    )
    return gcs_client.names(given, credentials)
