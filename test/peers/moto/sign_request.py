"""Prints the headers with which AWS' own library signs a request: `python sign_request.py METHOD URL BODY SERVICE REGION ID SECRET`."""

import hashlib
import json
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

method, url, body, service, region, *key = sys.argv[1:]
headers = {"x-amz-content-sha256": hashlib.sha256(body.encode()).hexdigest()}
request = AWSRequest(method=method, url=url, data=body.encode(), headers=headers)
SigV4Auth(Credentials(*key), service, region).add_auth(request)
print(json.dumps(dict(request.headers)))
