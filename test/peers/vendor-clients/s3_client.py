from aws_client import client
from botocore.exceptions import ClientError

REFUSED = ClientError


def first(given):
    config = given["config"]
    s3 = client("s3", config, endpoint_url=config["baseUrl"])
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=config["bucket"])["Contents"]]
