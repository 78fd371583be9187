"""The formats of the ledger, written from docs/format.md and proto/ alone: ids, what is signed, what is hashed, proofs.

Nothing here knows the server or its code. Whoever changes a byte of the format breaks this, and must.
"""

import base64
import hashlib
import unicodedata
import uuid
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from ed25519 import is_valid_key, is_valid_signature

STATEMENT_TYPE = b"application/vnd.tally.statement.v1+protobuf"
EVENT_TYPE = b"application/vnd.tally.event.v1+protobuf"
ZERO = bytes(32)
ENTRY_HEADER_BYTES = 106
EVENT, HEADS = 0, 1
KINDS = {"organisation": 1, "mine": 2, "mark": 3, "model": 4, "equipment": 5}


class Refused(ValueError):
    """What was to be verified does not hold."""


def require(holds, why):
    if not holds:
        raise Refused(why)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# Section 1: what is signed


def pae(payload_type, payload):
    return b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type, len(payload), payload)


def event_hash(payload):
    return sha256(pae(EVENT_TYPE, payload))


def key_id(public_key):
    return sha256(public_key)


def member_hash(statement):
    """Of a member of an atomic set: the statement without its field 8."""
    without = type(statement)()
    without.CopyFrom(statement)
    without.ClearField("set")
    return sha256(without.SerializeToString(deterministic=True))


def set_digest(member_hashes):
    return sha256(b"\x04", *sorted(member_hashes))


# Section 2: subjects and ids

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "tally:v1")
WHITE_SPACE = {
    *range(0x09, 0x0E),
    0x20,
    0x85,
    0xA0,
    0x1680,
    *range(0x2000, 0x200B),
    0x2028,
    0x2029,
    0x202F,
    0x205F,
    0x3000,
}
DEFAULT_IGNORABLE = {
    0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), *range(0x200B, 0x2010),
    *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0,
    *range(0xFFF0, 0xFFF9), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000),
}  # fmt: skip


def normal(text):
    """N(). By this Python's Unicode, which is older than the format's: good for the texts of this test, not for all."""
    for character in text:
        category = unicodedata.category(character)
        if category in ("Co", "Cn") or (category == "Cc" and ord(character) not in WHITE_SPACE):
            raise ValueError(f"{text!r} has no id")
    text = unicodedata.normalize("NFKC", text).upper().replace("\u00d7", "X")
    text = "".join(c for c in text if ord(c) not in WHITE_SPACE and ord(c) not in DEFAULT_IGNORABLE)
    text = unicodedata.normalize("NFKC", text)
    if not text:
        raise ValueError("nothing is left of the text")
    return text


def subject(kind, *parts):
    """The subject key: kind and the UUIDv5 of the parts."""
    return bytes([KINDS[kind]]) + uuid.uuid5(NAMESPACE, "\x1f".join(parts)).bytes


def organisation(scheme, number):
    return subject("organisation", "organisation", scheme, normal(number))


def mine(scheme, number):
    return subject("mine", "mine", scheme, normal(number))


def mark(number):
    return subject("mark", "mark", normal(number))


def model(maker, name):
    return subject("model", "model", normal(maker), normal(name))


def unit(maker, name, serial):
    return subject("equipment", "unit", normal(maker), normal(name), normal(serial))


def lot(maker, name, number):
    return subject("equipment", "lot", normal(maker), normal(name), normal(number))


def child(parent, suffix):
    return subject("equipment", "child", str(uuid.UUID(bytes=parent[1:])), normal(suffix))


def named(owner, number):
    return subject("equipment", "named", str(uuid.UUID(bytes=owner[1:])), normal(number))


# Section 3.1 and 3.4: entries


@dataclass
class Entry:
    """An entry of the log; `key`, `signature` and `payload` of an event, the others of a heads entry."""

    kind: int
    recorded_at: int
    key: bytes = b""
    signature: bytes = b""
    payload: bytes = b""
    batch_first: int = 0
    map_root: bytes = b""
    leaves: int = 0
    previous: int = 0
    cosigned: bytes = b""


def number(data):
    value = int.from_bytes(data, "big")
    require(value < 2**63, "a number is not below 2^63")
    return value


def parse_entry(data):
    require(len(data) >= 10 and data[0] == 1, "no entry of version 1")
    recorded_at = number(data[2:10])
    if data[1] == EVENT:
        payload = data[ENTRY_HEADER_BYTES:]
        require(1 <= len(payload) <= 60_000, "a payload has 1 to 60,000 bytes")
        return Entry(EVENT, recorded_at, data[10:42], data[42:106], payload)
    require(data[1] == HEADS and len(data) >= 68, "no entry of a known kind")
    first, leaves, previous = number(data[10:18]), number(data[50:58]), number(data[58:66])
    cosigned = data[68:]
    require(len(cosigned) == int.from_bytes(data[66:68], "big") <= 4096, "the length of the cosigned checkpoint")
    require(previous == max(first - 1, 0), "a heads entry names the one before its batch")
    return Entry(
        HEADS, recorded_at, batch_first=first, map_root=data[18:50], leaves=leaves, previous=previous, cosigned=cosigned
    )


def encode_event_entry(recorded_at, key, signature, payload):
    return bytes([1, EVENT]) + recorded_at.to_bytes(8, "big") + key + signature + payload


def encode_heads_entry(recorded_at, batch_first, map_root, leaves, cosigned=b""):
    out = bytes([1, HEADS]) + recorded_at.to_bytes(8, "big") + batch_first.to_bytes(8, "big") + map_root
    out += leaves.to_bytes(8, "big") + max(batch_first - 1, 0).to_bytes(8, "big")
    return out + len(cosigned).to_bytes(2, "big") + cosigned


def leaf_hash(entry):
    return sha256(b"\0", entry)


def node_hash(left, right):
    return sha256(b"\1", left, right)


def tree_root(leaves):
    """RFC 6962, section 2.1."""
    if not leaves:
        return sha256()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(tree_root(leaves[:split]), tree_root(leaves[split:]))


def verify_inclusion(leaf, position, size, proof, root):
    """RFC 9162, section 2.1.3.2."""
    require(0 <= position < size, "the position is not under the size")
    index, last, found = position, size - 1, leaf
    for sibling in proof:
        require(len(sibling) == 32 and last > 0, "the inclusion proof is too long")
        if index & 1 or index == last:
            found = node_hash(sibling, found)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        index, last = index >> 1, last >> 1
    require(last == 0, "the inclusion proof is too short")
    require(found == root, "the inclusion proof leads to another root")


def verify_consistency(old_size, old_root, size, root, proof):
    """RFC 9162, section 2.1.4.2."""
    require(0 < old_size <= size, "sizes do not shrink")
    if old_size == size:
        require(not proof and old_root == root, "one size has one root")
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    require(path, "the consistency proof is empty")
    index, last = old_size - 1, size - 1
    while index & 1:
        index, last = index >> 1, last >> 1
    found_old = found = path[0]
    for sibling in path[1:]:
        require(len(sibling) == 32 and last > 0, "the consistency proof is too long")
        if index & 1 or index == last:
            found_old, found = node_hash(sibling, found_old), node_hash(sibling, found)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        index, last = index >> 1, last >> 1
    require(last == 0, "the consistency proof is too short")
    require(found_old == old_root, "the consistency proof leads to another old root")
    require(found == root, "the consistency proof leads to another root")


# Sections 3.2 and 3.3: touches, values and the heads map


@dataclass
class Value:
    """What the heads map keeps of a subject."""

    chain_length: int = 0
    head: bytes = ZERO
    touches: int = 0
    touch_hash: bytes = ZERO

    def encode(self):
        return self.chain_length.to_bytes(8, "big") + self.head + self.touches.to_bytes(8, "big") + self.touch_hash


def parse_value(data):
    require(len(data) == 80, "a value has 80 bytes")
    return Value(number(data[:8]), data[8:40], number(data[40:48]), data[48:])


def touch_hash(before, position, leaf):
    return sha256(b"\3", before, position.to_bytes(8, "big"), leaf)


def map_key(subject_key):
    return sha256(b"\2", subject_key)


def map_leaf(key, value):
    return sha256(b"\0", key, sha256(value))


def bit(key, depth):
    return key[depth // 8] >> (7 - depth % 8) & 1


def map_root(leaves, depth=0):
    """Of pairs of key and leaf, sorted by key."""
    if not leaves:
        return ZERO
    if len(leaves) == 1:
        return leaves[0][1]
    split = sum(not bit(key, depth) for key, _ in leaves)
    return node_hash(map_root(leaves[:split], depth + 1), map_root(leaves[split:], depth + 1))


def verify_map_path(key, proof, root):
    """The value at the end of the path, or None where the key is proved absent."""
    siblings = list(proof.siblings)
    end = proof.WhichOneof("end")
    require(len(siblings) <= (256 if end == "value" else 255), "the path is too long")
    require(not siblings or siblings[-1] != ZERO, "the last sibling is empty")
    value = None
    if end == "value":
        value = parse_value(proof.value)
        found = map_leaf(key, proof.value)
    elif end == "other":
        other = proof.other.key
        require(len(other) == 32 and other != key, "the other leaf has the key itself")
        require(all(bit(key, at) == bit(other, at) for at in range(len(siblings))), "the other leaf stands elsewhere")
        found = sha256(b"\0", other, proof.other.value_hash)
    else:
        require(end == "empty" and proof.empty, "the path has no end")
        found = ZERO
    for depth in reversed(range(len(siblings))):
        pair = (siblings[depth], found) if bit(key, depth) else (found, siblings[depth])
        found = node_hash(*pair)
    require(found == root, "the path leads to another heads root")
    return value


# Section 3.5: checkpoints


@dataclass
class LogKey:
    """A C2SP verifier key; its name is the origin of the log."""

    origin: str
    hash: bytes
    key: bytes


def parse_log_key(line):
    origin, key_hash, encoded = line.strip().split("+", 2)
    blob = base64.b64decode(encoded, validate=True)
    require(blob[:1] == b"\1" and len(blob) == 33, "the log's key is not Ed25519")
    key = LogKey(origin, bytes.fromhex(key_hash), blob[1:])
    require(sha256(origin.encode(), b"\n\1", key.key)[:4] == key.hash, "the id is not that of the log's key")
    require(is_valid_key(key.key), "the log's key is no valid key")
    return key


@dataclass(frozen=True)
class Checkpoint:
    size: int
    root: bytes


def parse_checkpoint(note, log_key):
    """The checkpoint of a note that the log signed."""
    text, _, signatures = note.decode().rpartition("\n\n")
    text += "\n"
    require(signatures.endswith("\n"), "the note does not end in a line")
    signed = False
    for line in signatures.splitlines():
        require(line.startswith("\u2014 "), "a line that is no signature")
        name, encoded = line[2:].split(" ")
        blob = base64.b64decode(encoded, validate=True)
        if (name, blob[:4]) == (log_key.origin, log_key.hash):
            require(is_valid_signature(log_key.key, text.encode(), blob[4:]), "the log's signature does not verify")
            signed = True
    require(signed, "the log has not signed")
    lines = text.split("\n")
    require(len(lines) == 4 and lines[3] == "", "a checkpoint has three lines")
    require(lines[0] == log_key.origin, "the checkpoint is of another log")
    require(lines[1].isascii() and lines[1].isdigit() and str(int(lines[1])) == lines[1], "the size is no size")
    root = base64.b64decode(lines[2], validate=True)
    require(len(root) == 32 and base64.b64encode(root).decode() == lines[2], "the root is no root")
    return Checkpoint(int(lines[1]), root)


# Events as they are on record


class Events:
    """Reads events with the messages of proto/, and verifies what an entry of the log must hold."""

    def __init__(self, event_pb2, log_key):
        self.pb = event_pb2
        self.log_key = log_key

    def parse(self, entry, keys):
        """The event and the statement of an entry, every signature verified; `keys` by key id."""
        try:
            event = self.pb.Event.FromString(entry.payload)
            statement = self.pb.Statement.FromString(event.statement)
        except DecodeError as error:
            raise Refused(f"no event: {error}") from error
        require(event.SerializeToString(deterministic=True) == entry.payload, "the payload is not canonical")
        require(statement.SerializeToString(deterministic=True) == event.statement, "the statement is not canonical")
        require(statement.origin == self.log_key.origin, "the statement is to another log")
        require((event.chain_index == 0) == (event.previous_hash == ZERO), "zeros stand before the first event only")
        require(statement.first_index <= event.chain_index, "signed first for a later place")
        mentions = list(statement.mentions)
        require(mentions == sorted(set(mentions)), "mentions are not sorted")
        require(statement.subject not in mentions, "the own subject is mentioned")
        hands = [hand.key_id for hand in event.hands]
        require(hands == sorted(set(hands)) and len(hands) <= 4, "hands are not sorted")
        require(entry.key not in hands, "the issuer is a hand, too")
        self._verify(entry.key, EVENT_TYPE, entry.payload, entry.signature, keys)
        for hand in event.hands:
            self._verify(hand.key_id, STATEMENT_TYPE, event.statement, hand.signature, keys)
        return event, statement

    @staticmethod
    def _verify(signer, payload_type, payload, signature, keys):
        require(signer in keys, f"key {signer.hex()} did not come")
        require(is_valid_signature(keys[signer], pae(payload_type, payload), signature), f"signature by {signer.hex()}")


def touched(statement):
    return [statement.subject, *statement.mentions]


# Section 3.6: head proofs


@dataclass
class History:
    """What a head proof proves."""

    checkpoint: Checkpoint
    value: Value | None
    events: list = field(default_factory=list)
    # Entries that are only hashes, and how many of them stand on the chain at most.
    withheld: int = 0
    hidden_on_chain: int = 0


def verify_head(log_key, asked, proof, kept=None):
    """The checkpoint, its last entry, and the value of the subject: None where it is absent."""
    require(proof.subject == asked, "the proof is of another subject")
    checkpoint = parse_checkpoint(proof.checkpoint, log_key)
    last = parse_entry(proof.last_entry)
    size = checkpoint.size
    verify_inclusion(leaf_hash(proof.last_entry), size - 1, size, proof.inclusion, checkpoint.root)
    require(last.kind == HEADS and last.batch_first < size, "the last entry is no heads entry of this tree")
    value = verify_map_path(map_key(asked), proof, last.map_root)
    if kept is not None:
        verify_consistency(kept.size, kept.root, size, checkpoint.root, list(proof.consistency))
    return checkpoint, last, value


def verify_history(events, asked, proof, touches, keys, kept=None):
    """Every check of section 3.6. `keys` is a list of public keys."""
    checkpoint, last, value = verify_head(events.log_key, asked, proof, kept)
    if value is None:
        require(not touches and not proof.HasField("suffix"), "an absent subject was touched")
        return History(checkpoint, None)
    known = {key_id(key): key for key in keys}
    count, rolling = 0, ZERO
    if proof.HasField("suffix"):
        count, rolling = proof.suffix.touches, proof.suffix.touch_hash
        require(count > 0, "a suffix after nothing")
    history = History(checkpoint, value)
    last_position, last_time = -1, 0
    chain_length, head, hidden = 0, ZERO, 0
    for touch in touches:
        require(last_position < touch.position < checkpoint.size, "positions rise and are under the size")
        last_position = touch.position
        if touch.WhichOneof("content") == "leaf_hash":
            require(len(touch.leaf_hash) == 32, "a leaf hash has 32 bytes")
            rolling = touch_hash(rolling, touch.position, touch.leaf_hash)
            count, hidden, history.withheld = count + 1, hidden + 1, history.withheld + 1
            continue
        rolling = touch_hash(rolling, touch.position, leaf_hash(touch.entry))
        count += 1
        entry = parse_entry(touch.entry)
        require(entry.kind == EVENT, "heads entries touch nothing")
        event, statement = events.parse(entry, known)
        require(asked in touched(statement), "the entry does not touch the subject")
        if touch.position >= last.batch_first:
            require(entry.recorded_at == last.recorded_at, "the last batch has one time")
        else:
            require(entry.recorded_at < last.recorded_at, "the last batch is the latest")
        require(last_time <= entry.recorded_at, "recorded_at falls")
        last_time = entry.recorded_at
        if statement.subject == asked:
            missing = event.chain_index - chain_length
            require(0 <= missing <= hidden, "the chain is broken")
            require(missing > 0 or event.previous_hash == head, "the chain is broken")
            history.hidden_on_chain += missing
            chain_length, head, hidden = event.chain_index + 1, event_hash(entry.payload), 0
        history.events.append((touch.position, event, statement))
    require((count, rolling) == (value.touches, value.touch_hash), "touches are missing or changed")
    missing = value.chain_length - chain_length
    require(0 <= missing <= hidden and (missing > 0 or head == value.head), "the chain does not end at the head")
    history.hidden_on_chain += missing
    return history
