"""Runs every check of scim2-tester against a server: arguments its address, the file with its CA, the file with the key."""

import ssl
import sys

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status
from scim2_tester import check_server

base, ca, key = sys.argv[1:4]
with open(key, encoding="ascii") as file:
    headers = {"Authorization": f"Bearer {file.read().strip()}"}
context = ssl.create_default_context(cafile=ca)
with httpx2.Client(base_url=base, headers=headers, verify=context, timeout=60) as http:
    results = check_server(SyncSCIMClient(http))
for result in results:
    if result.status != Status.SUCCESS:
        print(f"{result.status.name} {result.resource_type or ''} {result.title}: {result.reason}")
counts = {status.name: sum(result.status == status for result in results) for status in Status}
print("checks", " ".join(f"{name}={count}" for name, count in counts.items()))
