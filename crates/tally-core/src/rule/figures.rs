//! The figures of an overview: what each machine adds to them. 指标
//!
//! The definitions stand on the fields of `Figures` in the contract.

use tally_proto::v1::{CategoryCount, Figures, ServiceState, Share, StateCount};

use super::{
    conditions::{Ask, World},
    facts::{Facts, is_gone, is_in_service, is_running},
    judge::Case,
};

/// Rules by which scheduled work is overdue: those that `conditions/due.rs` finds a schedule's row under.
const OVERDUE: &[&str] = &["DUE-001", "DUE-002", "DUE-003", "HOIST-002", "MON-001", "MON-002"];

/// Adds a machine, as it stands at an instant; anything else adds nothing.
pub fn add_machine(figures: &mut Figures, case: &Case, world: &dyn World, at_us: i64) {
    let (Some(machine), Some(facts)) = (case.machine(), case.facts()) else { return };
    let state = machine.state();
    let ask = Ask::new(machine, facts, world, at_us);
    let is_ex = ask.is_ex_checked();
    let answer = ask.answer();
    let under = under_orders(facts, at_us);
    let counted = !(is_gone(state) || state == ServiceState::Lost);
    let in_service = is_in_service(state);
    let waits = matches!(state, ServiceState::Stopped | ServiceState::UnderMaintenance);
    let fit = in_service && !waits && machine.open_faults.is_empty() && !under.stop_use && !under.sealed;

    figures.machines += 1;
    add_state(&mut figures.states, StateCount { state: state as i32, machines: 1 });
    let shown = share(fit, in_service);
    let category = CategoryCount { category: machine.category.clone(), machines: 1, fit: Some(shown) };
    add_category(&mut figures.categories, category);
    add_share(&mut figures.fit, shown);
    add_share(&mut figures.awaiting_repair, share(waits, in_service));
    let ex_found = answer.held.iter().any(|held| held.rule.code.starts_with("EX-"))
        || machine.open_faults.iter().any(|fault| fault.loss_of_protection);
    add_share(&mut figures.ex_fit, share(!ex_found, in_service && is_ex));
    if !counted {
        return;
    }
    let is_scheduled = |code: &str| OVERDUE.contains(&code);
    let overdue = answer.held.iter().filter(|held| is_scheduled(held.rule.code)).count() as u64;
    let on_time = answer.coming.iter().filter(|coming| is_scheduled(coming.held.rule.code)).count() as u64;
    add_share(&mut figures.work_on_time, Share { part: on_time, whole: on_time.saturating_add(overdue) });
    figures.run_with_fault += u64::from(is_running(state) && !machine.open_faults.is_empty());
    figures.stop_use += u64::from(under.stop_use);
    figures.sealed += u64::from(under.sealed);
    figures.recalled += u64::from(under.recalled);
}

/// What a machine is under.
#[derive(Default)]
struct Under {
    stop_use: bool,
    sealed: bool,
    recalled: bool,
}

fn under_orders(facts: &Facts, at_us: i64) -> Under {
    let mut under = Under::default();
    for order in &facts.orders {
        match order.kind {
            1 => under.stop_use |= order.until_us == 0 || at_us < order.until_us,
            2 => under.sealed = true,
            3 => under.recalled = true,
            _ => {}
        }
    }
    under
}

fn share(part: bool, whole: bool) -> Share {
    Share { part: u64::from(part && whole), whole: u64::from(whole) }
}

/// Adds the figures of one mine to those of many.
pub fn add(sum: &mut Figures, figures: &Figures) {
    let Figures { machines, states, categories, fit, awaiting_repair, ex_fit, work_on_time, .. } = figures;
    sum.machines += machines;
    states.iter().for_each(|count| add_state(&mut sum.states, *count));
    categories.iter().for_each(|count| add_category(&mut sum.categories, count.clone()));
    for (to, from) in [
        (&mut sum.fit, fit),
        (&mut sum.awaiting_repair, awaiting_repair),
        (&mut sum.ex_fit, ex_fit),
        (&mut sum.work_on_time, work_on_time),
    ] {
        add_share(to, from.unwrap_or_default());
    }
    for (to, from) in [
        (&mut sum.run_with_fault, figures.run_with_fault),
        (&mut sum.stop_use, figures.stop_use),
        (&mut sum.sealed, figures.sealed),
        (&mut sum.recalled, figures.recalled),
        (&mut sum.receipts_due, figures.receipts_due),
        (&mut sum.findings_major, figures.findings_major),
        (&mut sum.findings_serious, figures.findings_serious),
        (&mut sum.findings_general, figures.findings_general),
        (&mut sum.findings_notes, figures.findings_notes),
        (&mut sum.findings_legal_major, figures.findings_legal_major),
    ] {
        *to = to.saturating_add(from);
    }
}

fn add_share(to: &mut Option<Share>, from: Share) {
    let to = to.get_or_insert_with(Share::default);
    to.part = to.part.saturating_add(from.part);
    to.whole = to.whole.saturating_add(from.whole);
}

fn add_state(to: &mut Vec<StateCount>, from: StateCount) {
    match to.binary_search_by_key(&from.state, |known| known.state) {
        Ok(at) => to.iter_mut().skip(at).take(1).for_each(|known| known.machines += from.machines),
        Err(at) => to.insert(at, from),
    }
}

fn add_category(to: &mut Vec<CategoryCount>, from: CategoryCount) {
    match to.binary_search_by(|known| known.category.cmp(&from.category)) {
        Ok(at) => to.iter_mut().skip(at).take(1).for_each(|known| {
            known.machines += from.machines;
            add_share(&mut known.fit, from.fit.unwrap_or_default());
        }),
        Err(at) => to.insert(at, from),
    }
}
