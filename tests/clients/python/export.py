"""Verifies what `tally log export` writes, from its files alone: docs/format.md, sections 3 and 4.5."""

from collections import defaultdict

import ledger_format as form
from ledger_format import require


def number_path(number):
    """1,234,067 is x001/x234/067."""
    digits = f"{number:03}"
    digits = digits.rjust((len(digits) + 2) // 3 * 3, "0")
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join(["x" + group for group in groups[:-1]] + groups[-1:])


def tile_path(level, number, width):
    return f"tile/{level}/{number_path(number)}" + ("" if width == 256 else f".p/{width}")


def read_keys(path):
    """keys.txt: the public keys by key id, in which every id is computed again."""
    keys = {}
    for line in path.read_text().splitlines():
        key_id, key = (bytes.fromhex(part) for part in line.split(" "))
        require(form.key_id(key) == key_id, "a key in keys.txt has another id")
        require(form.is_valid_key(key), "a key in keys.txt is no valid key")
        keys[key_id] = key
    return keys


def read_entries(out, size):
    entries = []
    for number in range((size + 255) // 256):
        width = min(256, size - 256 * number)
        bundle = (out / tile_path("entries", number, width)).read_bytes()
        at = 0
        for _ in range(width):
            length = int.from_bytes(bundle[at : at + 2], "big")
            require(at + 2 + length <= len(bundle), "a bundle ends inside an entry")
            entries.append(bundle[at + 2 : at + 2 + length])
            at += 2 + length
        require(at == len(bundle), "bytes follow the last entry of a bundle")
    return entries


def verify_tiles(out, leaves):
    """Every hash tile of the tree over these leaves, full and partial: how many there are."""
    level, hashes, tiles = 0, leaves, 0
    while hashes:
        for first in range(0, len(hashes), 256):
            tile = hashes[first : first + 256]
            found = (out / tile_path(level, first // 256, len(tile))).read_bytes()
            require(found == b"".join(tile), f"tile {first // 256} of level {level} differs")
            tiles += 1
        full = range(0, len(hashes) // 256 * 256, 256)
        level, hashes = level + 1, [form.tree_root(hashes[first : first + 256]) for first in full]
    return tiles


class Authority:
    """Whose key is whose, from the events that register, add and revoke: bodies 20, 23 and 24."""

    def __init__(self):
        self.owners = {}
        self.recovery = set()
        self.revoked = set()

    def check(self, entry, statement, position):
        kind = statement.WhichOneof("body")
        if position == 0:
            genesis = statement.organisation_registered.genesis
            require(entry.key in map(form.key_id, genesis.registrar_keys), "the registrar did not sign its founding")
            for key in genesis.registrar_keys:
                self.owners[form.key_id(key)] = statement.organisation
        require(self.owners.get(entry.key) == statement.organisation, f"{position}: the issuer's key is not its own")
        require(entry.key not in self.revoked, f"{position}: the issuer's key was revoked")
        if entry.key in self.recovery:
            require(kind in ("key_added", "key_revoked"), f"{position}: a recovery key signed {kind}")
        body = getattr(statement, kind)
        if kind == "organisation_registered":
            self._add(body.first_key, statement.subject)
            self._add(body.recovery_key, statement.subject, is_recovery=True)
        elif kind == "key_added":
            self._add(body.key, statement.subject, is_recovery=body.kind == 4)
        elif kind == "key_revoked":
            self.revoked.add(body.key_id)

    def _add(self, key, subject, is_recovery=False):
        key_id = form.key_id(key)
        require(key_id not in self.owners, "a key belongs to one organisation for ever")
        self.owners[key_id] = subject[1:]
        if is_recovery:
            self.recovery.add(key_id)


class AtomicSet:
    """The members of a set that came so far; they stand one behind another, none missing."""

    def __init__(self, first):
        self.count, self.digest, self.hashes = first.set.count, first.set.digest, []

    def add(self, statement):
        """Whether the set is whole with this member."""
        require(statement.set.digest == self.digest, "half a set")
        self.hashes.append(form.member_hash(statement))
        is_whole = len(self.hashes) == self.count
        require(not is_whole or form.set_digest(self.hashes) == self.digest, "the digest of a set is another")
        return is_whole


def verify(out, events, kept=None):
    """Recomputes everything: tree, tiles, signatures, chains, keys, sets, and the heads map after each batch.

    Gives the checkpoint and how many events, batches and tiles there are."""
    checkpoint = form.parse_checkpoint((out / "checkpoint").read_bytes(), events.log_key)
    keys = read_keys(out / "keys.txt")
    entries = read_entries(out, checkpoint.size)
    leaves = [form.leaf_hash(entry) for entry in entries]
    require(form.tree_root(leaves) == checkpoint.root, "the entries have another root than the checkpoint")
    if kept is not None:
        require(form.tree_root(leaves[: kept.size]) == kept.root, "what was kept is no beginning of this log")
    tiles = verify_tiles(out, leaves)

    values = defaultdict(form.Value)
    authority = Authority()
    batch_first, batch_time, last_time, count, batches, pending = 0, None, -1, 0, 0, None
    for position, data in enumerate(entries):
        entry = form.parse_entry(data)
        require(entry.recorded_at > last_time, "recorded_at rises from batch to batch")
        require(batch_time in (None, entry.recorded_at), "a batch has one time")
        batch_time = entry.recorded_at
        if entry.kind == form.HEADS:
            require(pending is None, "half a set")
            require(entry.batch_first == batch_first, "a heads entry names another beginning")
            map_leaves = sorted(
                (form.map_key(subject), form.map_leaf(form.map_key(subject), value.encode()))
                for subject, value in values.items()
            )
            require(entry.leaves == len(map_leaves), "a heads entry counts other leaves")
            require(entry.map_root == form.map_root(map_leaves), f"the heads root at {position} is another")
            batch_first, batch_time, last_time, batches = position + 1, None, entry.recorded_at, batches + 1
            continue
        event, statement = events.parse(entry, keys)
        require((position == 0) == statement.organisation_registered.HasField("genesis"), "a log is founded once")
        authority.check(entry, statement, position)
        if pending or statement.HasField("set"):
            pending = pending or AtomicSet(statement)
            pending = None if pending.add(statement) else pending
        own = values[statement.subject]
        require(
            (event.chain_index, event.previous_hash) == (own.chain_length, own.head), f"{position} breaks its chain"
        )
        own.chain_length, own.head = own.chain_length + 1, form.event_hash(entry.payload)
        for subject in form.touched(statement):
            value = values[subject]
            value.touches += 1
            value.touch_hash = form.touch_hash(value.touch_hash, position, leaves[position])
        count += 1
    require(batch_first == checkpoint.size, "the checkpoint ends inside a batch")
    return checkpoint, count, batches, tiles
