#!/usr/bin/env python3
"""Writes marks.jsonl: an invented story about safety marks, for the demo, in the form of sample.jsonl.

Four machines at one mine: a good mark; a mark that is suspended while the machine is in use; a mark for other mines
(KA) on a machine in a coal mine; and a skip that was made and sold after its mark had lapsed, while the renewal was
applied for. The last follows what is known of the accident at Fengchun (2020-12-15, 7 dead): a trade note of
2021-01-06. All names, numbers and dates are invented.

    python3 make_marks.py > marks.jsonl
    python3 make_marks.py --check      # marks.jsonl is what this writes
"""

import json
import pathlib
import sys
from datetime import datetime, timedelta, timezone

ORIGIN = "msha-sample.tally.example/demo"
MAKER, MINE_CO, CENTRE, MINE = "O-maker", "O-mine", "O-centre", "M-shuangxi"
SECTORS = {"M": "MINE_SECTOR_COAL", "K": "MINE_SECTOR_NON_COAL"}


def day(text):
    year, month, of_month = map(int, text.split("-"))
    return {"year": year, "month": month, "day": of_month}


class Story:
    """Lines in the order in which they are recorded, a minute or more apart."""

    def __init__(self):
        self.lines = []
        self.now = datetime(2022, 11, 1, 1, 0, tzinfo=timezone.utc)
        self.events = 0

    def at(self, text):
        """The morning of a day, at +08:00; never before what was recorded last."""
        self.now = max(self.now, datetime.fromisoformat(text + "T01:00:00+00:00"))

    def stamp(self):
        self.now += timedelta(minutes=1)
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def line(self, **fields):
        self.lines.append(fields)

    def event(self, subject, kind, organisation, role, body, hands=()):
        self.events += 1
        name = f"m{self.events}"
        occurred_at = self.stamp()
        self.line(
            type="event", seq=self.events, id=name, subject=subject, kind=kind, organisation=organisation, role=role,
            occurred_at=occurred_at, recorded_at=self.stamp(), hands=[list(hand) for hand in hands], body=body,
            basis="generated", time_basis="generated", recorded_basis="generated", source=None,
        )
        return name


def certificate(model, name, klass):
    return {
        "holder": "清河机械(示例)",
        "producers": [{"name": "清河机械(示例)"}],
        "productName": name,
        "models": [model],
        "scope": {"sectors": [SECTORS[klass]]},
    }


def issue(story, number, model, name, start, end):
    body = {
        "number": number, "kind": "MARK_KIND_TYPE", "certificate": certificate(model, name, number[0]),
        "issuedOn": day(start), "validFrom": day(start), "validUntil": day(end), "documentNo": f"示例发证 {number}",
    }
    story.event(f"mark:{number}", "MarkIssued", CENTRE, "MARK_AUTHORITY", body)


def machine(story, key, model, serial, category, number, made, **more):
    """Made, sold and taken into use; the acceptance looks only at the number."""
    story.line(
        type="machine", id=key, maker="清河机械(示例)", model=model, serial=serial, category=category,
        identity="UNIT", plate_basis={}, source=None, **{"class": category.lower()},
    )
    own, subject = (MINE_CO, "MINE"), f"machine:{key}"
    passed = "CHECK_RESULT_PASS"
    story.at(made)
    body = {
        "maker": "清河机械(示例)", "model": model, "serial": serial, "category": category, "producedOn": day(made),
        "identityKind": "IDENTITY_KIND_UNIT", "markNo": number, **more,
    }
    story.event(subject, "Manufactured", MAKER, "MANUFACTURER", body)
    exit_body = {
        "consignee": f"@organisation:{MINE_CO}", "reason": "DISPATCH_REASON_SALE", "model": f"@model:{key}",
        "markNo": number,
    }
    exited = story.event(subject, "FactoryExit", MAKER, "MANUFACTURER", exit_body)
    story.event(subject, "Received", *own, {
        "dispatchEvent": f"@event:{exited}", "into": "RECEIVED_INTO_MINE", "condition": "CONDITION_A",
        "serialChecked": True, "fromOrganisation": f"@organisation:{MAKER}", "mineEntered": f"@mine:{MINE}",
    })
    checks = [{"code": code, "result": passed} for code in ("plate", "mark", "ex_cert", "conformity_cert")]
    both = [(MINE_CO, 0), (MINE_CO, 1)]
    story.event(subject, "AcceptanceChecked", *own, {"checks": checks, "result": passed}, both)
    check = {"checklist": [{"code": "flamepath", "result": passed}], "result": passed, "passNo": f"EX-{serial}"}
    story.event(subject, "ExProofChecked", *own, check, both[:1])
    place = {"mine": f"@mine:{MINE}", "node": "@place:P-incline"}
    entry = {"mine": f"@mine:{MINE}", "shaft": "副斜井", "toLocation": place, "passNo": f"EX-{serial}"}
    story.event(subject, "EnteredMine", *own, entry, both[:1])
    story.event(subject, "Installed", *own, {"location": place, "function": "辅助提升"}, both[:1])
    accepted = {"checks": [{"code": "anchoring", "result": passed}], "result": passed}
    # Installed by one, accepted by two others.
    story.event(subject, "InstallationAccepted", *own, accepted, [(MINE_CO, 1), (MINE_CO, 2)])
    taken = {"trialRun": {"key": "trial_run", "digits": "2", "unit": "h"}, "result": passed, "duty": "DUTY_WORK"}
    story.event(subject, "Commissioned", *own, taken, both[:1])


def told():
    story = Story()
    story.line(
        type="header", format="tally-sample/1", origin=ORIGIN, events=0, real=0, generated=0, left_out={}, sources={},
    )
    for key, name, role, plates, staff in [
        (CENTRE, "安标机构(示例)", "MARK_AUTHORITY", [], []),
        (MAKER, "清河机械(示例)", "MANUFACTURER", ["清河机械(示例)"], []),
        (MINE_CO, "双溪煤业(示例)", "MINE", [], ["机电科长", "安监员", "电工"]),
    ]:
        mines = [MINE] if role == "MINE" else []
        story.line(
            type="organisation", id=key, name=name, scheme="OTHER", number=f"demo-{key}", plate_names=plates,
            roles=[{"role": role, "mines": mines, "from": "1990-01-01"}], staff=[{"post": post} for post in staff],
            recorded_at=story.stamp(), basis="generated",
        )
    story.line(
        type="mine", id=MINE, name="双溪煤矿(示例)", scheme="CN_COAL_MINE", number="990000000017", operator=MINE_CO,
        kind="UNDERGROUND", recorded_at=story.stamp(), basis="generated", source=None,
    )
    when = story.stamp()
    story.line(
        type="place", id="P-incline", mine=MINE, name="副斜井", kind="ROADWAY", parent=None, occurred_at=when,
        recorded_at=when, basis="generated",
    )
    issue(story, "MFB180021", "JXS-6", "箕斗连接装置", "2018-06-07", "2023-06-06")
    issue(story, "MLC200007", "P-30", "耙装机", "2020-03-01", "2026-02-28")
    issue(story, "KFA210003", "JH-8", "回柱绞车", "2021-05-10", "2026-05-09")
    machine(story, "good", "JXS-6", "G-1", "SKIP_CAGE", "MFB180021", "2023-05-10")
    machine(story, "suspended", "P-30", "L-1", "SCRAPER_LOADER", "MLC200007", "2023-05-20", exMark="Ex db I Mb",
            exCertNo="示例防爆 1")
    machine(story, "misapplied", "JH-8", "W-1", "WINCH", "KFA210003", "2023-06-02", exMark="Ex db I Mb",
            exCertNo="示例防爆 2")
    # The mark of the skip lapses on the night of 2023-06-06; the renewal is applied for, and this one is made and sold.
    machine(story, "lapsed", "JXS-6", "G-2", "SKIP_CAGE", "MFB180021", "2023-09-20")
    story.at("2023-11-01")
    story.event("mark:MLC200007", "MarkSuspended", CENTRE, "MARK_AUTHORITY", {
        "from": day("2023-11-01"), "stops": ["MARK_ACTIVITY_MAKING", "MARK_ACTIVITY_SELLING", "MARK_ACTIVITY_USE"],
        "reason": "抽检不合格", "documentNo": "示例停 1",
    })
    story.at("2023-12-15")
    story.event("mark:MFB180021", "MarkRenewed", CENTRE, "MARK_AUTHORITY", {
        "validFrom": day("2023-12-15"), "validUntil": day("2028-12-14"), "issuedOn": day("2023-12-15"),
        "documentNo": "示例延 1",
    })
    header = story.lines[0]
    header["events"] = header["generated"] = story.events
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in story.lines)


def main():
    text = told()
    if "--check" in sys.argv[1:]:
        written = pathlib.Path(__file__).with_name("marks.jsonl").read_text(encoding="utf-8")
        sys.exit(0 if written == text else "marks.jsonl is not what this program writes")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
