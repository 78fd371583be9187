//! Which work takes which certificate. 特种作业操作证
//!
//! Source: the kinds of special work in coal mines as two public programs list them; which event takes which is the
//! product's own choice.

use tally_proto::v1::statement::Body as Message;

/// Certificates by the categories of machine on which work takes them; an empty list is for electrical work on any.
const BY_CATEGORY: &[(&[&str], &str)] = &[
    (
        &["MONITOR_SYSTEM", "SUBSTATION_J", "CH4_SENSOR", "CH4_SENSOR_LASER", "SENSOR_OTHER", "PORTABLE_GAS"],
        "安全监测监控作业",
    ),
    (
        &[
            "TRANSFORMER",
            "SWITCH_HV",
            "SWITCHGEAR",
            "MOTOR",
            "INVERTER",
            "BATTERY_POWER",
            "CABLE",
            "LEAKAGE_PROTECTOR",
            "PUSHBUTTON",
        ],
        "井下电气作业",
    ),
];

/// The kind of certificate that this work on a machine of the category takes; `None` where it takes none.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are no special work")]
pub fn certificate_for(message: &Message, category: &str) -> Option<&'static str> {
    let by_category = || {
        BY_CATEGORY.iter().find(|(categories, _)| categories.contains(&category)).map(|(_, certificate)| *certificate)
    };
    match message {
        Message::Maintained(body) if body.enclosure_opened => Some(by_category().unwrap_or("井下电气作业")),
        Message::MaintenanceFinished(body) if body.enclosure_opened => Some(by_category().unwrap_or("井下电气作业")),
        Message::Maintained(_) | Message::MaintenanceFinished(_) | Message::Calibrated(_) => by_category(),
        _ => None,
    }
}
