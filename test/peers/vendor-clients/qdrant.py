from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import UnexpectedResponse

REFUSED = UnexpectedResponse


def first(given):
    client = QdrantClient(url=f"https://localhost:{given['port']}", api_key=given["config"]["apiKey"], verify=given["ca"], timeout=20)
    return sorted(collection.name for collection in client.get_collections().collections)
