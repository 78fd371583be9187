//! A machine as people read it.

use tally_core::event::EventKind;
use tally_proto::v1;

use super::super::{
    lookup::Names,
    text::{count, day_text, irregularity, kind_name, short_name, state, time, uuid},
};
use crate::output::Output;

/// Heads of the columns of [`machine_row`].
pub const MACHINE_HEADER: &[&str] = &["machine 设备", "state 状态", "holder 持有方", "place 地点", "plate 铭牌"];

/// A machine as a row of a list.
pub async fn machine_row(machine: &v1::Equipment, names: &mut Names<'_>) -> Vec<String> {
    let place = match &machine.place {
        Some(place) => names.place(place).await,
        None if machine.mine.is_empty() => String::new(),
        None => names.mine(&machine.mine).await,
    };
    vec![
        format!("equipment/{}", uuid(&machine.id)),
        if machine.public_only { "not public 未公开".to_owned() } else { state(machine.state) },
        names.organisation(&machine.holder).await,
        place,
        machine.plates.last().map(plate_text).unwrap_or_default(),
    ]
}

fn plate_text(plate: &v1::Plate) -> String {
    format!("{}::{}::{}", plate.maker, plate.model, plate.serial)
}

/// Prints the state of a machine.
pub async fn say(machine: &v1::Equipment, names: &mut Names<'_>, output: &Output) {
    output.facts(identity(machine));
    if machine.public_only {
        say_public(machine, names, output).await;
        return;
    }
    output.say(" four states, which change independently 四种状态:");
    output.facts(four_states(machine, names).await);
    let components = machine.components.iter().map(component_row).collect();
    output.table(&["slot 部位", "component 部件", "serial or lot", "mark no. 安标号", "id"], components);
    let members = machine.members.iter().map(component_row).collect();
    output.table(&["slot 部位", "member 成员", "serial or lot", "mark no. 安标号", "id"], members);
    let faults = machine.open_faults.iter().map(fault_row).collect();
    output.table(&["open fault 未销号故障", "severity", "since", "position", ""], faults);
    let last = machine.last_events.iter().map(last_row).collect();
    output.table(&["last 最近", "result", "occurred_at", "position"], last);
    let meters = machine.meters.iter().map(|meter| {
        vec![meter.meter_no.clone(), meter.counter.as_ref().map(quantity).unwrap_or_default(), time(meter.at_us)]
    });
    output.table(&["meter 用量", "reading", "at"], meters.collect());
    let settings = machine.settings.iter().map(|setting| vec![setting.key.clone(), quantity(setting)]);
    output.table(&["setting 整定值", "value"], settings.collect());
    let found = machine.irregularities.iter();
    let found = found.map(|found| vec![irregularity(found.kind).to_owned(), found.position.to_string()]);
    output.table(&["irregular 异常", "position"], found.collect());
    let events = format!(
        "{} on its chain, touched by {}",
        count(machine.chain_length, "event"),
        count(machine.touches, "entry")
    );
    output.say(format!(" {events}; `tally history equipment/{}`", uuid(&machine.id)));
}

/// What anyone may see ends here: what is not shown is not said to be absent.
async fn say_public(machine: &v1::Equipment, names: &mut Names<'_>, output: &Output) {
    if !machine.maker.is_empty() {
        output.facts([("made by 制造单位", names.organisation(&machine.maker).await)]);
    }
    output
        .say(" this is what anyone may see 公开信息: who holds it, where it is and what is wrong with it is not shown");
    output.say(format!(
        " {} on its chain, touched by {}; `tally history equipment/{}`",
        count(machine.chain_length, "event"),
        count(machine.touches, "entry"),
        uuid(&machine.id)
    ));
}

fn identity(machine: &v1::Equipment) -> Vec<(&'static str, String)> {
    let mut facts = vec![("machine 设备", format!("equipment/{}", uuid(&machine.id)))];
    for (at, plate) in machine.plates.iter().enumerate() {
        let name = if at == 0 { "plate 铭牌" } else { "later plate 补换铭牌" };
        facts.push((name, plate_text(plate)));
    }
    let identity = short_name(machine.identity_kind().as_str_name(), "IDENTITY_KIND");
    facts.push(("category 类别", format!("{} ({identity})", machine.category)));
    if machine.produced_on.is_some() {
        facts.push(("produced 制造日期", day_text(machine.produced_on.as_ref())));
    }
    let mark = if machine.mark_no.is_empty() { "none on record" } else { machine.mark_no.as_str() };
    facts.push(("mark no. 安全标志编号", mark.to_owned()));
    if machine.enrolled {
        facts.push(("enrolled 补录", "taken on late, in part on the word of the signer".to_owned()));
    }
    if let Some(quantity_of_lot) = &machine.quantity {
        facts.push(("quantity 数量", quantity(quantity_of_lot)));
    }
    for alias in &machine.aliases {
        let kind = v1::AliasKind::try_from(alias.kind).unwrap_or_default();
        let kind = short_name(kind.as_str_name(), "ALIAS_KIND");
        facts.push(("alias 别名", format!("{} ({kind}, since {})", alias.value, time(alias.since_us))));
    }
    let others = [
        ("sits in 所属设备", &machine.inside),
        ("parent lot 母批", &machine.parent),
        ("predecessor 前身", &machine.predecessor),
        ("successor 后继", &machine.successor),
    ];
    facts.extend(
        others.iter().filter(|(_, id)| !id.is_empty()).map(|(name, id)| (*name, format!("equipment/{}", uuid(id)))),
    );
    for link in &machine.links {
        let verdict = short_name(link.verdict().as_str_name(), "IDENTITY_VERDICT");
        facts.push(("identity 身份关联", format!("{verdict}: equipment/{}; {}", uuid(&link.other), link.reason)));
    }
    facts
}

async fn four_states(machine: &v1::Equipment, names: &mut Names<'_>) -> Vec<(&'static str, String)> {
    let since =
        if machine.state_since_us == 0 { String::new() } else { format!(", since {}", time(machine.state_since_us)) };
    let mut facts = vec![("service state 状态", format!("{}{since}", state(machine.state)))];
    let parties = [
        ("custody: holder 持有方", &machine.holder),
        ("custody: owner 产权单位", &machine.owner),
        ("custody: user 使用方", &machine.user),
        ("on the way to 收货单位", &machine.consignee),
    ];
    for (name, id) in parties {
        if !id.is_empty() {
            facts.push((name, names.organisation(id).await));
        }
    }
    if machine.dispatch_reason != 0 {
        let reason = short_name(machine.dispatch_reason().as_str_name(), "DISPATCH_REASON");
        facts.push(("on the way for 发运原因", reason));
    }
    let mut place = Vec::new();
    if let Some(known) = &machine.place {
        place.push(names.place(known).await);
    } else if !machine.mine.is_empty() {
        place.push(names.mine(&machine.mine).await);
    }
    place.retain(|words| !words.is_empty());
    facts.push(("place 地点", if place.is_empty() { "none on record".to_owned() } else { place.join(" ") }));
    facts.push(("overlays", overlays(machine)));
    facts
}

/// What lies over the service state: the overlays that this version of the ledger knows.
fn overlays(machine: &v1::Equipment) -> String {
    let mut found = Vec::new();
    if !machine.open_faults.is_empty() {
        found.push(format!("{} 带病", count(machine.open_faults.len(), "open fault")));
    }
    if machine.open_faults.iter().any(|fault| fault.loss_of_protection) {
        found.push("explosion protection lost 失爆".to_owned());
    }
    if found.is_empty() { "none".to_owned() } else { found.join(", ") }
}

fn component_row(component: &v1::Component) -> Vec<String> {
    let v1::Component { slot, maker, model, serial, lot, mark_no, description, equipment, .. } = component;
    let what = if model.is_empty() { description.clone() } else { format!("{maker} {model}").trim().to_owned() };
    let number = if serial.is_empty() { lot } else { serial };
    let id = if equipment.is_empty() { String::new() } else { uuid(equipment) };
    vec![slot.clone(), what, number.clone(), mark_no.clone(), id]
}

fn fault_row(fault: &v1::OpenFault) -> Vec<String> {
    let mut besides = Vec::new();
    if fault.loss_of_protection {
        besides.push("explosion protection lost 失爆");
    }
    if fault.rectified {
        besides.push("rectified, not confirmed 已整改待复查");
    }
    vec![
        fault.fault_id.clone(),
        short_name(fault.severity().as_str_name(), "FAULT_SEVERITY"),
        time(fault.since_us),
        fault.position.to_string(),
        besides.join(", "),
    ]
}

fn last_row(last: &v1::LastEvent) -> Vec<String> {
    let result = if last.result == 0 { String::new() } else { short_name(last.result().as_str_name(), "CHECK_RESULT") };
    let kind =
        EventKind::from_number(last.kind).map_or_else(|| kind_name(last.kind), |kind| format!("{kind} {}", kind.zh()));
    vec![kind, result, time(last.occurred_at_us), last.position.to_string()]
}

/// A quantity in decimals with its unit.
fn quantity(measure: &v1::Measure) -> String {
    let places = usize::try_from(measure.scale).unwrap_or_default().min(18);
    let digits = format!("{:0>width$}", measure.digits.unsigned_abs(), width = places + 1);
    let (whole, rest) = digits.split_at(digits.len() - places);
    let sign = if measure.digits < 0 { "-" } else { "" };
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{rest} {}", measure.unit).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_decimals_and_never_floats() {
        let text = |digits, scale| quantity(&v1::Measure { digits, scale, unit: "h".to_owned(), ..Default::default() });
        assert_eq!(text(25, 1), "2.5 h");
        assert_eq!(text(-5, 2), "-0.05 h");
        assert_eq!(text(i64::MIN, 0), "-9223372036854775808 h");
        assert_eq!(text(7, 9), "0.000000007 h");
    }
}
