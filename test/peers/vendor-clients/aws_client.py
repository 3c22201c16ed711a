import boto3
from botocore.config import Config


def client(service, config, **more):
    return boto3.client(
        service,
        region_name=config["region"],
        aws_access_key_id=config["accessKeyId"],
        aws_secret_access_key=config["secretAccessKey"],
        config=Config(retries={"total_max_attempts": 1}, read_timeout=20, s3={"addressing_style": "path"}),
        **more,
    )
