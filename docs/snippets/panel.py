"""What a control panel in Python does with resetdesk: Python 3.9 and its standard library, nothing else.

    RESETDESK_URL=https://reset.example.net RESETDESK_KEY=rdk_... python3 panel.py

It plays the user's phone too, so that it runs by itself. Test installations only: it writes account A-PYTHON.
"""
import base64
import hashlib
import hmac
import json
import os
import struct
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid


class Refused(Exception):
    """A problem of the API; kind is its name, see /api/v1/problems."""

    def __init__(self, status, problem):
        super().__init__(f"{problem.get('title')}: {problem.get('detail')}")
        self.status, self.problem = status, problem
        self.kind = problem.get("type", "").partition("#")[2]


def call(method, path, body=None):
    """One request. What the network cuts is repeated under one Idempotency-Key, so it is done once."""
    request = urllib.request.Request(
        os.environ["RESETDESK_URL"] + "/api/v1" + path, method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + os.environ["RESETDESK_KEY"], "Content-Type": "application/json"})
    if method != "GET":
        request.add_header("Idempotency-Key", uuid.uuid4().hex)
    for attempt in range(1, 5):
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return json.loads(answer.read() or "{}")
        except urllib.error.HTTPError as e:
            try:
                refused = Refused(e.code, json.loads(e.read()))
            except ValueError:
                refused = Refused(e.code, {"title": "The answer is not one of the API"})
            soon = e.code in (502, 503, 504) or refused.kind in ("in-progress", "too-many-requests")
            if attempt == 4 or not soon:
                raise refused from None
            wait = refused.problem.get("retry_after", attempt / 4)
        except (OSError, ValueError):  # the network, or an answer that breaks off
            if attempt == 4:
                raise
            wait = attempt / 4
        time.sleep(min(wait, 5))


def code(secret, at):
    """The code of an authenticator (RFC 6238). A panel does not need this: the user's phone does it."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    mac = hmac.new(key, struct.pack(">Q", int(at) // 30), hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 1000000:06d}"


def genuine(secret, headers, body):
    """Whether a webhook comes from the desk (Standard Webhooks). headers have lower-case names; body is bytes as it came."""
    if abs(time.time() - int(headers["webhook-timestamp"])) > 300:
        return False
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    want = "v1," + base64.b64encode(mac).decode()
    return any(hmac.compare_digest(want, s) for s in headers["webhook-signature"].split())


# The panel makes an account and its users known, when they are made and when they change.
account = call("PUT", "/accounts/A-PYTHON", {"name": "Python GmbH", "locale": "de", "users": [
    {"id": "U-PY-1", "login": "anna", "email": "anna@python.example", "role": "admin"},
    {"id": "U-PY-2", "login": "jane", "email": "jane@python.example", "role": "user"}]})
print("account", account["id"], "with", len(account["users"]), "users")

# Account > Security: the user sees new["svg"] or new["grouped"], and types the first code.
jane = "/users/" + urllib.parse.quote("U-PY-2", safe="")
new = call("POST", jane + "/totp", {"account": "jane", "ip": "198.51.100.7", "agent": "Firefox"})
codes = call("POST", jane + "/totp/confirm", {"enrollment": new["enrollment"], "code": code(new["secret"], time.time() - 30)})["codes"]
print(f"enrolled, {len(codes)} backup codes")

# At the login, after the password was right.
login = {"code": code(new["secret"], time.time()), "channel": "web", "ip": "198.51.100.7", "agent": "Firefox"}
result = call("POST", jane + "/verify", login)
print(f"let in by {result['method']}, {result['codes_left']} backup codes left" if result["ok"] else "not let in")

# The same code again, by somebody who shares the login: not wrong, only used.
result = call("POST", jane + "/verify", login)
print("this code was just used" if result["reason"] == "code-used" else f"unexpected: {result['reason']}")

# New backup codes take a current code.
codes = call("POST", jane + "/backup-codes", {"code": code(new["secret"], time.time() + 30)})["codes"]
print(f"renewed, {len(codes)} backup codes")

status = call("GET", jane + "/2fa")
print(f"{'on' if status['enrolled'] else 'off'}, {status['codes_left']} backup codes left, {status['hold_until'] or 'no hold'}")

# A webhook, here taken from the environment.
secret, body = os.environ["WEBHOOK_SECRET"], os.environ["WEBHOOK_BODY"].encode()
headers = {"webhook-" + name: os.environ["WEBHOOK_" + name.upper()] for name in ("id", "timestamp", "signature")}
print("webhook", "genuine" if genuine(secret, headers, body) else "forged", end="")
print(", changed", "genuine" if genuine(secret, headers, body + b" ") else "forged")
