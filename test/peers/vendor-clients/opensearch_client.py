import opensearchpy

REFUSED = opensearchpy.TransportError


def first(given):
    config = given["config"]
    client = opensearchpy.OpenSearch(
        f"https://localhost:{given['port']}",
        http_auth=(config["username"], config["password"]),
        ca_certs=given["ca"],
        timeout=20,
        max_retries=0,
    )
    return client.info()["version"]["number"]
