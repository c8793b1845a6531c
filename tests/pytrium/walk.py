"""Walk through MX's API with pytrium 0.1.2, as its users did in 2016.

Run by the interpreter of an environment of its own: `python walk.py ROOT_URL`. Prints what it saw
as JSON. The client is used as it is; its root is an attribute that its users set.
"""

import json
import sys
import time

import atrium


def main(root):
    api = atrium.Api(key="test-key", client_id="test-client")
    api.root = root.rstrip("/") + "/"
    seen = {"version": atrium.__version__}

    user = api.createUser(payload={"identifier": "walker"})
    seen["user"] = [user.identifier, api.readUser(user.guid).guid == user.guid]
    api.updateUser(user.guid, payload={"metadata": "changed"})
    seen["metadata"] = api.readUser(user.guid).metadata
    try:
        api.createUser(payload={"identifier": "walker"})
    except atrium.api.ConflictError:
        seen["conflict"] = True

    found = api.getInstitutions(queryParams={"name": "mx"})["institutions"]
    bank = api.readInstitution(found[0]["code"])
    form = api.getCredentials(bank.code)
    seen["institution"] = [bank.code, [field.field_name for field in form]]

    member = create(api, user, bank, form, "any")
    status = wait(api, user, member)
    seen["status"] = status.status
    seen["members"] = len(api.getMembers(user.guid)["members"])

    accounts = api.getAccounts(user.guid)["accounts"]
    seen["accounts"] = sorted(account["type"] for account in accounts)
    seen["account"] = api.readAccount(user.guid, accounts[0]["guid"]).type
    listed = api.getTransactions(user.guid, queryParams={"records_per_page": 100})
    seen["transactions"] = [len(listed["transactions"]), listed["pagination"]["total_entries"]]
    one = api.readTransaction(user.guid, listed["transactions"][0]["guid"])
    seen["transaction"] = one == listed["transactions"][0]
    of_account = api.getTransactionsByAccount(user.guid, accounts[0]["guid"])
    seen["of_account"] = {row["account_guid"] for row in of_account["transactions"]} == {accounts[0]["guid"]}

    seen["aggregate"] = api.startMemberAgg(user.guid, member.guid).guid == member.guid
    seen["challenge"] = answer_a_challenge(api, user, bank, form)
    api.deleteMember(user.guid, member.guid)
    try:
        api.readMember(user.guid, member.guid)
    except atrium.api.NotFoundError:
        seen["deleted"] = True
    api.deleteUser(user.guid)
    sys.stdout.write(json.dumps(seen))


def create(api, user, bank, form, password):
    typed = {"LOGIN": "test_atrium" if password == "any" else "mxuser", "PASSWORD": password}
    credentials = [{"guid": field.guid, "value": typed[field.field_name]} for field in form]
    return api.createMember(user.guid, payload={"institution_code": bank.code, "credentials": credentials})


def answer_a_challenge(api, user, bank, form):
    """Answer from the status: the client's own call for challenges looks under a wrong key."""
    member = create(api, user, bank, form, "challenge")
    status = wait(api, user, member)
    asked = [status.status, status.challenges[0]["type"]]
    try:
        api.getMemberChallenges(user.guid, member.guid)
    except KeyError:
        asked.append("KeyError")
    answers = [{"guid": status.challenges[0]["guid"], "value": "correct"}]
    api.resumeMemberAgg(user.guid, member.guid, payload={"challenges": answers})
    return [*asked, wait(api, user, member).status]


def wait(api, user, member):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        status = api.getMemberStatus(user.guid, member.guid)
        if status.status in ("COMPLETED", "CHALLENGED", "DENIED", "HALTED"):
            return status
        time.sleep(0.05)
    raise TimeoutError(status)


if __name__ == "__main__":
    main(sys.argv[1])
