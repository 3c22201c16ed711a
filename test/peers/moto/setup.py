"""Makes a bucket, and users and roles who may do what their names say, at a moto server: `python setup.py URL`. Prints their keys."""

import json
import sys

import boto3

BUCKET = "arn:aws:s3:::my-data"
EVERYTHING = [{"Effect": "Allow", "Action": ["s3:*", "athena:*", "glue:*"], "Resource": "*"}]
RIGHTS = {
    "owner": EVERYTHING,
    "lister": [{"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [BUCKET]}],
    "assumer": [{"Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": "*"}],
    "untrusted": [{"Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": "*"}],
    "stranger": [{"Effect": "Allow", "Action": ["sqs:ListQueues"], "Resource": "*"}],
}
TRUSTED = "arn:aws:iam::123456789012:user/assumer"
EXTERNAL_ID = {"Condition": {"StringEquals": {"sts:ExternalId": "customer-42"}}}
# a role's name, what it may do, and on which condition it may be assumed
ROLES = {
    "reader": (RIGHTS["lister"], {}),
    "partner": (RIGHTS["lister"], EXTERNAL_ID),
    "analyst": (EVERYTHING, {}),
    "idle": (RIGHTS["stranger"], {}),
}


def client(service):
    keys = {"aws_access_key_id": "setup", "aws_secret_access_key": "setup"}
    return boto3.client(service, endpoint_url=sys.argv[1], region_name="eu-central-1", **keys)


iam, s3, athena = client("iam"), client("s3"), client("athena")
told = {}
for name, statements in RIGHTS.items():
    iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    told[name] = {"accessKeyId": key["AccessKeyId"], "secretAccessKey": key["SecretAccessKey"]}
for name, (statements, condition) in ROLES.items():
    trust = {"Effect": "Allow", "Principal": {"AWS": TRUSTED}, "Action": "sts:AssumeRole", **condition}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=document)
s3.create_bucket(Bucket="my-data", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
for key, body in {"exports/a b & ü.csv": b"id,name\n1,x\n", "exports/empty": b"", "readme": b"hello"}.items():
    s3.put_object(Bucket="my-data", Key=key, Body=body)
print(json.dumps(told))
