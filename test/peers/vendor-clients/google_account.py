from google.oauth2 import service_account


def credentials(given, scope):
    told = given["config"]["credentials"]
    # signed by the key itself, as the vendor's newer clients do, instead of asking for a token
    return service_account.Credentials.from_service_account_info(
        {
            "type": "service_account",
            "private_key": told["privateKey"],
            "private_key_id": told["privateKeyId"],
            "client_email": told["clientEmail"],
            "token_uri": "https://oauth2.googleapis.com/token",
        },
        scopes=[scope],
        always_use_jwt_access=True,
    )
