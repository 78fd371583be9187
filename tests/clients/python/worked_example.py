"""The worked example of docs/format.md, made again from its words: the texts, ids and seeds that it names."""

import base64
import json
import re
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import ledger_format as form

ORIGIN = "ledger.example/shanxi"


def shown(path):
    """Every block of the document: label and bytes."""
    blocks = re.findall(r"^```hex (\S+)\n(.*?)^```", Path(path).read_text(), re.MULTILINE | re.DOTALL)
    return {label: bytes.fromhex(text) for label, text in blocks}


def signer(seed):
    key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return key, key.public_key().public_bytes_raw()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return (crc ^ 0xFFFFFFFF).to_bytes(4, "big")


def examples(pb, proof_pb, given):
    """What this implementation makes of the example. From `given` it takes only what the text does not say: when the
    event happened and was sealed, and the event id."""
    (issuer, issuer_key), (hand, hand_key), (log, log_key) = signer(1), signer(2), signer(9)
    made = {
        "subject-organisation": form.organisation("uscc", "91330100799655058B"),
        "subject-mine": form.mine("cn-coal-mine", "140921021337"),
        "subject-mark": form.mark("MEB250001"),
        "subject-model": form.model("三一重型装备", "EBZ200h"),
        "subject-equipment": form.unit("三一重型装备", "EBZ200h", "２０２３－0417"),
        "subject-lot": form.lot("三一重型装备", "ST1000", "L-7"),
    }
    owner, mine, machine = (made[f"subject-{kind}"] for kind in ("organisation", "mine", "equipment"))
    made["subject-child"] = form.child(machine, "A 1")
    made["subject-named"] = form.named(owner, "综采面 1")
    made["public-key-issuer"] = issuer_key
    made["key-id-issuer"] = form.key_id(issuer_key)
    made["key-id-hand"] = form.key_id(hand_key)

    claimed = pb.Statement.FromString(given["statement"])
    statement = pb.Statement(
        origin=ORIGIN, event_id=claimed.event_id, subject=machine, occurred_at_us=claimed.occurred_at_us,
        organisation=owner[1:], role=4, mentions=[mine], performed_by=[made["key-id-hand"]],
        entered_mine=pb.EnteredMine(mine=mine[1:], shaft="副井"),
    )  # fmt: skip
    made["body"] = statement.entered_mine.SerializeToString(deterministic=True)
    made["statement"] = statement.SerializeToString(deterministic=True)
    made["pae-statement"] = form.pae(form.STATEMENT_TYPE, made["statement"])
    made["hand-signature"] = hand.sign(made["pae-statement"])
    event = pb.Event(previous_hash=form.ZERO, statement=made["statement"])
    event.hands.add(key_id=made["key-id-hand"], signature=made["hand-signature"])
    made["event"] = event.SerializeToString(deterministic=True)
    made["issuer-signature"] = issuer.sign(form.pae(form.EVENT_TYPE, made["event"]))
    made["event-hash"] = form.event_hash(made["event"])

    other = pb.Statement()
    other.CopyFrom(statement)
    other.subject = made["subject-child"]
    made["member-hash"], made["member-hash-child"] = form.member_hash(statement), form.member_hash(other)
    made["set-digest"] = form.set_digest([made["member-hash"], made["member-hash-child"]])
    other.set.count, other.set.digest = 2, made["set-digest"]
    made["statement-in-set"] = other.SerializeToString(deterministic=True)

    recorded_at = form.parse_entry(given["entry"]).recorded_at
    key, signature = made["key-id-issuer"], made["issuer-signature"]
    made["entry"] = form.encode_event_entry(recorded_at, key, signature, made["event"])
    made["leaf-hash"] = form.leaf_hash(made["entry"])
    encoded = {name: base64.b64encode(made[name]).decode() for name in ("event", "issuer-signature")}
    dsse = {
        "payload": encoded["event"],
        "payloadType": form.EVENT_TYPE.decode(),
        "signatures": [{"keyid": key.hex(), "sig": encoded["issuer-signature"]}],
    }
    made["dsse"] = json.dumps(dsse, separators=(",", ":")).encode()

    made["touch-hash"] = form.touch_hash(form.ZERO, 2, made["leaf-hash"])
    own = form.Value(1, made["event-hash"], 1, made["touch-hash"]).encode()
    made["head-value-equipment"] = own
    made["head-value-mine"] = form.Value(0, form.ZERO, 1, made["touch-hash"]).encode()
    leaves = {}
    for name, subject in (("equipment", machine), ("mine", mine)):
        leaves[name] = (form.map_key(subject), form.map_leaf(form.map_key(subject), made[f"head-value-{name}"]))
        made[f"map-leaf-{name}"] = leaves[name][1]
    made["map-key-equipment"] = leaves["equipment"][0]
    made["map-root"] = form.map_root(sorted(leaves.values()))
    made["heads-entry"] = form.encode_heads_entry(recorded_at, 2, made["map-root"], 2)
    before = [b"\xaa" * 32, b"\xbb" * 32]
    made["tree-root"] = form.tree_root([*before, made["leaf-hash"], form.leaf_hash(made["heads-entry"])])
    text = f"{ORIGIN}\n4\n{base64.b64encode(made['tree-root']).decode()}\n"
    line = form.sha256(ORIGIN.encode(), b"\n\1", log_key)[:4] + log.sign(text.encode())
    made["checkpoint"] = f"{text}\n\u2014 {ORIGIN} {base64.b64encode(line).decode()}\n".encode()

    depth = next(at for at in range(256) if form.bit(leaves["equipment"][0], at) != form.bit(leaves["mine"][0], at))
    proof = proof_pb.HeadProof(
        subject=machine, checkpoint=made["checkpoint"], last_entry=made["heads-entry"],
        inclusion=[made["leaf-hash"], form.node_hash(*before)],
        siblings=[form.ZERO] * depth + [made["map-leaf-mine"]], value=own, keys=[issuer_key, hand_key],
    )  # fmt: skip
    proof.touches.add(position=2, entry=made["entry"])
    made["head-proof"] = proof.SerializeToString(deterministic=True)

    header = b"tallyseg" + (1).to_bytes(4, "big") + bytes(8) + (2).to_bytes(8, "big") + b"\xcc" * 32
    made["segment-header"] = header + crc32c(header)
    nothing = b"\xff" * 16
    records = b""
    for position, (entry, links) in enumerate(((made["entry"], 2), (made["heads-entry"], 0)), 2):
        record = len(entry).to_bytes(2, "big") + links.to_bytes(2, "big") + nothing * links + entry
        records += crc32c(position.to_bytes(8, "big") + record) + record
    header = b"tlf1" + (2).to_bytes(4, "big") + (2).to_bytes(8, "big") + len(records).to_bytes(8, "big") + b"\xcc" * 32
    made["frame-header"] = header + crc32c(header)
    made["frame"] = made["frame-header"] + records
    return made
