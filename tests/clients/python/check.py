"""A client of the ledger in another language: speaks to a real server, and believes nothing that it cannot recompute.

usage: check.py PATH_TO_TALLY
"""

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import uuid
from collections import namedtuple
from pathlib import Path

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from grpc_tools import protoc

import export
import ledger_format as form
import worked_example
from ledger_format import Refused, require

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
ORIGIN = "python.example/ledger"
DEADLINE_S = 20
MACHINES = 4
# With what else there is, over 256 entries: a full tile and a partial one.
NOTES = 280

passed, failed = 0, []
Signed = namedtuple("Signed", "payload key signature statement")


def check(name, holds=True, detail=""):
    global passed
    if holds:
        passed += 1
        print(f"ok    {name}")
    else:
        failed.append(name)
        print(f"FAIL  {name} {detail}")


def check_refused(name, verify):
    """Whoever verifies must refuse this."""
    try:
        verify()
    except ValueError:
        check(name)
    else:
        check(name, False, "was taken")


def stubs(folder):
    """Messages and services, from proto/ as it is now."""
    well_known = Path(protoc.__file__).parent / "_proto"
    sources = [*sorted((ROOT / "proto/tally/v1").glob("*.proto")), HERE / "status.proto"]
    options = [
        f"-I{ROOT / 'proto'}",
        f"-I{HERE}",
        f"-I{well_known}",
        f"--python_out={folder}",
        f"--grpc_python_out={folder}",
    ]
    require(protoc.main(["protoc", *options, *map(str, sources)]) == 0, "proto/ does not compile")
    sys.path.insert(0, str(folder))


class Server:
    """A ledger of the test's own, on a free port."""

    def __init__(self, tally, folder):
        self.tally, self.folder = tally, folder
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
        self.process = None

    def run(self, *arguments):
        return subprocess.run([self.tally, *arguments], env=self.env, capture_output=True, text=True, timeout=120)

    def start(self):
        self.stderr = open(self.folder.parent / "serve.log", "w")
        arguments = [self.tally, "serve", str(self.folder), "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(arguments, env=self.env, stdout=subprocess.PIPE, stderr=self.stderr, text=True)
        for line in self.process.stdout:
            if line.startswith("listening on "):
                return line.removeprefix("listening on ").strip()
        self.process.wait()
        raise SystemExit("the server did not start:\n" + (self.folder.parent / "serve.log").read_text())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Key:
    def __init__(self, private=None):
        self.private = private or Ed25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes_raw()
        self.id = form.key_id(self.public)

    def sign(self, payload_type, payload):
        return self.private.sign(form.pae(payload_type, payload))


class Party:
    """An organisation with the key and the role in which it acts."""

    def __init__(self, subject, key, role):
        self.subject, self.key, self.role = subject, key, role
        self.id = subject[1:]


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def now_us():
    return time.time_ns() // 1_000


def event_id():
    """UUIDv7."""
    milliseconds = time.time_ns() // 1_000_000
    bits = milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return bits.to_bytes(16, "big")


class Client:
    """What a user of the ledger writes for himself."""

    def __init__(self, address, log_key):
        from tally.v1 import (
            equipment_service_pb2, equipment_service_pb2_grpc, event_pb2, ledger_service_pb2, ledger_service_pb2_grpc,
            log_service_pb2, log_service_pb2_grpc, subject_service_pb2, subject_service_pb2_grpc, value_pb2,
        )  # fmt: skip

        import status_pb2

        self.pb, self.value, self.status_pb = event_pb2, value_pb2, status_pb2
        self.ledger_pb, self.log_pb, self.subject_pb = ledger_service_pb2, log_service_pb2, subject_service_pb2
        self.equipment_pb = equipment_service_pb2
        channel = grpc.insecure_channel(address)
        self.ledger = ledger_service_pb2_grpc.LedgerServiceStub(channel)
        self.log = log_service_pb2_grpc.LogServiceStub(channel)
        self.subjects = subject_service_pb2_grpc.SubjectServiceStub(channel)
        self.equipment = equipment_service_pb2_grpc.EquipmentServiceStub(channel)
        self.log_key = log_key
        self.events = form.Events(event_pb2, log_key)
        self.kept = None
        # Who asks; nobody sees only what is public.
        self.asks = None

    def token(self, **changes):
        """A token as docs/security.md writes it: a compact JWS over a few claims."""
        claims = {
            "iss": str(uuid.UUID(bytes=self.asks.id)), "aud": self.log_key.origin, "role": self.role_name(),
            "iat": int(time.time()), "exp": int(time.time()) + 600, "jti": secrets.token_hex(16),
        } | changes  # fmt: skip
        header = {"alg": "EdDSA", "kid": self.asks.key.id.hex(), "typ": "JWT"}
        parts = [base64url(json.dumps(part).encode()) for part in (header, claims)]
        return ".".join([*parts, base64url(self.asks.key.private.sign(".".join(parts).encode()))])

    def role_name(self):
        return self.value.Role.Name(self.asks.role).removeprefix("ROLE_").lower()

    def asking(self, token=None):
        """What goes with a call: how long it may take, and who asks."""
        if token is None and self.asks is None:
            return {"timeout": DEADLINE_S}
        return {"timeout": DEADLINE_S, "metadata": [("authorization", f"Bearer {token or self.token()}")]}

    def see(self, note):
        """A checkpoint, consistent with the newest that was kept."""
        checkpoint = form.parse_checkpoint(note, self.log_key)
        if self.kept is None:
            self.kept = checkpoint
        older, newer = sorted((self.kept, checkpoint), key=lambda one: one.size)
        if older.size < newer.size:
            request = self.log_pb.GetConsistencyProofRequest(old_size=older.size, new_size=newer.size)
            proof = self.log.GetConsistencyProof(request, timeout=DEADLINE_S)
            require(proof.new_size == newer.size, "a consistency proof for another size")
            form.verify_consistency(older.size, older.root, newer.size, newer.root, list(proof.consistency))
        else:
            require(older.root == newer.root, "two trees of one size")
        self.kept = newer
        return checkpoint

    def statement(self, party, subject, mentions=(), first_index=0, occurred_at=None, **body):
        return self.pb.Statement(
            origin=self.log_key.origin,
            event_id=event_id(),
            subject=subject,
            occurred_at_us=now_us() if occurred_at is None else occurred_at,
            organisation=party.id,
            role=party.role,
            mentions=sorted(mentions),
            first_index=first_index,
            **body,
        )

    def sign(self, party, statement, index, previous, hands=(), key=None):
        """Of a statement as a message, or as the bytes that were made of it before."""
        key = key or party.key
        data = statement if isinstance(statement, bytes) else statement.SerializeToString(deterministic=True)
        event = self.pb.Event(chain_index=index, previous_hash=previous, statement=data)
        for hand in sorted(hands, key=lambda hand: hand.id):
            event.hands.add(key_id=hand.id, signature=hand.sign(form.STATEMENT_TYPE, data))
        payload = event.SerializeToString(deterministic=True)
        return Signed(payload, key, key.sign(form.EVENT_TYPE, payload), data)

    def sign_bytes(self, key, payload):
        """Signs what may be no event at all."""
        return Signed(payload, key, key.sign(form.EVENT_TYPE, payload), b"")

    def head(self, subject):
        answer = self.subjects.GetHead(self.subject_pb.GetHeadRequest(subject=subject), timeout=DEADLINE_S)
        _, _, value = form.verify_head(self.log_key, subject, answer.proof)
        self.see(answer.proof.checkpoint)
        value = value or form.Value()
        require((value.chain_length, value.head) == (answer.chain_length, answer.head_hash), "another head is proved")
        return answer.chain_length, answer.head_hash

    def request(self, signed):
        return self.ledger_pb.RecordEventRequest(
            payload=signed.payload, key_id=signed.key.id, signature=signed.signature
        )

    def message(self, signed):
        return self.ledger_pb.SignedEvent(payload=signed.payload, key_id=signed.key.id, signature=signed.signature)

    def verify_receipt(self, signed, receipt, note=None):
        """That exactly these bytes stand in the log where the receipt says."""
        checkpoint = self.see(note or receipt.checkpoint)
        entry = form.encode_event_entry(receipt.recorded_at_us, signed.key.id, signed.signature, signed.payload)
        require(form.leaf_hash(entry) == receipt.leaf_hash, "the receipt is for another entry")
        form.verify_inclusion(
            receipt.leaf_hash, receipt.position, checkpoint.size, list(receipt.inclusion), checkpoint.root
        )
        event = self.pb.Event.FromString(signed.payload)
        require(receipt.chain_index == event.chain_index, "the receipt is for another place")

    def send(self, signed):
        receipt = self.ledger.RecordEvent(self.request(signed), timeout=DEADLINE_S).receipt
        self.verify_receipt(signed, receipt)
        return receipt

    def record(self, party, subject, hands=(), key=None, **rest):
        length, head = self.head(subject)
        statement = self.statement(party, subject, first_index=length, **rest)
        signed = self.sign(party, statement, length, head, hands, key)
        return signed, self.send(signed)

    def error_info(self, details):
        """The reason, which is the contract, and what it says about it."""
        status = self.status_pb.Status.FromString(details)
        info = self.status_pb.ErrorInfo()
        for one in status.details:
            if one.Unpack(info):
                require(info.domain == "tally.v1", f"reasons of {info.domain}")
                return info.reason, dict(info.metadata)
        raise Refused("an error without ErrorInfo")

    def refusal(self, signed):
        """The code, the reason and its metadata with which an event is refused."""
        try:
            self.ledger.RecordEvent(self.request(signed), timeout=DEADLINE_S)
        except grpc.RpcError as error:
            details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
            return error.code().name, *self.error_info(details)
        return "OK", "", {}

    def stream(self, messages):
        """The results of a stream, in the order sent, each with the note that covers it."""
        requests = (self.ledger_pb.RecordEventsRequest(events=map(self.message, events)) for events in messages)
        results = []
        for answer in self.ledger.RecordEvents(requests, timeout=6 * DEADLINE_S):
            results.extend((result, answer.checkpoint) for result in answer.results)
        return results

    def history(self, subject, kept=None):
        request = self.subject_pb.StreamHistoryRequest(subject=subject, proof=True, kept_size=kept.size if kept else 0)
        touches, proof, keys = [], None, []
        for answer in self.subjects.StreamHistory(request, **self.asking()):
            touches.extend(answer.touches)
            if answer.HasField("proof"):
                proof, keys = answer.proof, list(answer.keys)
        require(proof is not None, "no head proof came")
        return touches, proof, keys


def check_document():
    from tally.v1 import event_pb2, proof_pb2

    given = worked_example.shown(ROOT / "docs/format.md")
    made = worked_example.examples(event_pb2, proof_pb2, given)
    for label in sorted(given.keys() | made.keys()):
        check(f"docs/format.md: {label}", given.get(label) == made.get(label), "differs or is not made")


def check_founding(client, registrar_key):
    """The registrar as the log itself names it."""
    answer = client.log.GetCheckpoint(client.log_pb.GetCheckpointRequest(), timeout=DEADLINE_S)
    first = client.see(answer.checkpoint)
    check("the checkpoint is signed by the key in log.pub", form.parse_log_key(answer.log_key) == client.log_key)
    # Without --number the registrar is named by the origin.
    client.asks = Party(form.organisation("other", ORIGIN), registrar_key, client.value.ROLE_REGISTRAR)
    request = client.log_pb.FollowEntriesRequest(from_position=0, stop_at_end=True)
    entries = [entry for answer in client.log.FollowEntries(request, **client.asking()) for entry in answer.entries]
    leaves = [form.leaf_hash(entry) for entry in entries]
    check(
        "the entries that follow from 0 have the root of the checkpoint",
        form.tree_root(leaves[: first.size]) == first.root,
    )
    entry = form.parse_entry(entries[0])
    event, statement = client.events.parse(entry, {registrar_key.id: registrar_key.public})
    body = statement.organisation_registered
    founding = body.genesis
    check(
        "genesis names the log's key, the format and the registrar's key",
        (founding.log_key, founding.format_version, list(founding.registrar_keys))
        == (client.log_key.key, 1, [registrar_key.public]),
    )
    subject = form.organisation("other", body.number)
    check("the registrar's id follows from its number", statement.subject == subject and event.chain_index == 0)
    return Party(subject, registrar_key, client.value.ROLE_REGISTRAR)


def register(client, registrar):
    """A mine company, its mine, its role and the key of one of its people."""
    pb, value = client.pb, client.value
    company = Party(form.organisation("other", "PY-\u00d7 1"), Key(), value.ROLE_MINE)
    check(
        "an id does not hang on how the number is written",
        company.subject == form.organisation("other", " py-x1\u3000"),
    )
    recovery = Key()
    body = pb.OrganisationRegistered(
        name="Python coal company", scheme=value.SCHEME_OTHER, number="PY-\u00d7 1", area_code="140921",
        first_key=company.key.public, recovery_key=recovery.public, short_name="Python 煤矿",
    )  # fmt: skip
    client.record(registrar, company.subject, organisation_registered=body)
    check("OrganisationRegistered is recorded, its receipt verifies")
    mine = form.mine("cn-coal-mine", "140921021337")
    body = pb.MineRegistered(
        name="Python 一号井", scheme=value.SCHEME_CN_COAL_MINE, number="140921021337", area_code="140921",
        operator=company.id, kind=pb.MINE_KIND_UNDERGROUND, gas_grade=value.GAS_GRADE_HIGH, state=pb.MINE_STATE_PRODUCING,
    )  # fmt: skip
    client.record(registrar, mine, mine_registered=body)
    check("MineRegistered is recorded, its receipt verifies")
    body = pb.RoleGranted(
        role=value.ROLE_MINE,
        scope=value.Scope(mines=[mine[1:]], areas=["14", "1409"]),
        **{"from": value.Day(year=2020, month=1, day=1)},
    )
    client.record(registrar, company.subject, role_granted=body)
    check("RoleGranted is recorded, its receipt verifies")
    person = Key()
    staff = pb.KeyAdded(
        key=person.public, algorithm=value.KEY_ALGORITHM_ED25519, kind=value.KEY_KIND_STAFF,
        person_id=secrets.token_bytes(16), post="机电队长",
        certificates=[value.Certificate(kind="特种作业操作证", number_digest=secrets.token_bytes(32))],
    )  # fmt: skip
    client.record(registrar, company.subject, key_added=staff)
    check("KeyAdded by the registrar is recorded, its receipt verifies")
    device = Key()
    body = pb.KeyAdded(key=device.public, algorithm=value.KEY_ALGORITHM_ED25519, kind=value.KEY_KIND_DEVICE)
    client.record(company, company.subject, key=recovery, key_added=body)
    check("KeyAdded by the recovery key is recorded, its receipt verifies")
    return company, mine, person, device


def enrol(client, company, mine, person):
    """Machines that are older than the ledger, and than 1970: a negative time is ten bytes of varint."""
    pb, value = client.pb, client.value
    machines = []
    for place in range(MACHINES):
        serial = f"PY-{place:03}"
        machine = form.unit("Python Works", "EBZ-200 h", serial)
        body = pb.Enrolled(
            maker="Python Works", model="EBZ-200 h", serial=serial, category="掘进机",
            identity_kind=value.IDENTITY_KIND_UNIT, state=value.SERVICE_STATE_IN_USE, place=value.Place(mine=mine[1:]),
            history_note="Taken on as it stood.",
        )  # fmt: skip
        in_1968 = -(2 * 365 - 100) * 86_400 * 1_000_000
        client.record(company, machine, hands=[person], mentions=[mine], occurred_at=in_1968, enrolled=body)
        machines.append(machine)
    check("Enrolled with a hand, a mention and a time before 1970 is recorded, its receipt verifies")
    answer = client.equipment.GetEquipment(
        client.equipment_pb.GetEquipmentRequest(id=machines[0][1:]), **client.asking()
    ).equipment
    check("the machine is in the state and in the mine that were stated", (answer.state, answer.mine) == (9, mine[1:]))
    return machines


def inspected(client):
    finished = now_us()
    return client.pb.Inspected(
        kind=client.pb.INSPECTION_KIND_DAILY, nothing_found=True, started_us=finished - 60_000_000, finished_us=finished
    )


def check_retry_and_stale_head(client, company, machine, person):
    signed, receipt = client.record(company, machine, hands=[person], inspected=inspected(client))
    check("Inspected is recorded, its receipt verifies")
    again = client.send(signed)
    same = ("position", "chain_index", "recorded_at_us", "leaf_hash")
    check(
        "the same bytes again give the same receipt", all(getattr(again, one) == getattr(receipt, one) for one in same)
    )

    # Somebody else was faster: signed on the same head, sent later.
    late = client.statement(company, machine, first_index=receipt.chain_index, inspected=inspected(client))
    previous = client.pb.Event.FromString(signed.payload).previous_hash
    stale = client.sign(company, late, receipt.chain_index, previous, [person])
    code, reason, metadata = client.refusal(stale)
    check("a stale head is ABORTED with STALE_HEAD", (code, reason) == ("ABORTED", "STALE_HEAD"), f"{code} {reason}")
    length, head = int(metadata["chain_length"]), bytes.fromhex(metadata["head_hash"])
    check(
        "the details name the head, which is the event that was faster",
        (length, head) == (receipt.chain_index + 1, form.event_hash(signed.payload)),
    )
    # The issuer signs anew, the hand does not: the statement is byte for byte the one that was signed first.
    hands = client.pb.Event.FromString(stale.payload).hands
    event = client.pb.Event(chain_index=length, previous_hash=head, statement=stale.statement, hands=hands)
    rebased = client.sign_bytes(company.key, event.SerializeToString(deterministic=True))
    client.send(rebased)
    check("signed again on that head it is recorded, with the hand as it was")
    code, reason, _ = client.refusal(stale)
    check("the stale bytes stay refused", (code, reason) == ("ABORTED", "STALE_HEAD"), f"{code} {reason}")
    reused = client.pb.Statement.FromString(signed.statement)
    reused.occurred_at_us -= 1
    code, reason, _ = client.refusal(client.sign(company, reused, receipt.chain_index, previous, [person]))
    check(
        "its event id with another payload is refused",
        (code, reason) == ("ALREADY_EXISTS", "EVENT_ID_REUSED"),
        f"{code} {reason}",
    )
    other = client.statement(company, machine, inspected=inspected(client), first_index=length + 5)
    code, reason, _ = client.refusal(client.sign(company, other, length + 5, head))
    check(
        "an index beyond the head is ABORTED with CHAIN_GAP",
        (code, reason) == ("ABORTED", "CHAIN_GAP"),
        f"{code} {reason}",
    )


def varint(number, pad=0):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    for _ in range(pad):
        out[-1] |= 128
        out.append(0)
    return bytes(out)


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def check_canonical(client, company, machine, person, mine):
    """There is one sequence of bytes for one message, and protobuf of another language makes it; every other is refused."""
    length, head = client.head(machine)

    def statement(**changes):
        body = changes.pop("body", client.pb.Noted(text="seen at the gate"))
        return client.statement(company, machine, first_index=length, noted=body, **changes)

    def sent(data):
        event = client.pb.Event(chain_index=length, previous_hash=head, statement=data)
        return client.refusal(client.sign_bytes(company.key, event.SerializeToString(deterministic=True)))

    good = statement().SerializeToString(deterministic=True)
    event = client.pb.Event(chain_index=length, previous_hash=head, statement=good).SerializeToString(
        deterministic=True
    )
    body_at = good.rindex(field(98, client.pb.Noted(text="seen at the gate").SerializeToString()))
    header, body = good[:body_at], good[body_at:]
    index = varint(9 << 3) + varint(length)
    require(header.endswith(index), "first_index stands last in the header")
    malformed = {
        "an unknown field in the header": header + varint(13 << 3) + b"\1" + body,
        "a varint longer than need be": header[: -len(index)] + varint(9 << 3) + varint(length, pad=1) + body,
        "a default written": header[: -len(index)] + varint(9 << 3) + b"\0" + body,
        "fields out of order": body + header,
        "the body twice": good + body,
        "a field unknown in the body": header + field(98, field(1, b"seen") + varint(7 << 3) + b"\1"),
        "text that is not in form C": header + field(98, field(1, "A\u030a".encode())),
        "text with a code point without a character": header + field(98, field(1, "\u0378".encode())),
        "text that is no UTF-8": header + field(98, field(1, b"\xff")),
        "the own subject mentioned": statement(mentions=[machine]).SerializeToString(deterministic=True),
    }
    for name, data in malformed.items():
        code, reason, _ = sent(data)
        holds = (code, reason) == ("INVALID_ARGUMENT", "MALFORMED_EVENT")
        check(f"refused as malformed: {name}", holds, f"{code} {reason}")
    for name, payload in {
        "bytes after the event": event + varint(9 << 3) + b"\1",
        "an event without a previous hash": client.pb.Event(chain_index=length, statement=good).SerializeToString(),
        "chain_index in two bytes too many": varint(1 << 3) + varint(length, pad=1) + event[2:],
    }.items():
        code, reason, _ = client.refusal(client.sign_bytes(company.key, payload))
        holds = (code, reason) == ("INVALID_ARGUMENT", "MALFORMED_EVENT")
        check(f"refused as malformed: {name}", holds, f"{code} {reason}")

    signed = client.sign(company, statement(), length, head, [person])
    stripped = client.pb.Event.FromString(signed.payload)
    stripped.ClearField("hands")
    bad = {
        "a hand stripped on the way": signed._replace(payload=stripped.SerializeToString(deterministic=True)),
        "a signature over other bytes": signed._replace(
            signature=company.key.sign(form.STATEMENT_TYPE, signed.payload)
        ),
        "a hand over other bytes": None,
    }
    foreign = client.pb.Event.FromString(signed.payload)
    foreign.hands[0].signature = person.sign(form.EVENT_TYPE, foreign.statement)
    bad["a hand over other bytes"] = client.sign_bytes(company.key, foreign.SerializeToString(deterministic=True))
    for name, one in bad.items():
        code, reason, _ = client.refusal(one)
        check(
            f"refused for its signature: {name}",
            (code, reason) == ("INVALID_ARGUMENT", "BAD_SIGNATURE"),
            f"{code} {reason}",
        )

    other_log = statement()
    other_log.origin = "other.example/ledger"
    for name, message, expected in (
        ("WRONG_ORIGIN", other_log, "INVALID_ARGUMENT"),
        ("WRONG_MENTIONS", statement(mentions=[mine]), "INVALID_ARGUMENT"),
    ):
        code, reason, _ = sent(message.SerializeToString(deterministic=True))
        check(f"refused with {name}", (code, reason) == (expected, name), f"{code} {reason}")
    stranger = Key()
    code, reason, _ = client.refusal(client.sign(company, statement(), length, head, key=stranger))
    check(
        "a key that nobody registered is refused with KEY_UNKNOWN",
        (code, reason) == ("PERMISSION_DENIED", "KEY_UNKNOWN"),
        reason,
    )
    client.send(client.sign(company, good, length, head))
    check("none of them moved the head: the good bytes are taken")


def check_stream(client, company, machines, device):
    """Many events in few messages, each signed on the one before; the last is bad and spoils nothing."""
    heads = [client.head(machine) for machine in machines]
    signed = []
    for number in range(NOTES):
        at = number % len(machines)
        index, previous = heads[at]
        body = client.pb.Noted(text=f"note {number} 备注")
        statement = client.statement(company, machines[at], first_index=index, noted=body)
        signed.append(client.sign(company, statement, index, previous, key=device))
        heads[at] = index + 1, form.event_hash(signed[-1].payload)
    bad = signed[0]._replace(payload=signed[0].payload + b"\x48\1")
    sent = [signed[:100], signed[100:], [bad]]
    results = client.stream(sent)
    check(
        "a stream answers each event in the order sent", [one.ordinal for one, _ in results] == list(range(NOTES + 1))
    )
    for one, (result, note) in zip(signed, results):
        require(result.WhichOneof("outcome") == "receipt", f"refused: {result.refusal.message}")
        client.verify_receipt(one, result.receipt, note or result.receipt.checkpoint)
    check(f"the receipts of {NOTES} streamed events verify")
    refusal = results[-1][0].refusal
    reason, _ = client.error_info(refusal.details)
    check("the bad event of a stream is refused alone", (refusal.code, reason) == (3, "MALFORMED_EVENT"), reason)


def check_set(client, company, machines):
    """Two machines inspected together, or not at all."""
    heads = [client.head(machine) for machine in machines[:2]]
    members = []
    for machine, (index, _) in zip(machines, heads):
        members.append(client.statement(company, machine, first_index=index, inspected=inspected(client)))
    digest = form.set_digest([form.member_hash(member) for member in members])
    for member in members:
        member.set.count, member.set.digest = 2, digest
    signed = [client.sign(company, member, *head) for member, head in zip(members, heads)]
    code, reason, _ = client.refusal(signed[0])
    check(
        "a member of a set is refused alone",
        (code, reason) == ("INVALID_ARGUMENT", "SET_INCOMPLETE"),
        f"{code} {reason}",
    )
    request = client.ledger_pb.RecordSetRequest(events=map(client.message, signed))
    receipts = client.ledger.RecordSet(request, timeout=DEADLINE_S).receipts
    for one, receipt in zip(signed, receipts):
        client.verify_receipt(one, receipt)
    check("an atomic set stands together", receipts[1].position == receipts[0].position + 1 and len(receipts) == 2)


def check_history(client, machine, mine, kept):
    touches, proof, keys = client.history(machine, kept)
    proved = form.verify_history(client.events, machine, proof, touches, keys, kept)
    client.see(proof.checkpoint)
    kinds = [statement.WhichOneof("body") for _, _, statement in proved.events]
    check(
        f"the history of a machine is proved complete: {len(kinds)} events",
        kinds[0] == "enrolled" and len(kinds) > NOTES / MACHINES,
    )
    mine_touches, mine_proof, mine_keys = client.history(mine)
    of_mine = form.verify_history(client.events, mine, mine_proof, mine_touches, mine_keys)
    mentions = [statement.subject for _, _, statement in of_mine.events if statement.subject != mine]
    check("the history of the mine has every machine that was enrolled there", len(set(mentions)) == MACHINES)

    def again(name, touches=touches, proof=proof, keys=keys, asked=machine, kept=kept):
        check_refused(f"refused: {name}", lambda: form.verify_history(client.events, asked, proof, touches, keys, kept))

    def changed(**fields):
        copy = type(proof)()
        copy.CopyFrom(proof)
        for name, value in fields.items():
            setattr(copy, name, value)
        return copy

    def flipped(data, at):
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    def with_touch(place, **fields):
        copy = type(touches[place])()
        copy.CopyFrom(touches[place])
        for name, value in fields.items():
            setattr(copy, name, value)
        return [*touches[:place], copy, *touches[place + 1 :]]

    again("a history without its last event", touches[:-1])
    again("a history without its third event", touches[:2] + touches[3:])
    again("two events exchanged", [touches[1], touches[0], *touches[2:]])
    again("an event at another position", with_touch(1, position=touches[1].position + 1))
    again("another recorded_at", with_touch(1, entry=flipped(touches[1].entry, 9)))
    again("a flipped bit in a signature", with_touch(1, entry=flipped(touches[1].entry, 60)))
    again("a flipped bit in a payload", with_touch(1, entry=flipped(touches[1].entry, 200)))
    again("another value", proof=changed(value=flipped(proof.value, 7)))
    again("another heads root", proof=changed(last_entry=flipped(proof.last_entry, 20)))
    again("a flipped bit in the checkpoint", proof=changed(checkpoint=flipped(proof.checkpoint, len(ORIGIN) + 8)))
    again("the proof of another subject", asked=mine)
    again("keys that are left out", keys=keys[1:])
    again("a checkpoint that does not extend the one kept", kept=form.Checkpoint(kept.size, flipped(kept.root, 0)))

    request = client.subject_pb.GetEventRequest(place=client.subject_pb.ChainPlace(subject=machine, chain_index=1))
    answer = client.subjects.GetEvent(request, **client.asking())
    checkpoint = client.see(answer.checkpoint)
    form.verify_inclusion(
        form.leaf_hash(answer.entry), answer.position, checkpoint.size, list(answer.inclusion), checkpoint.root
    )
    event, _ = client.events.parse(form.parse_entry(answer.entry), {form.key_id(key): key for key in answer.keys})
    check("one event is proved to stand in the log", event.chain_index == 1)


def check_access(client, company, machine):
    """Who asks is told by a token that was made from the description alone; to everyone else what is not public is a hash."""
    registrar, client.asks = client.asks, company
    request = client.equipment_pb.GetEquipmentRequest(id=machine[1:])
    answer = client.equipment.GetEquipment(request, **client.asking()).equipment
    check("the holder sees its machine with a token of its own", not answer.public_only and answer.holder == company.id)
    follow = client.log_pb.FollowEntriesRequest(from_position=0, stop_at_end=True)
    for name, token, expected in (
        ("an expired token", client.token(iat=int(time.time()) - 900, exp=int(time.time()) - 300), "TOKEN_EXPIRED"),
        ("a token of another log", client.token(aud="other.example/ledger"), "TOKEN_WRONG_ORIGIN"),
        ("a role that it does not hold", client.token(role="regulator"), "TOKEN_ROLE_NOT_HELD"),
        ("another organisation's name", client.token(iss=str(uuid.UUID(bytes=registrar.id))), "TOKEN_KEY_UNKNOWN"),
        ("a role that may not read the log", client.token(), "ROLE_MAY_NOT_READ"),
    ):
        try:
            list(client.log.FollowEntries(follow, **client.asking(token)))
            reason = "OK"
        except grpc.RpcError as error:
            reason, _ = client.error_info(dict(error.trailing_metadata()).get("grpc-status-details-bin", b""))
        check(f"refused: {name}", reason == expected, reason)
    client.asks = None
    answer = client.equipment.GetEquipment(request, **client.asking()).equipment
    check("anyone sees the plate and not the holder", answer.public_only and answer.plates and not answer.holder)
    touches, proof, keys = client.history(machine)
    proved = form.verify_history(client.events, machine, proof, touches, keys)
    client.see(proof.checkpoint)
    check(
        f"a history of which {proved.withheld} entries are withheld still closes",
        proved.withheld == len(touches) > 0 and proved.hidden_on_chain == proved.value.chain_length,
    )
    check_refused(
        "refused: a withheld entry that is left out",
        lambda: form.verify_history(client.events, machine, proof, touches[1:], keys),
    )
    client.asks = registrar


def check_absence(client):
    """A forged plate: the ledger proves that no such machine was ever opened."""
    plate = client.equipment_pb.Plate(maker="Python Works", model="EBZ-200 h", serial="PY-666")
    answer = client.equipment.LookUpPlate(client.equipment_pb.LookUpPlateRequest(plate=plate), timeout=DEADLINE_S)
    forged = form.unit(plate.maker, plate.model, plate.serial)
    check("a forged plate gives the id that it makes and no machine", answer.id == forged[1:] and not answer.equipment)
    proved = form.verify_history(client.events, forged, answer.proof, [], [])
    client.see(answer.proof.checkpoint)
    check(f"the forged plate is proved absent, by {answer.proof.WhichOneof('end')}", proved.value is None)
    real = client.equipment_pb.Plate(maker="python works", model="\uff25BZ-200H", serial="py-000")
    answer = client.equipment.LookUpPlate(client.equipment_pb.LookUpPlateRequest(plate=real), timeout=DEADLINE_S)
    opened = form.unit("Python Works", "EBZ-200 h", "PY-000")[1:]
    check("a plate is found however it is written", [one.id for one in answer.equipment] == [answer.id] == [opened])
    check_refused(
        "refused: the proof of a machine that is there as one of absence",
        lambda: form.verify_history(client.events, forged, answer.proof, [], []),
    )


def check_checkpoints(client, first):
    answer = client.log.GetCheckpoint(client.log_pb.GetCheckpointRequest(kept_size=first.size), timeout=DEADLINE_S)
    newest = client.see(answer.checkpoint)
    form.verify_consistency(first.size, first.root, newest.size, newest.root, list(answer.consistency))
    check(f"the checkpoint of size {newest.size} extends the first, of size {first.size}", newest.size > 256)
    check_refused(
        "refused: a consistency proof with a hash left out",
        lambda: form.verify_consistency(first.size, first.root, newest.size, newest.root, list(answer.consistency)[1:]),
    )
    request = client.log_pb.GetInclusionProofRequest(position=0, tree_size=newest.size)
    proof = client.log.GetInclusionProof(request, timeout=DEADLINE_S)
    form.verify_inclusion(proof.leaf_hash, 0, newest.size, list(proof.inclusion), newest.root)
    check("the founding entry is under the newest checkpoint")
    return newest


def check_export(server, client, newest, folder):
    answer = server.run("log", "verify", str(server.folder / "log"))
    check("tally log verify says that the log is whole", answer.returncode == 0, answer.stdout + answer.stderr)
    out = folder / "out"
    answer = server.run("log", "export", str(server.folder / "log"), str(out))
    check("tally log export writes the log", answer.returncode == 0, answer.stdout + answer.stderr)
    checkpoint, events, batches, tiles = export.verify(out, client.events, newest)
    check(
        f"the export has the root of its checkpoint: {checkpoint.size} entries, {tiles} tiles",
        checkpoint.size >= newest.size,
    )
    check(f"every signature, chain, key and set of {events} events verifies", events == checkpoint.size - batches)
    check(f"the heads map of each of {batches} batches is recomputed", batches > 10)
    for name, path in (("an entry", "tile/entries/000"), ("a tile", "tile/0/000"), ("a key", "keys.txt")):
        path = out / path
        good = path.read_bytes()
        at = len(good) // 2
        if path.suffix == ".txt":
            at = good.index(b"\n") - 1
        wrong = b"1" if good[at : at + 1] == b"0" else b"0"
        path.write_bytes(good[:at] + wrong + good[at + 1 :])
        check_refused(f"refused: an export with {name} changed", lambda: export.verify(out, client.events))
        path.write_bytes(good)


def run(tally, folder):
    stubs_folder = folder / "stubs"
    stubs_folder.mkdir()
    stubs(stubs_folder)
    check("proto/ compiles")
    check_document()
    server = Server(tally, folder / "ledger")
    try:
        answer = server.run("init", str(server.folder), "--origin", ORIGIN)
        require(answer.returncode == 0, answer.stderr)
        log_key = form.parse_log_key((server.folder / "log.pub").read_text())
        pem = (server.folder / "keys/registrar.key").read_bytes()
        client = Client(server.start(), log_key)
        registrar = check_founding(client, Key(load_pem_private_key(pem, None)))
        first = client.kept
        company, mine, person, device = register(client, registrar)
        machines = enrol(client, company, mine, person)
        check_retry_and_stale_head(client, company, machines[0], person)
        check_canonical(client, company, machines[1], person, mine)
        check_stream(client, company, machines, device)
        check_set(client, company, machines)
        check_history(client, machines[0], mine, first)
        check_access(client, company, machines[0])
        check_absence(client)
        newest = check_checkpoints(client, first)
        check("the server stops when it is asked to", server.stop() == 0)
        check_export(server, client, newest, folder)
    finally:
        server.kill()


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    tally = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory(prefix="tally-python-") as folder:
        try:
            run(tally, Path(folder))
        except (Refused, grpc.RpcError, subprocess.SubprocessError) as error:
            check("the run comes to its end", False, f"{type(error).__name__}: {error}")
            traceback.print_exc()
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
