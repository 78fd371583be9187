#!/usr/bin/env python3
"""Re-tells a folder of equipment records as examples/sample.jsonl: organisations, mines, places, machines, events.

    python3 examples/make_sample.py DATA            writes sample.jsonl beside this file
    python3 examples/make_sample.py DATA --check    rebuilds it in memory and compares

DATA holds events.jsonl, one record a line. Python 3.11, standard library only. Same input, same bytes: no clock, no
random source, no unordered set decides anything. README.md says what the lines mean and what is left out.
"""
import argparse, collections, hashlib, json, pathlib, re, sys, unicodedata
from datetime import datetime, timedelta, timezone

HERE = pathlib.Path(__file__).resolve().parent
ORIGIN = "msha-sample.tally.example/demo"
EVENTS_MAX = 1_500
EXTRA_EVENTS = 39  # what `extras` adds
BYTES_MAX = 2_000_000
GRANTED_FROM = "1990-01-01"
NR = "NOT REPORTED"

# What this version of the ledger has no kind of event for.
NOT_EXPRESSIBLE = {"AccidentReported", "StopUseOrdered", "StopUseLifted", "MarkIssued", "MarkSuspended"}
# Real records of machines that are re-told one to one.
TOLD = {"Maintained", "ComponentReplaced", "FaultReported", "Inspected"}

# Class of the data -> category code, and whether the category asks for the check of explosion protection before a
# descent. Classes that no category fits (rock dusters, unnamed equipment) are not here, and their machines not told.
CATEGORIES = {
    "roof_bolter": ("ANCHOR_DRILL", True), "continuous_miner": ("ROADHEADER", True), "shearer": ("SHEARER", True),
    "shuttle_car": ("TRACKLESS", True), "scoop": ("TRACKLESS", True), "ram_car": ("TRACKLESS", True),
    "mantrip": ("TRACKLESS", True), "tractor": ("TRACKLESS", True), "shield_hauler": ("TRACKLESS", True),
    "can_setter": ("TRACKLESS", True), "locomotive": ("LOCOMOTIVE", True), "feeder_breaker": ("CRUSHER_LOADER", True),
    "stage_loader": ("CRUSHER_LOADER", True),
    "motor": ("MOTOR", True), "belt": ("BELT", False), "winch": ("WINCH", True),
}

# One line for each file that real facts come from; S1 is the first.
SOURCES = {
    "msha_accident_narratives_2010_2014.csv": "US Mine Safety and Health Administration (MSHA), Accidents open data set "
        "(form 7000-1), underground coal 2010-2014; work of the US government, public domain",
    "eia_underground_coal_mines_2013.csv": "US Energy Information Administration with MSHA, coal mines 2013; public domain",
    "msha_citations.csv": "MSHA Open Government Data, citations and orders; CC0 1.0",
    "msha_fatality_reports.csv": "MSHA fatal accident reports; work of the US government, public domain",
    "us_enforcement_facts.csv": "US Federal Mine Safety and Health Review Commission, decisions, and a company's public "
        "filing; facts only",
}

# Records that are told in sentences only, here in our own words, by their key.
RETOLD = {
    "US-E-02": "citation or order 7696616 under safeguard 75.1403-10(b), contested; 55000 USD proposed",
    "US-E-07": "2013 in total: 172 serious citations, 10 citations and orders under 104(d)",
    "US-E-08": "2013 in total: 118 serious citations, 3 orders under 104(b), 7 under 104(d); 398294 USD proposed",
}
# What a repair is called by us; the first word that fits.
WORK = [("tight", "fastenings tightened"), ("troubl", "fault looked for"), ("greas", "lubricated"), ("weld", "weld repair"),
        ("servic", "serviced"), ("repair", "repair in place"), ("mechanic", "work by a mechanic"), ("", "maintenance")]
FAULTS = [("unexpected", "UNEXPECTED_MOVEMENT", "moved without command"), ("would not stop", "UNEXPECTED_MOVEMENT", "did not stop"),
          ("came off", "CAME_OFF", "{} off its place"), ("came loose", "CAME_LOOSE", "{} loose"), ("ruptur", "RUPTURE", "{} leaking"),
          ("burst", "RUPTURE", "{} leaking"), ("broke", "BREAKAGE", "{} broken"), ("snapped", "BREAKAGE", "{} broken"),
          ("", "MALFUNCTION", "does not work as it should")]
# Parts that wear out are taken as destroyed, the others as sent for repair: the sources do not say.
WEAR_PARTS = {"bit", "hose", "chain", "tire", "filter"}
SINGULAR = {"bits": "bit", "batteries": "battery", "tires": "tire"}

POSTS = {
    "MINE": ["maintenance foreman", "electrician, explosion protection", "equipment manager"],
    "MANUFACTURER": ["final inspector", "shipping clerk"],
    "REGULATOR": ["inspector", "supervising inspector"],
    "DEALER": ["storekeeper", "dispatcher"],
    "OVERHAUL_SHOP": ["fitter", "shop inspector"],
    "RECYCLER": ["weighmaster", "dismantler"],
}


def digest(*parts):
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def pick(key, salt, modulo):
    """A number in 0..modulo-1 that depends on nothing but its arguments."""
    return int(digest("sample", salt, key)[:8], 16) % modulo


def instant(text):
    return datetime.fromisoformat(text).astimezone(timezone.utc)


def rfc3339(at):
    if at.microsecond:
        return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def micros(at):
    return str((at - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1))


def day(at):
    """The day of the calendar of +08:00, as the ledger counts."""
    local = at + timedelta(hours=8)
    return {"year": local.year, "month": local.month, "day": local.day}


def measure(key, digits, unit, scale=0):
    found = {"key": key, "digits": str(digits), "scale": scale, "unit": unit}
    return found if scale else {name: value for name, value in found.items() if name != "scale"}


def attachment(text):
    data = text.encode()
    return {"sha256": hashlib.sha256(data).hexdigest(), "mediaType": "text/plain", "sizeBytes": str(len(data))}


def checks(*codes):
    return [{"code": code, "result": "CHECK_RESULT_PASS"} for code in codes]


# ------------------------------------------------------------------ the contract

class Schema:
    """Messages and enums of the contract, read from the .proto files: enough to check and encode a body."""
    SCALARS = {"string", "bytes", "bool", "uint32", "uint64", "int64", "sint64"}

    def __init__(self, folder):
        text = "\n".join((folder / name).read_text(encoding="utf-8") for name in ("value.proto", "event.proto"))
        text = re.sub(r"//[^\n]*", "", text)
        self.enums, self.messages = {}, {}
        for name, body in re.findall(r"\benum (\w+) \{(.*?)\n\}", text, re.S):
            self.enums[name] = {value: int(number) for value, number in re.findall(r"(\w+) = (\d+);", body)}
        for name, body in re.findall(r"\bmessage (\w+) \{(.*?)\n\}", text, re.S):
            fields = re.findall(r"(repeated )?(\w+) (\w+) = (\d+);", body)
            self.messages[name] = {self.camel(field): (type_, bool(repeated), int(number))
                                   for repeated, type_, field, number in fields}

    @staticmethod
    def camel(name):
        head, *rest = name.split("_")
        return head + "".join(word.capitalize() for word in rest)

    def encode(self, name, value, resolve=None):
        """Canonical proto3 bytes; refuses what the contract does not know. `resolve` answers symbolic references."""
        if isinstance(value, str) and resolve:
            return resolve(name, value)
        fields, out = self.messages[name], []
        for field in value:
            if field not in fields:
                raise ValueError(f"{name} has no field {field}")
        for field, (type_, repeated, number) in sorted(fields.items(), key=lambda item: item[1][2]):
            if field in value:
                items = value[field] if repeated else [value[field]]
                if repeated and type_ in self.enums:
                    raise ValueError(f"{name}.{field}: packed enums are not used in the sample")
                out += [self._field(name, field, type_, number, item, repeated, resolve) for item in items]
        return b"".join(out)

    def _field(self, name, field, type_, number, item, repeated, resolve):
        where = f"{name}.{field}"
        if type_ in self.messages:
            data = self.encode(type_, item, resolve)
        elif type_ == "string":
            if not isinstance(item, str) or unicodedata.normalize("NFC", item) != item or item.strip() != item:
                raise ValueError(f"{where}: {item!r} is no canonical text")
            if any(unicodedata.category(character).startswith("C") for character in item):
                raise ValueError(f"{where}: {item!r} has a control character")
            data = item.encode()
        elif type_ == "bytes":
            data = resolve(where, item) if resolve and item.startswith("@") else bytes.fromhex(item)
        else:
            if type_ in self.enums:
                if self.enums[type_].get(item, 0) == 0:
                    raise ValueError(f"{where}: {item!r} is no value of {type_}")
                item = self.enums[type_][item]
            elif (type_ in ("uint64", "int64", "sint64")) != isinstance(item, str):
                raise ValueError(f"{where}: 64-bit numbers are strings in JSON, the others are not")
            item = int(item)
            if type_ == "sint64":
                item = (item << 1) ^ (item >> 63)
            return b"" if item == 0 else self._varint(number << 3) + self._varint(item % (1 << 64))
        if not data and not repeated and type_ not in self.messages:
            return b""
        return self._varint(number << 3 | 2) + self._varint(len(data)) + data

    @staticmethod
    def _varint(number):
        out = bytearray()
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)
        return bytes(out)


# ------------------------------------------------------------------ the sample

class Event:
    def __init__(self, subject, kind, organisation, role, at, body, hands, **more):
        self.subject, self.kind, self.organisation, self.role = subject, kind, organisation, role
        self.at, self.body, self.hands = at, body, hands
        self.basis = self.time_basis = "generated"
        self.source = self.set = self.issuer_staff = self.recorded = None
        self.loose = False  # whether it may be recorded late: nothing that is recorded later hangs on it
        self.__dict__.update(more)


class Sample:
    def __init__(self, records, schema):
        self.schema = schema
        self.records = records
        self.events, self.machines, self.organisations, self.mines, self.places = [], {}, {}, {}, {}
        self.left_out = collections.Counter()
        self.store = self.organisation("Regional equipment warehouse (generated)", "DEALER")
        self.shop = self.organisation("Overhaul shop (generated)", "OVERHAUL_SHOP")
        self.recycler = self.organisation("Recycler (generated)", "RECYCLER")

    # -- who, where, what

    def organisation(self, name, role, mine=None, real=False):
        id_ = "O-" + digest("org", name)[:8]
        found = self.organisations.setdefault(id_, {"name": name, "role": role, "mines": set(), "plates": set(), "real": real})
        assert found["role"] == role, f"{name} has two roles"
        if mine:
            found["mines"].add(mine)
        if role == "MANUFACTURER":
            found["plates"].add(NR if name.startswith("Manufacturer not reported") else name)
        return id_

    def source_of(self, record):
        """`S1 row 14 sha256:...`: the source's number in the header, and the row's key there."""
        source = record["source"]
        if source is None:
            return None
        number = 1 + list(SOURCES).index(source["file"].removeprefix("raw/"))
        row = f"{source['row']} " if "row" in source else ""
        return f"S{number} row {row}{source['key']}"

    def place(self, mine, name):
        """A working section below the mine's main level."""
        level = "P-" + digest("place", mine, "main level")[:8]
        self.places.setdefault(level, {"mine": mine, "name": "main level", "kind": "LEVEL", "parent": None})
        section = "P-" + digest("place", mine, name)[:8]
        self.places.setdefault(section, {"mine": mine, "name": name, "kind": "FACE", "parent": level})
        return {"mine": "@mine:" + mine, "node": "@place:" + section}

    def machine(self, id_, maker, model, serial, class_, plate_basis, identity="UNIT", **more):
        category = CATEGORIES[class_][0]
        self.machines[id_] = {"maker": maker, "model": model, "serial": serial, "category": category, "class": class_,
                              "identity": identity, **more, "plate_basis": plate_basis}

    def add(self, subject, kind, organisation, at, body, hands=None, role=None, **more):
        """An event; without `hands` one person of the organisation puts a hand to it."""
        if hands is None:
            staff = len(POSTS[self.organisations[organisation]["role"]])
            hands = [[organisation, pick(subject + kind + rfc3339(at), "hand", staff)]]
        role = role or self.organisations[organisation]["role"]
        event = Event(subject, kind, organisation, role, at, body, hands, **more)
        self.events.append(event)
        return event

    # -- choosing

    def choose(self):
        """The machines with the most real records that can be told, then with the most real records; as many as fit."""
        told, real, classes = collections.Counter(), collections.Counter(), {}
        lives, self.of_mine = collections.defaultdict(list), collections.defaultdict(list)
        for record in self.records:
            device = record["device"]
            if device:
                lives[device].append(record)
                classes[device] = record["class"]
                real[device] += not record["generated"]
                told[device] += not record["generated"] and record["kind"] in TOLD
            elif record["site"] and record["kind"] != "OrganisationRegistered":
                self.of_mine[record["site"]].append(record)
        order = sorted((device for device in lives if classes[device] in CATEGORIES and is_msha(lives[device])),
                       key=lambda device: (-told[device], -real[device], device))
        self.late = next(device for device in sorted(order) if is_named_in_report(lives[device]))
        order.remove(self.late)
        mines, count, self.chosen = set(), EXTRA_EVENTS, []
        for device in [self.late, *order]:
            before = len(self.events)
            site = self.life(device, lives[device])
            notes = 0 if site in mines else sum(is_note(record) for record in self.of_mine[site])
            count += len(self.events) - before + notes
            if count > EVENTS_MAX:
                del self.events[before:]
                del self.machines[device]
                break
            mines.add(site)
            self.chosen.append(device)
        self.lives = {device: lives[device] for device in self.chosen}
        self.mines = {mine: self.mines[mine] for mine in sorted(mines)}
        self.places = {id_: place for id_, place in self.places.items() if place["mine"] in mines}
        for organisation in self.organisations.values():
            organisation["mines"] &= mines
        for mine in sorted(mines):
            self.notes(mine)

    # -- the life of a machine

    def life(self, device, records):
        """Re-tells one machine in the order that the ledger asks for; returns its mine."""
        first = {}
        for record in records:
            first.setdefault(record["kind"], record)
        entered, made = first["EnteredMine"], first["Manufactured"]
        mine, class_, plate = entered["site"], entered["class"], entered["plate"]
        is_ex = CATEGORIES[class_][1]
        operator = self.organisation(entered["org"]["name"], "MINE", mine, real=True)
        maker = self.organisation(made["org"]["name"], "MANUFACTURER", real="(generated)" not in made["org"]["name"])
        self.mines.setdefault(mine, operator)
        self.machine(device, plate["manufacturer"], plate["model"], plate["serial"], class_, entered["plate_basis"])
        self.machines[device]["source"] = self.source_of(next(record for record in records if not record["generated"]))
        subject = "machine:" + device
        when = {kind: instant(record["time"]) for kind, record in first.items()}
        hour, day_ = timedelta(hours=1), timedelta(days=1)

        self.made(device, maker, when["Manufactured"], when["Tested"], made["fields"]["mark_no"])
        out = self.add(subject, "FactoryExit", maker, when["FactoryExit"], {
            "consignee": "@organisation:" + self.store, "reason": "DISPATCH_REASON_SALE", "model": "@model:" + device,
            "documents": [attachment("certificate " + first["FactoryExit"]["fields"]["certificate"])],
            "markNo": made["fields"]["mark_no"]}, [[maker, 1]])
        self.received(subject, out, self.store, when["Received"], "STORE")
        self.add(subject, "Warehoused", self.store, when["Warehoused"], {
            "store": "warehouse 1", "shelf": f"row {1 + pick(device, 'shelf', 40)}", "condition": "CONDITION_A",
            "documentsChecked": checks("certificate", "manual")})
        down = when["EnteredMine"]
        sent = self.add(subject, "Dispatched", self.store, down - 4 * day_ + 2 * hour, {
            "toOrganisation": "@organisation:" + operator, "reason": "DISPATCH_REASON_SALE", "condition": "CONDITION_A"})
        self.received(subject, sent, operator, down - 2 * day_ + 4 * hour, "MINE", mine)
        at = self.place(mine, first["Installed"]["fields"]["location"])
        self.taken_into_use(device, operator, mine, at, is_ex, down - 2 * day_ + 7 * hour, down - day_ + 3 * hour, down,
                            when["Installed"], when["Commissioned"] - 3 * hour, when["Commissioned"])

        if entered["company_no"]:
            self.add(subject, "AliasSet", operator, when["Installed"] + 2 * hour,
                     {"kind": "ALIAS_KIND_MINE_NO", "value": "No. " + entered["company_no"]})

        tail = [record for record in records if instant(record["time"]) > when["Commissioned"]]
        real = sorted(instant(record["time"]) for record in tail if not record["generated"])
        window = self.overhaul(device, first.get("Overhauled"), operator, mine, at, is_ex, real)
        idle = False
        for record in tail:
            kind, time = record["kind"], instant(record["time"])
            if record["generated"] and window and window[0] <= time <= window[1]:
                # A generated reading or check gives way to the overhaul, whose days are ours as well.
                time = window[0] - timedelta(hours=2 + pick(kind + device, "way", 40))
            if kind == "Moved":
                there = self.place(mine, record["fields"]["location"])
                self.add(subject, kind, operator, time, {"fromLocation": at, "toLocation": there})
                at = there
            elif kind == "Idled":
                self.add(subject, kind, operator, time, {"reason": "not needed at present"})
                idle = True
            elif kind == "ScrapProposed":
                self.scrapped(device, operator, mine, time, idle)
            elif kind in TOLD or kind == "UsageReported":
                self.worked_on(device, operator, record, time)
        return mine

    def made(self, device, maker, at, tested, mark_no, **more):
        machine = self.machines[device]
        subject = "machine:" + device
        self.add(subject, "Manufactured", maker, at, {
            "maker": machine["maker"], "model": machine["model"], "serial": machine["serial"],
            "category": machine["category"], "producedOn": day(at), "identityKind": "IDENTITY_KIND_" + machine["identity"],
            "markNo": mark_no, **more}, [[maker, 0]])
        report = "FT-" + digest("factory test", device)[:8]
        self.add(subject, "Tested", maker, tested, {
            "scheduleCode": "FACTORY", "standard": "factory acceptance", "reportNo": report,
            "report": attachment("factory test " + report), "testDate": day(tested), "result": "CHECK_RESULT_PASS"}, [[maker, 0]])

    def received(self, subject, dispatch, by, at, into, mine=None):
        body = {"dispatchEvent": dispatch, "into": "RECEIVED_INTO_" + into, "condition": "CONDITION_A", "serialChecked": True,
                "fromOrganisation": "@organisation:" + dispatch.organisation}
        if mine:
            body["mineEntered"] = "@mine:" + mine
        return self.add(subject, "Received", by, at, body)

    def taken_into_use(self, device, operator, mine, at, is_ex, accepted, checked, down, installed, passed, commissioned):
        """From acceptance at the mine to use below ground; without `installed` it waits there."""
        subject, serial = "machine:" + device, self.machines[device]["serial"]
        self.add(subject, "AcceptanceChecked", operator, accepted, {
            "checks": checks("plate", "mark", "conformity_cert", "outer_condition"), "result": "CHECK_RESULT_PASS"},
            [[operator, 0], [operator, 2]])
        entry = {"mine": "@mine:" + mine, "shaft": "main slope", "toLocation": at}
        if is_ex:
            entry["passNo"] = "G-EX-" + digest("pass", device, rfc3339(checked))[:6]
            self.add(subject, "ExProofChecked", operator, checked, {
                "checklist": checks("flamepath", "cable_entries", "fastenings"), "result": "CHECK_RESULT_PASS",
                "passNo": entry["passNo"], "validUntil": day(checked + timedelta(days=7))}, [[operator, 1]])
        self.add(subject, "EnteredMine", operator, down, entry)
        if installed is None:
            return
        self.add(subject, "Installed", operator, installed, {"location": at, "function": "production"})
        self.add(subject, "InstallationAccepted", operator, passed, {
            "checks": checks("anchoring", "protection_settings"), "result": "CHECK_RESULT_PASS",
            "insulation": measure("insulation_MOhm", 20 + pick(serial, "insulation", 180), "MOhm")}, [[operator, 1], [operator, 0]])
        self.add(subject, "Commissioned", operator, commissioned, {
            "trialRun": measure("trial_run", 2, "h"), "result": "CHECK_RESULT_PASS", "duty": "DUTY_WORK",
            "meterNo": "H-" + serial})

    def worked_on(self, device, operator, record, time):
        """Readings, checks, repairs and faults: real ones say what the row says and no more."""
        kind, fields, subject = record["kind"], record["fields"], "machine:" + device
        more = {"basis": "generated" if record["generated"] else "real", "time_basis": record["time_basis"],
                "source": self.source_of(record), "loose": True}
        words = fields.get("words", "").lower()
        if kind == "UsageReported":
            # Read by a meter: nobody's hand.
            self.add(subject, kind, operator, time, {
                "meterNo": "H-" + self.machines[device]["serial"], "counter": measure("running_h", fields["hours_total"], "h"),
                "periodTo": day(time), "source": "USAGE_SOURCE_METER"}, [], **more)
        elif kind == "Inspected":
            self.add(subject, kind, operator, time, {
                "kind": "INSPECTION_KIND_MONTHLY", "nothingFound": True, "startedUs": micros(time - timedelta(minutes=40)),
                "finishedUs": micros(time)}, **more)
        elif kind == "Maintained":
            took = timedelta(hours=3 if record["generated"] else 0)
            work = "planned maintenance" if record["generated"] else next(text for word, text in WORK if word in words)
            self.add(subject, kind, operator, time, {
                "level": "MAINTENANCE_LEVEL_SMALL", "startedUs": micros(time - took), "finishedUs": micros(time), "work": [work],
                "result": "CHECK_RESULT_PASS" if record["generated"] else "CHECK_RESULT_NOT_APPLICABLE"}, **more)
        elif kind == "ComponentReplaced":
            part = SINGULAR.get(fields["component"], fields["component"])
            fate = "FATE_DESTROYED" if part in WEAR_PARTS else "FATE_REPAIR"
            self.add(subject, kind, operator, time, {
                "slot": part, "out": {"component": {"description": f"{part}, no plate reported"}, "fate": fate},
                "in": {"description": f"{part}, no plate reported"}, "reason": f"{part} changed"}, **more)
        elif kind == "FaultReported":
            self.fault(device, operator, record, time, words, more)

    def fault(self, device, operator, record, time, words, more):
        subject = "machine:" + device
        kind, form = next((kind, form) for word, kind, form in FAULTS if word in words)
        number = "F-" + digest("fault", device, record["source"]["key"])[:8]
        self.add(subject, "FaultReported", operator, time, {
            "faultId": number, "kind": kind, "severity": "FAULT_SEVERITY_SERIOUS",
            "description": form.format(words.split()[0]).capitalize()}, **more)
        # Whether it was put right the sources do not say; three of four are, here, and generated.
        if pick(number, "open", 4):
            done = time + timedelta(days=1 + pick(number, "fix", 9), hours=3)
            self.add(subject, "Rectified", operator, done,
                     {"faultId": number, "work": "put right", "finishedUs": micros(done)}, [[operator, 0]])
            self.add(subject, "RectificationConfirmed", operator, done + timedelta(days=1),
                     {"faultId": number, "result": "RECTIFICATION_RESULT_CLOSED"}, [[operator, 0], [operator, 2]])

    def overhaul(self, device, record, operator, mine, at, is_ex, real):
        """A mine's own general overhaul is re-told as sent away and back; returns its first and last instant."""
        if record is None:
            return None
        def around(middle):
            return middle - timedelta(days=10), middle + timedelta(days=8)
        middle = instant(record["time"])
        while any(around(middle)[0] - timedelta(days=12) <= time <= around(middle)[1] for time in real):
            middle += timedelta(days=7)
        subject, job = "machine:" + device, "J-" + digest("job", device)[:6]
        def days(number, hours=0):
            return middle + timedelta(days=number, hours=hours)
        self.add(subject, "Idled", operator, days(-10), {"reason": "awaits general overhaul"})
        self.add(subject, "RaisedToSurface", operator, days(-8), {
            "mine": "@mine:" + mine, "reason": "RAISE_REASON_REPAIR", "shaft": "main slope", "condition": "CONDITION_C"})
        sent = self.add(subject, "Dispatched", operator, days(-7), {
            "toOrganisation": "@organisation:" + self.shop, "reason": "DISPATCH_REASON_OVERHAUL", "condition": "CONDITION_C",
            "mineLeft": "@mine:" + mine})
        self.received(subject, sent, self.shop, days(-5), "OVERHAUL").body["condition"] = "CONDITION_C"
        self.add(subject, "OverhaulStarted", self.shop, days(-4), {
            "jobNo": job, "findingsOnReceipt": ["general wear"], "documentsAvailable": [attachment("certificate copy for " + job)]})
        self.add(subject, "Overhauled", self.shop, middle, {
            "jobNo": job, "conformity": "CONFORMITY_CONFORMS", "tests": checks("insulation", "flamepath", "test_run"),
            "measurements": [measure("insulation_MOhm", 100 + pick(job, "insulation", 400), "MOhm")],
            "report": attachment("overhaul report " + job), "repairLabel": "L-" + job}, [[self.shop, 0], [self.shop, 1]])
        back = self.add(subject, "Dispatched", self.shop, days(1), {
            "toOrganisation": "@organisation:" + operator, "reason": "DISPATCH_REASON_RETURN", "condition": "CONDITION_A"})
        self.received(subject, back, operator, days(3), "MINE", mine)
        self.taken_into_use(device, operator, mine, at, is_ex, days(3, 4), days(4), days(5), days(6), days(7), days(7, 4))
        return around(middle)

    def scrapped(self, device, operator, mine, time, idle):
        """The end: up the shaft, applied for, approved, to the recycler, taken apart."""
        subject, number = "machine:" + device, "S-" + digest("scrap", device)[:6]
        def days(number, hours=0):
            return time + timedelta(days=number, hours=hours)
        if not idle:
            self.add(subject, "Idled", operator, days(-5), {"reason": "end of its service"})
        self.add(subject, "RaisedToSurface", operator, days(-2), {
            "mine": "@mine:" + mine, "reason": "RAISE_REASON_SCRAP", "shaft": "main slope", "condition": "CONDITION_D"})
        self.add(subject, "ScrapProposed", operator, time, {"reason": "age"})
        self.add(subject, "Scrapped", operator, days(14), {
            "approvalNo": number, "plateDestroyed": True, "labelDestroyed": True,
            "evidence": [attachment("plate destroyed " + number)]}, [[operator, 0], [operator, 2]])
        sent = self.add(subject, "Dispatched", operator, days(16), {
            "toOrganisation": "@organisation:" + self.recycler, "reason": "DISPATCH_REASON_SCRAP", "condition": "CONDITION_D",
            "mineLeft": "@mine:" + mine})
        self.received(subject, sent, self.recycler, days(18), "STORE").body["condition"] = "CONDITION_D"
        frame = {"component": {"slot": "frame", "description": "frame and drives"}, "fate": "FATE_SOLD_METAL"}
        self.add(subject, "Dismantled", self.recycler, days(30), {
            "parts": [frame], "place": "DISMANTLING_PLACE_SURFACE", "method": "cut up in the yard"},
            [[self.recycler, 1], [operator, 2]])

    # -- findings that name a mine and no machine

    def notes(self, mine):
        for record in self.of_mine[mine]:
            if not is_note(record):
                self.left_out[record["kind"]] += 1
                continue
            fields, time = record["fields"], instant(record["time"])
            if "citation_no" in fields:
                text = f"{fields['instrument'].lower()} {fields['citation_no']} under {fields['rule']}"
                if fields["significant_and_substantial"]:
                    text += ", significant and substantial"
                text += f"; persons affected: {fields['persons_affected']}"
                text += f"; {fields['proposed_penalty_usd']} USD proposed, {fields['paid_usd']} USD paid"
                if fields["contested"] == "Y":
                    text += "; contested"
            else:
                text = RETOLD[record["source"]["key"].removeprefix("fact_id=")]
            regulator = self.organisation(record["org"]["name"], "REGULATOR", real=True)
            self.add("mine:" + mine, "Noted", regulator, time, {"text": text}, [], issuer_staff=0, basis="real",
                     time_basis=record["time_basis"], source=self.source_of(record), loose=True)

    # -- what no source has: shown once each, all generated

    def extras(self):
        """A split lot, exchanged motors, an enrolled machine, an alias, a correction, rounds and a count, at one mine."""
        mine, start, present = self.busiest()
        before = len(self.events)
        operator = self.mines[mine]
        at = self.place(mine, "section 1")
        def days(number, hours=0):
            return start + timedelta(days=number, hours=hours)
        generated = {"manufacturer": "generated", "model": "generated", "serial": "generated"}

        def bought(device, maker_name, model, class_, identity, made, down, **more):
            maker = self.organisation(maker_name, "MANUFACTURER")
            self.machine(device, maker_name, model, "G-" + digest("serial", device)[:8], class_, generated, identity)
            mark = "G-" + digest("mark", maker_name, model)[:8]
            self.made(device, maker, made, made + timedelta(days=2), mark, **more)
            out = self.add("machine:" + device, "FactoryExit", maker, made + timedelta(days=4), {
                "consignee": "@organisation:" + operator, "reason": "DISPATCH_REASON_SALE", "model": "@model:" + device,
                "documents": [attachment("certificate of " + device)], "markNo": mark})
            self.received("machine:" + device, out, operator, down - timedelta(days=3), "MINE", mine)
            self.taken_into_use(device, operator, mine, at, CATEGORIES[class_][1], down - timedelta(days=2),
                                down - timedelta(days=1), down, None, None, None)

        # A belt of 600 m, cut in two.
        belt = "D-" + digest("extra", "belt")[:10]
        pieces = {suffix: "D-" + digest("extra", "belt", suffix)[:10] for suffix in "AB"}
        bought(belt, "Belt works (generated)", "1000S-1200 (generated)", "belt", "LOT", days(-60), days(1),
               quantity=measure("length_m", 600, "m"), nameplate=[measure("width_mm", 1200, "mm")])
        split = {"parent": "@machine:" + belt, "state": "SERVICE_STATE_UNDERGROUND", "mine": "@mine:" + mine, "children": [
            {"suffix": "A", "from": measure("length_m", 0, "m"), "to": measure("length_m", 350, "m")},
            {"suffix": "B", "from": measure("length_m", 350, "m"), "to": measure("length_m", 600, "m")}]}
        for device in (belt, *pieces.values()):
            if device != belt:
                lot = self.machines[belt]
                suffix = next(suffix for suffix, piece in pieces.items() if piece == device)
                self.machine(device, lot["maker"], lot["model"], lot["serial"], "belt", generated, "PIECE", parent=belt, suffix=suffix)
            self.add("machine:" + device, "LotSplit", operator, days(2), split, [[operator, 0]], set="s1")
        self.add("machine:" + pieces["A"], "Installed", operator, days(3), {"location": at, "function": "section belt"})

        # A motor goes into a machine, and later another in its place: two and three chains at once.
        host = next(device for device in present if self.machines[device]["class"] not in ("belt", "motor"))
        motors = ["D-" + digest("extra", "motor", name)[:10] for name in ("first", "second")]
        for number, device in enumerate(motors):
            bought(device, "Motor works (generated)", "YBUS-150 (generated)", "motor", "UNIT", days(-70 + 20 * number),
                   days(4 + 9 * number), nameplate=[measure("power_kW", 150, "kW"), measure("voltage_V", 1140, "V")])
        def part(device):
            machine = self.machines[device]
            return {"slot": "motor 1", "maker": machine["maker"], "model": machine["model"], "serial": machine["serial"],
                    "equipment": "@machine:" + device}
        two = [[operator, 0], [operator, 1]]
        fitted = {"slot": "motor 1", "machine": "@machine:" + host, "controlled": True}
        old = {"slot": "motor 1", "description": "motor, no plate"}
        for tag, when, gone, come in (("s2", days(5), old, motors[0]), ("s3", days(15), part(motors[0]), motors[1])):
            self.add("machine:" + host, "ComponentReplaced", operator, when, {
                "slot": "motor 1", "out": {"component": gone, "fate": "FATE_REPAIR"}, "in": part(come),
                "reason": "insulation low", "controlled": True}, two, set=tag)
            if tag == "s3":
                self.add("machine:" + motors[0], "ComponentTakenOut", operator, when, {
                    "slot": "motor 1", "destination": "FATE_REPAIR", "machine": "@machine:" + host}, two, set=tag)
            self.add("machine:" + come, "ComponentFitted", operator, when, fitted, two, set=tag)

        # A winch that is older than the ledger, with an alias, a reading, and its correction.
        winch = "D-" + digest("extra", "winch")[:10]
        self.machine(winch, NR, NR, "G-" + digest("serial", winch)[:8], "winch",
                     {"manufacturer": "not-reported", "model": "not-reported", "serial": "generated"})
        subject, serial = "machine:" + winch, self.machines[winch]["serial"]
        self.add(subject, "Enrolled", operator, days(1, 2), {
            "maker": NR, "model": NR, "serial": serial, "category": "WINCH", "identityKind": "IDENTITY_KIND_UNIT",
            "producedOn": {"year": 1988}, "state": "SERVICE_STATE_IN_USE", "place": at,
            "evidence": [attachment("inventory sheet of " + serial)], "documented": ["category", "serial"],
            "historyNote": "Taken on from the inventory; its papers are lost."}, [[operator, 0], [operator, 2]])
        self.add(subject, "AliasSet", operator, days(1, 3), {"kind": "ALIAS_KIND_ASSET_NO", "value": "W-7"})
        reading = {"meterNo": "H-" + serial, "counter": measure("running_h", 21840, "h"), "periodTo": day(days(8)),
                   "source": "USAGE_SOURCE_METER"}
        wrong = self.add(subject, "UsageReported", operator, days(8), reading, [])
        right = {**reading, "counter": measure("running_h", 12840, "h")}
        self.add(subject, "Corrected", operator, days(11), {
            "event": wrong, "reason": "two digits of the reading were exchanged", "replacement": {
                "occurredAtUs": micros(days(8)), "body": self.schema.encode("UsageReported", right).hex()}},
            [[operator, 0], [operator, 2]])

        # Rounds over all machines of the mine, and a count.
        round_ = ["@machine:" + device for device in sorted([*present, winch])]
        for number in range(5):
            self.add("mine:" + mine, "Inspected", operator, days(6 + number, 1), {
                "kind": "INSPECTION_KIND_DAILY", "nothingFound": True, "startedUs": micros(days(6 + number)),
                "finishedUs": micros(days(6 + number, 1)), "machines": round_}, [[operator, number % 3]])
        self.add("mine:" + mine, "StockChecked", operator, days(12), {
            "found": True, "place": {"mine": "@mine:" + mine}, "machines": round_}, [[operator, 0], [operator, 2]])
        assert len(self.events) - before == EXTRA_EVENTS

    def busiest(self):
        """The mine and the time with the most machines in use together: (mine, start, machines)."""
        inside = collections.defaultdict(list)
        for event in self.events:
            if event.kind in ("Commissioned", "Idled"):
                device = event.subject.removeprefix("machine:")
                inside[device].append((event.at, event.kind))
        mine_of = {device: next(record["site"] for record in self.lives[device] if record["site"]) for device in self.chosen}
        best = None
        for mine in sorted(self.mines):
            spans = []
            for device in self.chosen:
                if mine_of[device] == mine:
                    times = [*sorted(inside[device]), (datetime(2026, 1, 1, tzinfo=timezone.utc), "Idled")]
                    spans += [(device, since, until) for (since, kind), (until, _) in zip(times, times[1:]) if kind == "Commissioned"]
            for _, since, _ in spans:
                start = since + timedelta(days=20)
                present = [device for device, begin, end in spans
                           if begin + timedelta(days=10) <= start and start + timedelta(days=40) <= end]
                if best is None or len(present) > len(best[2]):
                    best = (mine, start, present)
        return best

    # -- the second clock

    def record(self):
        """Gives every event the time at which a ledger would have recorded it; custody never runs backwards."""
        accident = next(instant(record["time"]) for record in self.lives[self.late] if record["kind"] == "AccidentReported")
        backfilled = [event for event in self.events if event.subject == "machine:" + self.late and event.loose][-4:]
        cursor, done, after = {}, set(), {}
        order = sorted(range(len(self.events)), key=lambda number: (self.events[number].at, number))
        for event in (self.events[number] for number in order):
            if id(event) in done:
                continue
            unit = [member for member in self.events if member.set == event.set] if event.set else [event]
            key = unit[0].subject + unit[0].kind + rfc3339(unit[0].at) + str(unit[0].source)
            time = event.at + timedelta(minutes=3 + pick(key, "delay", 240), milliseconds=pick(key, "ms", 60_000))
            fault = event.body.get("faultId")
            if event in backfilled:
                time = accident + timedelta(days=2, hours=backfilled.index(event), minutes=pick(key, "ms", 50))
                time = time.replace(microsecond=0)
            elif event.loose and pick(key, "late", 100) < 18:
                time += timedelta(days=3 + pick(key, "days", 60))
            else:
                time = max([time, *(cursor[member.subject] + timedelta(minutes=1) for member in unit if member.subject in cursor)])
            if fault:
                time = max(time, after.get(fault, time) + timedelta(minutes=5))
                after[fault] = time
            for number, member in enumerate(unit):
                member.recorded = time + timedelta(milliseconds=number)
                if not (member.loose and time - member.at > timedelta(days=2)):
                    cursor[member.subject] = max(cursor.get(member.subject, time), member.recorded)
                done.add(id(member))

    # -- the lines

    def lines(self):
        first_use = {}
        def used(symbol, time):
            first_use[symbol] = min(first_use.get(symbol, time), time)
        for event in self.events:
            used("@organisation:" + event.organisation, event.recorded)
            for organisation, _ in event.hands:
                used("@organisation:" + organisation, event.recorded)
            for symbol in symbols([event.body, "@" + event.subject]):
                used(symbol, event.recorded)
        for id_, place in self.places.items():
            if "@place:" + id_ in first_use:
                used("@mine:" + place["mine"], first_use["@place:" + id_])
                if place["parent"]:
                    used("@place:" + place["parent"], first_use["@place:" + id_] - timedelta(hours=1))
        for mine, operator in self.mines.items():
            used("@organisation:" + operator, first_use["@mine:" + mine])

        registered = {record["site"]: record for record in self.records
                      if record["kind"] == "OrganisationRegistered" and record["site"] in self.mines}
        units = []
        for id_, organisation in sorted(self.organisations.items()):
            if "@organisation:" + id_ not in first_use:
                continue
            mines = sorted(organisation["mines"])
            units.append((first_use["@organisation:" + id_] - timedelta(days=1), 0, [{
                "type": "organisation", "id": id_, "name": organisation["name"], "scheme": "OTHER", "number": id_,
                "plate_names": sorted(organisation["plates"]),
                "roles": [{"role": organisation["role"], "mines": mines, "from": GRANTED_FROM}],
                "staff": [{"post": post} for post in POSTS[organisation["role"]]],
                "recorded_at": None, "basis": "real" if organisation["real"] else "generated"}]))
        for mine, operator in self.mines.items():
            record = registered[mine]
            units.append((first_use["@mine:" + mine] - timedelta(hours=12), 1, [{
                "type": "mine", "id": mine, "name": record["fields"]["name"], "scheme": "MSHA",
                "number": mine.removeprefix("US-MSHA-"), "operator": operator, "kind": "UNDERGROUND",
                "recorded_at": None, "basis": "real", "source": self.source_of(record)}]))
        for id_, place in self.places.items():
            if "@place:" + id_ in first_use:
                time = first_use["@place:" + id_] - timedelta(hours=6)
                units.append((time, 2, [{"type": "place", "id": id_, **place,
                             "occurred_at": rfc3339(time.replace(microsecond=0) - timedelta(minutes=20)),
                             "recorded_at": None, "basis": "generated"}]))
        seen = set()
        for event in self.events:
            if event.set is None:
                units.append((event.recorded, 3, [event]))
            elif event.set not in seen:
                seen.add(event.set)
                members = [member for member in self.events if member.set == event.set]
                units.append((members[0].recorded, 3, members))
        units.sort(key=lambda unit: unit[:2])

        out, defined, last, number = [], set(), None, 0
        for time, _, members in units:
            for member in members:
                time = time.replace(microsecond=time.microsecond // 1000 * 1000)
                if last and time <= last:
                    time = last + timedelta(milliseconds=1)
                last = time
                if isinstance(member, dict):
                    out.append({**member, "recorded_at": rfc3339(time)})
                    continue
                number += 1
                member.id = f"e{number}"
                device = member.subject.removeprefix("machine:")
                if member.subject.startswith("machine:") and device not in defined:
                    defined.add(device)
                    out.append({"type": "machine", "id": device, **self.machines[device]})
                line = {"type": "event", "seq": number, "id": member.id, "subject": member.subject, "kind": member.kind,
                        "organisation": member.organisation, "role": member.role, "occurred_at": rfc3339(member.at),
                        "recorded_at": rfc3339(time), "hands": member.hands}
                if member.issuer_staff is not None:
                    line["issuer_staff"] = member.issuer_staff
                if member.set:
                    line["set"] = member.set
                line |= {"body": member.body, "basis": member.basis, "time_basis": member.time_basis,
                         "recorded_basis": "generated", "source": member.source}
                out.append(line)
        for line in out:
            if line["type"] == "event":
                line["body"] = resolved(line["body"])
        events = [line for line in out if line["type"] == "event"]
        real = sum(line["basis"] == "real" for line in events)
        header = {"type": "header", "format": "tally-sample/1", "origin": ORIGIN, "events": len(events), "real": real,
                  "generated": len(events) - real, "left_out": dict(sorted(self.left_out.items())),
                  "sources": {f"S{number}": text for number, text in enumerate(SOURCES.values(), 1)
                              if any((line.get("source") or "").startswith(f"S{number} ") for line in out)}}
        return [header, *out]

    def count_left_out(self):
        """What belongs to the machines and mines of the sample, or to no machine or mine, and is not told."""
        for records in self.lives.values():
            for record in records:
                if record["kind"] in NOT_EXPRESSIBLE or record["kind"] in ("Rectified", "RectificationConfirmed"):
                    self.left_out[record["kind"]] += 1
        marks = {record["fields"].get("mark_no") for records in self.lives.values() for record in records}
        for record in self.records:
            if record["kind"].startswith("Mark") and (not record["generated"] or record["fields"]["mark_no"] in marks):
                self.left_out[record["kind"]] += 1


def is_named_in_report(records):
    """Whether a fatality report names the machine wholly: maker, model and the number painted on it."""
    return any(record["kind"] == "AccidentReported" and "fatality_reports" in record["source"]["file"] and record["company_no"]
               and record["plate_basis"]["manufacturer"] == record["plate_basis"]["model"] == "real" for record in records)


def is_msha(records):
    return all(record["site"] is None or record["site"].startswith("US-MSHA-") for record in records)


def is_note(record):
    return record["kind"] == "Inspected" and not record["generated"]


def resolved(value):
    if isinstance(value, Event):
        return "@event:" + value.id
    if isinstance(value, dict):
        return {key: resolved(item) for key, item in value.items()}
    return [resolved(item) for item in value] if isinstance(value, list) else value


def symbols(value):
    if isinstance(value, str):
        return [value] if value.startswith("@") else []
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [symbol for item in items for symbol in symbols(item)]


# ------------------------------------------------------------------ checking

# From which service states each kind leads on; the other kinds may stand anywhere.
FROM = {
    "FactoryExit": "MADE", "Dispatched": "MADE STORE MINE ACCEPTED SHOP SCRAPPED", "Received": "TRANSIT SCRAPPED",
    "Warehoused": "MADE MINE ACCEPTED STORE", "AcceptanceChecked": "MINE STORE",
    "ExProofChecked": "ACCEPTED STORE MINE UNDERGROUND IDLE", "EnteredMine": "READY ACCEPTED",
    "Installed": "UNDERGROUND ACCEPTED IDLE STOPPED", "InstallationAccepted": "INSTALLED", "Commissioned": "INSTALLED IDLE STOPPED",
    "Moved": "USE IDLE INSTALLED UNDERGROUND", "UsageReported": "USE IDLE", "Idled": "USE INSTALLED",
    "Inspected": "USE IDLE INSTALLED UNDERGROUND STOPPED", "Maintained": "USE IDLE INSTALLED UNDERGROUND STOPPED",
    "Tested": "MADE USE IDLE INSTALLED UNDERGROUND STOPPED SHOP", "OverhaulStarted": "SHOP", "Overhauled": "SHOP",
    "FaultReported": "USE IDLE INSTALLED UNDERGROUND STOPPED", "RaisedToSurface": "UNDERGROUND IDLE STOPPED INSTALLED",
    "ScrapProposed": "IDLE STOPPED STORE MINE SHOP UNDERGROUND", "Scrapped": "PROPOSED", "Dismantled": "SCRAPPED",
}
TO = {
    "Manufactured": "MADE", "Enrolled": "USE", "FactoryExit": "TRANSIT", "Dispatched": "TRANSIT", "Warehoused": "STORE",
    "AcceptanceChecked": "ACCEPTED", "ExProofChecked": "READY", "EnteredMine": "UNDERGROUND", "Installed": "INSTALLED",
    "Commissioned": "USE", "Idled": "IDLE", "RaisedToSurface": "MINE", "ScrapProposed": "PROPOSED", "Scrapped": "SCRAPPED",
    "Dismantled": "DISMANTLED",
}
INTO = {"RECEIVED_INTO_STORE": "STORE", "RECEIVED_INTO_MINE": "MINE", "RECEIVED_INTO_OVERHAUL": "SHOP"}
TWO_PERSONS = {"Enrolled", "AcceptanceChecked", "InstallationAccepted", "Overhauled", "Scrapped", "RectificationConfirmed",
               "Corrected", "StockChecked"}
# Which role signs what, where it is not the mine.
SIGNED_BY = {
    "Manufactured": {"MANUFACTURER"}, "FactoryExit": {"MANUFACTURER"}, "Tested": {"MANUFACTURER"}, "Warehoused": {"DEALER"},
    "Dispatched": {"DEALER", "MINE", "OVERHAUL_SHOP"}, "Received": {"DEALER", "MINE", "OVERHAUL_SHOP", "RECYCLER"},
    "OverhaulStarted": {"OVERHAUL_SHOP"}, "Overhauled": {"OVERHAUL_SHOP"}, "Dismantled": {"RECYCLER"}, "Noted": {"REGULATOR"},
}
TEXT_MAX = {"reason": 1_000, "text": 6_000, "description": 256, "serial": 128, "model": 192, "maker": 192, "work": 512,
            "function": 128, "shaft": 128, "value": 128, "store": 128, "code": 128, "method": 256, "exemptReason": 256,
            "historyNote": 6_000, "findingsOnReceipt": 512, "mediaType": 127, "unit": 32}


class Checker:
    """Replays the lines as a ledger would and stops at the first that it would refuse."""

    def __init__(self, lines, schema, records):
        self.schema, self.lines = schema, lines
        self.known, self.events, self.machines = set(), {}, {}
        self.organisations, self.mines, self.defined = {}, {}, {}
        told = [text for record in records for text in sentences(record["fields"])]
        self.foreign = {words[i:i + 5] for text in told for words in [tuple(text.lower().split())] for i in range(len(words) - 4)}

    def run(self):
        last, opened, tag = "", set(), None
        for line in self.lines[1:]:
            try:
                if "recorded_at" in line:
                    time = line["recorded_at"].replace("Z", "") + ("" if "." in line["recorded_at"] else ".000")
                    assert last < time, "recorded_at does not rise"
                    assert line.get("occurred_at", "") <= line["recorded_at"], "recorded before it occurred"
                    last = time
                getattr(self, line["type"])(line)
                if line["type"] == "event":
                    if line.get("set") != tag:
                        assert line.get("set") not in opened, "the set is torn"
                        opened.add(tag := line.get("set"))
                        opened.discard(None)
            except (AssertionError, KeyError, ValueError) as error:
                sys.exit(f"line of {line.get('id')}: {error!r}\n{json.dumps(line, ensure_ascii=False)}")
        return self.find_jumps()

    def organisation(self, line):
        assert 1 <= len(line["name"].encode()) <= 256 and len(line["staff"]) >= 2
        self.organisations[line["id"]] = line
        self.known.add("@organisation:" + line["id"])

    def mine(self, line):
        assert "@organisation:" + line["operator"] in self.known, "operator is not registered"
        if line["scheme"] == "MSHA":
            assert re.fullmatch(r"\d{7}", line["number"])
        self.mines[line["id"]] = line
        self.known.add("@mine:" + line["id"])

    def place(self, line):
        assert line["mine"] in self.mines and (line["parent"] is None or "@place:" + line["parent"] in self.known)
        self.known.add("@place:" + line["id"])

    def machine(self, line):
        self.defined[line["id"]] = line
        self.known |= {"@machine:" + line["id"], "@model:" + line["id"]}

    def event(self, line):
        body, kind, by = line["body"], line["kind"], line["organisation"]
        for symbol in symbols(body):
            if not symbol.startswith("@event:"):
                assert symbol in self.known or (kind == "LotSplit" and symbol.startswith("@machine:")), f"{symbol} is not known yet"
        self.schema.encode(kind, body, self.resolve(line))
        self.texts(body)
        roles = {role["role"] for role in self.organisations[by]["roles"]}
        assert line["role"] in roles and line["role"] in SIGNED_BY.get(kind, {"MINE"}), "role may not sign"
        hands = [tuple(hand) for hand in line["hands"]]
        if "issuer_staff" in line:
            hands.append((by, line["issuer_staff"]))
        assert len(set(hands)) == len(hands) <= 4
        assert all(staff < len(self.organisations[organisation]["staff"]) for organisation, staff in hands)
        if kind in TWO_PERSONS or body.get("controlled"):
            assert len(hands) >= 2, "second hand missing"
        if kind == "Dismantled":
            assert any(organisation != by for organisation, _ in hands)
        sort, _, id_ = line["subject"].partition(":")
        if sort == "mine":
            covered = id_ in self.organisations[by]["roles"][0]["mines"]
            assert covered or line["role"] == "REGULATOR", "has nothing to do with the mine"
            for symbol in body.get("machines", []):
                assert self.machines[symbol.removeprefix("@machine:")]["mine"] == id_, f"{symbol} is not in the mine"
        else:
            self.on_machine(line, id_)
        self.events[line["id"]] = line

    def on_machine(self, line, id_):
        body, kind, by = line["body"], line["kind"], line["organisation"]
        opens = kind in ("Manufactured", "Enrolled") or (kind == "LotSplit" and self.defined[id_]["identity"] == "PIECE")
        assert opens == (id_ not in self.machines), "chain is open, or not yet"
        if opens:
            mine = symbol_id(body.get("place", {}).get("mine", "")) or symbol_id(body.get("mine", ""))
            if kind == "LotSplit":
                parent = self.machines[symbol_id(body["parent"])]
                assert parent["split"] and parent["holder"] == by
            self.machines[id_] = {"owner": by, "holder": by, "mine": mine or None, "dispatch": None, "split": False,
                                  "maker": by, "made": line["occurred_at"]}
            if kind == "Manufactured":
                assert body["maker"] in self.organisations[by]["plate_names"], "maker's name is not registered"
                assert bool(body.get("markNo")) != bool(body.get("exemptReason"))
            return
        machine = self.machines[id_]
        mine = machine["mine"]
        is_related = by in (machine["maker"], machine["owner"], machine["holder"]) or line["role"] == "REGULATOR" or (
            machine["dispatch"] and machine["dispatch"]["to"] == by) or mine in self.organisations[by]["roles"][0]["mines"]
        assert is_related, "stranger"
        assert line["occurred_at"] >= machine["made"] or kind == "Enrolled", "before manufacture"
        left = symbol_id(body.get("mineLeft", "")) or None
        if kind in ("FactoryExit", "Dispatched"):
            assert machine["holder"] == by, "is not the holder"
            assert left == mine, "mine left is not the mine it is in"
            to = symbol_id(body.get("consignee") or body["toOrganisation"])
            machine["dispatch"] = {"event": line["id"], "to": to, "from": by, "reason": body["reason"]}
            machine["mine"] = None
        elif kind == "Received":
            dispatch = machine["dispatch"]
            assert dispatch and dispatch["to"] == by and body["dispatchEvent"] == "@event:" + dispatch["event"]
            assert symbol_id(body["fromOrganisation"]) == dispatch["from"]
            assert (body["into"] == "RECEIVED_INTO_MINE") == ("mineEntered" in body)
            machine |= {"holder": by, "dispatch": None, "mine": symbol_id(body.get("mineEntered", "")) or None}
            if dispatch["reason"] == "DISPATCH_REASON_SALE":
                machine["owner"] = by
        elif kind in ("Warehoused", "LotSplit"):
            assert machine["holder"] == by
            machine["split"] = kind == "LotSplit"
        elif kind in ("ScrapProposed", "Scrapped"):
            assert machine["owner"] == by, "is not the owner"
        elif kind in ("EnteredMine", "RaisedToSurface"):
            assert symbol_id(body["mine"]) == mine, "is in another mine"
        elif kind in ("Installed", "Moved"):
            assert symbol_id((body.get("location") or body["toLocation"])["mine"]) == mine, "place is in another mine"
        elif kind == "Corrected":
            assert self.events[symbol_id(body["event"])]["organisation"] == by

    def find_jumps(self):
        """Events that the lifecycle does not lead to, in the order in which things happened, not were recorded."""
        jumps, states = [], {}
        for line in sorted(self.events.values(), key=lambda line: (line["occurred_at"], line["seq"])):
            kind, subject = line["kind"], line["subject"]
            state = states.get(subject)
            if kind in FROM and subject.startswith("machine:") and state not in FROM[kind].split():
                jumps.append((line["id"], kind, state))
            if state == "SCRAPPED" and kind in ("Dispatched", "Received"):
                continue
            if kind == "Received":
                states[subject] = INTO[line["body"]["into"]]
            else:
                states[subject] = TO.get(kind, state or "UNDERGROUND")
        return jumps

    def resolve(self, line):
        def answer(where, symbol):
            if where == "EventRef":
                target = self.events[symbol.removeprefix("@event:")]
                assert target["subject"] == line["subject"], "refers to another chain"
                return bytes(56)
            return bytes(16)
        return answer

    def texts(self, value, key=""):
        if isinstance(value, dict):
            for name, item in value.items():
                self.texts(item, name)
        elif isinstance(value, list):
            assert len(value) <= 64 or key == "machines"
            for item in value:
                self.texts(item, key)
        elif isinstance(value, str) and not value.startswith("@") and key not in ("sha256", "body"):
            assert 1 <= len(value.encode()) <= TEXT_MAX.get(key, 64), f"{key} has {len(value.encode())} bytes"
            words = tuple(value.lower().split())
            copied = [words[i:i + 5] for i in range(len(words) - 4) if words[i:i + 5] in self.foreign]
            assert not copied, f"copied from a source: {copied}"
            assert value.lower() not in self.foreign


def symbol_id(symbol):
    return symbol.partition(":")[2]


def sentences(fields):
    return [fields[name] for name in ("narrative", "text", "words", "findings") if fields.get(name)]


def summary(lines, jumps, text):
    kinds = collections.Counter(line["type"] for line in lines)
    header = lines[0]
    late = [line for line in lines if line["type"] == "event"
            and instant(line["recorded_at"]) - instant(line["occurred_at"]) > timedelta(days=2)]
    print(f"events {header['events']}  real {header['real']}  generated {header['generated']}  recorded late {len(late)}")
    print(f"machines {kinds['machine']}  mines {kinds['mine']}  organisations {kinds['organisation']}  places {kinds['place']}")
    print("left out", json.dumps(header["left_out"]))
    print("kinds", json.dumps(dict(sorted(collections.Counter(line["kind"] for line in lines if line["type"] == "event").items()))))
    print("jumps", len(jumps), jumps[:12])
    print(f"bytes {len(text.encode())}  sha256 {hashlib.sha256(text.encode()).hexdigest()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=pathlib.Path, help="folder with events.jsonl")
    parser.add_argument("--check", action="store_true", help="rebuild in memory and compare; exit 1 if it differs")
    arguments = parser.parse_args()
    schema = Schema(HERE.parent / "proto/tally/v1")
    with open(arguments.data / "events.jsonl", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]

    sample = Sample(records, schema)
    sample.choose()
    sample.extras()
    sample.record()
    sample.count_left_out()
    lines = sample.lines()
    jumps = Checker(lines, schema, records).run()
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    if len(text.encode()) > BYTES_MAX:
        sys.exit(f"{len(text.encode())} bytes, more than {BYTES_MAX}")
    summary(lines, jumps, text)

    path = HERE / "sample.jsonl"
    if arguments.check:
        same = path.is_file() and path.read_bytes() == text.encode()
        print("sample.jsonl is", "the same" if same else "DIFFERENT")
        return 0 if same else 1
    path.write_bytes(text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
