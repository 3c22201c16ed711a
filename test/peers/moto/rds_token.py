"""Prints the token that AWS' own library signs for a database: `python rds_token.py HOST PORT USER REGION ID SECRET [TOKEN]`."""

import sys

import boto3

host, port, user, region, *key = sys.argv[1:]
session = boto3.Session(*key, region_name=region)
print(session.client("rds").generate_db_auth_token(host, int(port), user))
