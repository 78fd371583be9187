//! A real server in the test's own process: its own directory, a free port, the scene's clock.

use std::{net::SocketAddr, path::Path, sync::Arc};

use tally_client::draft::SignedEvent;
use tally_log::note::{SignerKey, VerifierKey};
use tally_proto::v1::{
    self, Receipt, RecordEventRequest, RecordSetRequest, ledger_service_client::LedgerServiceClient,
};
use tally_server::{
    clock::Clock,
    init,
    server::{Config, Server},
    startup::{Layout, StartError},
};
use tempfile::TempDir;
use tonic::transport::Endpoint;

use crate::scene::Scene;

/// Cache of the index: small, for there are many servers in a test run.
const INDEX_CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// A ledger founded by a scene, and its server.
pub struct TestLedger {
    dir: TempDir,
    config: Config,
    seed: [u8; 32],
    log_key: VerifierKey,
    clock: Arc<dyn Clock>,
    server: Option<Server>,
}

impl TestLedger {
    /// Founds the scene's log in a temporary directory and serves it by the scene's clock. Nothing but the founding event
    /// is recorded.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(scene: &Scene) -> Self {
        Self::start_with(scene, Arc::new(scene.clock()), |_| {}).await
    }

    /// The same by another clock, and configured otherwise.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_with(scene: &Scene, clock: Arc<dyn Clock>, configure: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config {
            dir: dir.path().join("ledger"),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            insecure_plaintext: false,
            log_readers: Vec::new(),
            accept_clock: true,
            fence: None,
            new_fence: false,
            verify_threads: 2,
            index_cache_bytes: INDEX_CACHE_BYTES,
            public_rate: 0,
            chain_limit: true,
        };
        configure(&mut config);
        let signer = scene.log_signer();
        let log_key = signer.verifier().clone();
        init::found(&Layout::new(&config.dir), &signer, &scene.genesis().message(), clock.now()).unwrap();
        let mut ledger = Self { dir, config, seed: *scene.log_seed(), log_key, clock, server: None };
        ledger.serve().await.unwrap();
        ledger
    }

    /// Where it listens.
    ///
    /// # Panics
    /// While it is stopped.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server().address()
    }

    /// The same as clients take it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The server.
    ///
    /// # Panics
    /// While it is stopped.
    #[must_use]
    pub const fn server(&self) -> &Server {
        self.server.as_ref().expect("the server is stopped")
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.config.dir
    }

    /// A directory beside it, for outboxes, states and files of the test.
    #[must_use]
    pub fn workplace(&self) -> &Path {
        self.dir.path()
    }

    /// The files of the data directory.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout::new(&self.config.dir)
    }

    /// The log's key, as in `log.pub`.
    #[must_use]
    pub const fn log_key(&self) -> &VerifierKey {
        &self.log_key
    }

    /// How it runs, and will run after the next start.
    pub const fn config(&mut self) -> &mut Config {
        &mut self.config
    }

    /// Records groups, each alone or as a set, in order; gives the receipts. Nothing is verified: that is the client's
    /// own business.
    ///
    /// # Errors
    /// What the server answered to the first one that it did not take.
    pub async fn try_record(&self, groups: &[Vec<SignedEvent>]) -> Result<Vec<Receipt>, tonic::Status> {
        let channel = Endpoint::from_shared(self.url()).unwrap().connect_lazy();
        let mut ledger = LedgerServiceClient::new(channel);
        let mut receipts = Vec::new();
        for group in groups {
            let mut messages: Vec<v1::SignedEvent> = group.iter().map(SignedEvent::message).collect();
            if let [_] = messages.as_slice()
                && let Some(v1::SignedEvent { payload, key_id, signature }) = messages.pop()
            {
                let answer = ledger.record_event(RecordEventRequest { payload, key_id, signature }).await?;
                receipts.extend(answer.into_inner().receipt);
            } else {
                let answer = ledger.record_set(RecordSetRequest { events: messages }).await?;
                receipts.extend(answer.into_inner().receipts);
            }
        }
        Ok(receipts)
    }

    /// Records all that the scene has made after its founding event; gives the receipts.
    ///
    /// # Panics
    /// If the server refuses one.
    pub async fn record_scene(&self, scene: &Scene) -> Vec<Receipt> {
        let recorded = self.try_record(&scene.groups()[1..]).await;
        recorded.unwrap_or_else(|status| panic!("the server does not take the scene: {status}"))
    }

    /// Stops the server: what it accepted is sealed and answered. Does nothing where it is stopped.
    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Serves again after a stop, on another port.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn serve(&mut self) -> Result<(), StartError> {
        let signer = SignerKey::from_seed(self.log_key.name(), &self.seed).expect("the seed of the log's key");
        let server = Server::start(&self.config, signer, self.clock.clone(), &mut |_, _| {}).await?;
        self.server = Some(server);
        Ok(())
    }

    /// Stops the server and starts it again.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.serve().await.unwrap();
    }
}

#[cfg(test)]
mod tests {
    use tally_proto::v1::ServiceState;

    use super::*;
    use crate::{life::Life, scene::MINE};

    #[tokio::test]
    async fn the_server_takes_what_a_scene_takes_and_refuses_what_it_refuses() {
        let life = Life::new(5).over(4).remembering();
        let scene = life.scene().clone();
        life.groups().take(200).for_each(drop);
        let ledger = TestLedger::start(&scene).await;
        let receipts = ledger.record_scene(&scene).await;
        assert_eq!(receipts.len() + 1, scene.events().len());
        for (receipt, event) in receipts.iter().zip(&scene.events()[1..]) {
            assert_eq!(receipt.chain_index, event.chain_index().get());
        }

        let machine = scene.machine("MG900/2245").reach(ServiceState::Manufactured);
        let groups = scene.groups();
        ledger.try_record(&groups[groups.len() - 1..]).await.unwrap();
        let v1::SignedEvent { payload, key_id, signature } = machine.next().noted("x").by(MINE).message();
        let refused = SignedEvent::parse(&payload, &key_id, &signature).unwrap();
        let status = ledger.try_record(&[vec![refused]]).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::PermissionDenied, "{status}");
    }

    #[tokio::test]
    async fn a_ledger_of_a_scene_is_served_stopped_and_served_again() {
        let scene = Scene::new();
        let mut ledger = TestLedger::start(&scene).await;
        assert_eq!(ledger.server().found().size, 2, "the founding event and its heads entry");
        assert_eq!(ledger.layout().verifier_key().unwrap(), *ledger.log_key());
        ledger.restart().await;
        assert_ne!(ledger.address().port(), 0);
        ledger.stop().await;
    }
}
