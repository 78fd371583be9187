//! Head proofs as protobuf: refused, or what they prove holds when it is counted again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use tally_client::verify::{Completeness, Kept, UnverifiedHeadProof, VerifiedHistory, verify_history};
use tally_core::{hash::EventHash, id::SubjectId};
use tally_log::{RootHash, TreeSize};
use tally_proto::v1;

fn check(history: &VerifiedHistory, subject: SubjectId) {
    let size = history.head.checkpoint.size().get();
    assert!(history.touches.windows(2).all(|pair| pair[0].position < pair[1].position));
    assert!(history.touches.iter().all(|touch| touch.position.get() < size));
    let mut last = EventHash::ZERO;
    let mut length = 0;
    for (_, _, event) in history.events().filter(|(_, _, event)| event.statement().subject == subject) {
        if history.completeness == Completeness::Complete {
            assert_eq!(event.chain_index().get(), length);
            assert_eq!(event.event().previous_hash(), last);
        }
        (last, length) = (event.event_hash(), length + 1);
    }
    match history.completeness {
        Completeness::Complete => {
            assert_eq!((length, last), (history.head.head.chain_length, history.head.head.head_hash))
        }
        Completeness::NeverOpened { .. } | Completeness::Absent => {
            assert_eq!((length, history.head.head.chain_length), (0, 0))
        }
        Completeness::Withheld { on_chain_max, .. } | Completeness::Suffix { on_chain_max, .. } => {
            assert!(length <= history.head.head.chain_length);
            assert!(
                matches!(history.completeness, Completeness::Suffix { .. })
                    || history.head.head.chain_length <= length + on_chain_max
            );
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((mode, bytes)) = bytes.split_first() else { return };
    let Ok(mut message) = v1::HeadProof::decode(bytes) else { return };
    if mode % 2 == 0 {
        tally_fuzz::repair_head_proof(&mut message);
    }
    let Ok(subject) = SubjectId::parse(&message.subject) else { return };
    let Ok(proof) = UnverifiedHeadProof::try_from(message) else { return };
    if let Ok(history) = verify_history(&tally_fuzz::TRUST, subject, &proof, None) {
        check(&history, subject);
        // What the reader kept: of any size, and a root that is not this one's.
        let kept = Kept { size: TreeSize::new(u64::from(mode / 2)).unwrap(), root: RootHash::from_bytes([7; 32]) };
        assert!(verify_history(&tally_fuzz::TRUST, subject, &proof, Some(&kept)).is_err());
    }
});
