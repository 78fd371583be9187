//! What this machine can do, in the same run: the yardsticks of the figures.

use std::{fs::File, io::Write as _, path::Path, time::Duration};

use tally_client::key::SigningKey;
use tally_core::envelope::{PAYLOAD_TYPE_EVENT, pae};
use tally_core::key::PublicKey;

use super::load::now;

/// How long each yardstick is held.
const MEASURED_FOR: Duration = Duration::from_millis(700);
/// Bytes of a message as long as a usual event.
const MESSAGE_BYTES: usize = 600;
/// Syncs of a batch as large as one under load.
const SYNCS: usize = 300;
const SYNCED_BYTES: usize = 4_096;
/// Keys that sign in turn, as on a real ledger.
const SIGNERS: usize = 200;

/// Signatures that one thread verifies in a second, by the rule of the ledger.
pub fn verify_strict_per_second() -> f64 {
    let signed: Vec<(PublicKey, Vec<u8>, [u8; 64])> = (0..SIGNERS)
        .filter_map(|number| {
            let mut seed = [7; 32];
            seed.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
            let key = SigningKey::from_seed(seed).ok()?;
            let message = pae(PAYLOAD_TYPE_EVENT, &vec![b'x'; MESSAGE_BYTES]);
            let signature = key.sign(&message);
            Some((*key.public(), message, signature))
        })
        .collect();
    let began = now();
    let mut verified = 0_u64;
    while began.elapsed() < MEASURED_FOR {
        for (key, message, signature) in &signed {
            verified += u64::from(key.verify(message, signature).is_ok());
        }
    }
    super::to_f64(verified) / began.elapsed().as_secs_f64()
}

/// The median time of one fdatasync behind an append, where the ledger lies.
pub fn fdatasync_p50_us(dir: &Path) -> anyhow::Result<u64> {
    let path = dir.join("fdatasync.tmp");
    let mut file = File::create_new(&path)?;
    let mut micros = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[0; SYNCED_BYTES])?;
        let began = now();
        file.sync_data()?;
        micros.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    drop(file);
    std::fs::remove_file(&path)?;
    micros.sort_unstable();
    Ok(micros.get(micros.len() / 2).copied().unwrap_or_default())
}
