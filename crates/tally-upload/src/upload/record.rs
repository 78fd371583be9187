//! Records of the four files: fields in the order of a public implementation
//!
//! English names are those of the notes on it, Chinese ones are translations for messages: neither is said to be the standard's.
//! Which fields must have a value is not known either; only those without which a record tells nothing are asked for.

use std::{borrow::Cow, fmt};

use tally_core::time::Day;

use crate::report::{Fault, Weight};

use super::{
    FIELD_BYTES_MAX, RESERVED,
    kind::FileKind,
    value::{ForbiddenKind, Form, MarkState, TestResult, Value},
};

/// A field of a kind of record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Field {
    /// Name here.
    pub name: &'static str,
    /// Name in Chinese.
    pub zh: &'static str,
    /// Form.
    pub form: Form,
    /// Whether it must have a value.
    pub required: bool,
}

/// Takes a fault: index of the field, characters from its beginning, what, and how grave.
pub(crate) type Faults<'a> = dyn FnMut(usize, u64, Fault, Weight) + 'a;

pub(crate) mod sealed {
    use super::{Cow, Fault, Faults};

    /// How a record becomes fields and back; nobody else makes kinds of records.
    pub trait Fields: Sized {
        /// The record of as many texts as it has fields, or `None` where a fault was refusing.
        fn from_texts(texts: &[&str], faults: &mut Faults<'_>) -> Option<Self>;

        /// Texts of its fields, in order.
        fn texts(&self) -> Vec<Result<Cow<'_, str>, Fault>>;
    }
}

/// A kind of record.
pub trait Record: sealed::Fields + Clone + fmt::Debug + PartialEq {
    /// File that it stands in.
    const KIND: FileKind;
    /// Its fields, in order.
    const FIELDS: &'static [Field];
}

/// Parses one field; reports what is wrong with it.
fn parse<V: Value>(texts: &[&str], index: usize, required: bool, faults: &mut Faults<'_>) -> Option<V> {
    let text = texts.get(index).copied().unwrap_or_default();
    if text.len() > FIELD_BYTES_MAX {
        let fault = Fault::FieldTooLong { bytes: text.len(), bytes_max: FIELD_BYTES_MAX };
        faults(index, 0, fault, Weight::Refusal);
        return None;
    }
    let trimmed = crate::text::trim(text);
    let mut clean = true;
    if V::FORM != Form::Text {
        if trimmed.len() != text.len() {
            faults(index, 0, Fault::Blank, Weight::Note);
        }
    } else if trimmed != super::NO_VALUE {
        crate::text::check(text, &RESERVED, &mut |at, fault, weight| {
            clean &= weight == Weight::Note;
            faults(index, at, fault, weight);
        });
    }
    match V::parse(trimmed) {
        Ok(value) if required && !value.is_given() => faults(index, 0, Fault::NoValue, Weight::Refusal),
        Ok(value) => return clean.then_some(value),
        Err(fault) => faults(index, 0, fault, Weight::Refusal),
    }
    None
}

const fn is_required(need: &str) -> bool {
    matches!(need.as_bytes(), b"required")
}

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident, $kind:ident {
        $($(#[$field_doc:meta])* $field:ident: $type:ty, $zh:literal, $need:ident;)+
    })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Default, Eq, PartialEq)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $type,)+
            }

            impl Record for $name {
                const KIND: FileKind = FileKind::$kind;
                const FIELDS: &'static [Field] = &[$(Field {
                    name: stringify!($field),
                    zh: $zh,
                    form: <$type as Value>::FORM,
                    required: is_required(stringify!($need)),
                },)+];
            }

            impl sealed::Fields for $name {
                fn from_texts(texts: &[&str], faults: &mut Faults<'_>) -> Option<Self> {
                    let mut indices = 0..;
                    // Every field is looked at before the first bad one ends it.
                    $(let $field = parse::<$type>(
                        texts, indices.next().unwrap_or_default(), is_required(stringify!($need)), faults,
                    );)+
                    Some(Self { $($field: $field?,)+ })
                }

                fn texts(&self) -> Vec<Result<Cow<'_, str>, Fault>> {
                    vec![$({
                        let missing = is_required(stringify!($need)) && !self.$field.is_given();
                        if missing { Err(Fault::NoValue) } else { self.$field.text() }
                    },)+]
                }
            }
        )+
    };
}

records! {
    /// JBSJ: the basic record of a machine. An empty text and `None` are "no value".
    BasicRecord, Basic {
        /// Device code; an alias of kind MT1201 on the ledger.
        device_code: String, "设备编码", required;
        /// Name.
        name: String, "设备名称", optional;
        /// Model as on the plate.
        model: String, "规格型号", optional;
        /// Category; whose codes are not known.
        category: String, "设备类别", optional;
        /// Day of manufacture.
        production_date: Option<Day>, "生产日期", optional;
        /// System that it belongs to.
        system: String, "所属系统", optional;
        /// Day of installation.
        install_date: Option<Day>, "安装日期", optional;
        /// Place of installation.
        install_place: String, "安装地点", optional;
        /// Maker as on the plate.
        maker: String, "生产厂家", optional;
        /// The maker's serial number.
        factory_code: String, "出厂编码", optional;
        /// Number of the safety mark.
        mark_no: String, "安标编号", optional;
        /// Number of the explosion-proof certificate.
        ex_no: String, "防爆合格证编号", optional;
        /// Rated voltage; the unit is not known, the ledger writes V.
        rated_voltage: String, "额定电压", optional;
        /// Rated current; the unit is not known, the ledger writes A.
        rated_current: String, "额定电流", optional;
        /// Rated power; the unit is not known, the ledger writes kW.
        rated_power: String, "额定功率", optional;
    }

    /// ABSJ: a safety mark of a product.
    MarkRecord, Mark {
        /// Product.
        product_name: String, "产品名称", optional;
        /// Model.
        model: String, "规格型号", optional;
        /// The maker's serial number.
        factory_code: String, "出厂编码", optional;
        /// Number of the mark.
        mark_no: String, "安标编号", required;
        /// First day of validity.
        valid_from: Option<Day>, "有效期起", optional;
        /// Last day of validity.
        valid_to: Option<Day>, "有效期止", optional;
        /// State.
        state: Option<MarkState>, "安标状态", required;
        /// Producer.
        producer: String, "生产单位", optional;
        /// Address of production.
        production_address: String, "生产地址", optional;
        /// Contact; personal.
        contact: String, "联系人", optional;
        /// Telephone number; personal.
        phone: String, "联系电话", optional;
        /// Holder of the mark.
        holder: String, "持证人", optional;
    }

    /// JZTT: a product that is forbidden or phased out.
    ForbiddenRecord, Forbidden {
        /// Product.
        product: String, "产品名称", required;
        /// Model.
        model: String, "规格型号", optional;
        /// Reason.
        reason: String, "禁止淘汰原因", optional;
        /// Whether at once.
        at_once: Option<bool>, "是否立即淘汰", optional;
        /// Last day of use where not at once.
        deadline: Option<Day>, "淘汰期限", optional;
        /// Batch of the list.
        batch: String, "公布批次", optional;
        /// Day of announcement.
        announced_on: Option<Day>, "公布日期", optional;
        /// Day of effect.
        effective_on: Option<Day>, "实施日期", optional;
        /// Kind.
        kind: Option<ForbiddenKind>, "类型", optional;
        /// Remark.
        remark: String, "备注", optional;
    }

    /// JCJY: a test of a machine.
    TestRecord, Test {
        /// The maker's serial number.
        factory_code: String, "出厂编码", required;
        /// Name.
        name: String, "设备名称", optional;
        /// Model.
        model: String, "规格型号", optional;
        /// Number of the test.
        test_no: String, "检测检验编号", optional;
        /// What was tested.
        item: String, "检测检验项目", optional;
        /// Result: 0 is passed.
        result: Option<TestResult>, "检测检验结果", required;
        /// Day of the test.
        tested_on: Option<Day>, "检测检验日期", required;
        /// Who tested.
        body: String, "检测检验机构", optional;
        /// First day of validity.
        valid_from: Option<Day>, "有效期起", optional;
        /// Last day of validity.
        valid_to: Option<Day>, "有效期止", optional;
        /// Interval in months.
        interval_months: Option<u32>, "检测检验周期", optional;
        /// Remark.
        remark: String, "备注", optional;
        /// Contact; personal.
        contact: String, "联系人", optional;
        /// Telephone number; personal.
        phone: String, "联系电话", optional;
    }
}
