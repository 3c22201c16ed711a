from pymongo import MongoClient
from pymongo.errors import PyMongoError

REFUSED = PyMongoError


def first(given):
    config = given["config"]
    client = MongoClient(
        host="localhost",
        port=given["port"],
        username=config["username"],
        password=config["password"],
        tls=True,
        tlsCAFile=given["ca"],
        directConnection=True,
        serverSelectionTimeoutMS=20_000,
    )
    return sorted(client[config["database"]].list_collection_names())
