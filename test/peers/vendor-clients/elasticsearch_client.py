import elasticsearch

REFUSED = elasticsearch.ApiError


def first(given):
    config = given["config"]
    client = elasticsearch.Elasticsearch(
        f"https://localhost:{given['port']}",
        basic_auth=(config["username"], config["password"]),
        ca_certs=given["ca"],
        request_timeout=20,
        max_retries=0,
    )
    return client.info()["version"]["number"]
