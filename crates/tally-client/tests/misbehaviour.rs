//! A client against servers that go back, fork, hesitate and break off: what it must notice, and what it must bear.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic where the tests would")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tally_client::verify::{Trust, VerifyError};
use tally_client::{Client, ClientError, Options};
use tally_log::checkpoint::{Checkpoint, Origin};
use tally_log::note::SignerKey;
use tally_log::tile::{NoTiles, TileId};
use tally_log::tree::Tree;
use tally_log::{LeafHash, LogPosition, NodeHash, TreeSize};
use tally_proto::v1::{self, log_service_server::LogService, log_service_server::LogServiceServer};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

const ORIGIN: &str = "log.example/a";

fn signer() -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[7; 32]).unwrap()
}

/// A log whose entries from `fork` on depend on `name`.
fn tree(name: u8, fork: u64, size: u64) -> Tree {
    let leaf = |at: u64| LeafHash::of(&[at.to_be_bytes().as_slice(), &[if at < fork { 0 } else { name }]].concat());
    let mut tree = Tree::new();
    assert!(tree.append(&(0..size).map(leaf).collect::<Vec<_>>()));
    tree
}

/// Serves whatever tree it is given, and says "not now" so many times before.
#[derive(Clone)]
struct Server {
    tree: Arc<Mutex<Tree>>,
    hesitations: Arc<AtomicU32>,
    calls: Arc<AtomicU32>,
}

impl Server {
    async fn start(tree: Tree) -> (Self, String) {
        let server = Self { tree: Arc::new(Mutex::new(tree)), hesitations: Arc::default(), calls: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = tonic::transport::Server::builder().add_service(LogServiceServer::new(server.clone()));
        tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
        (server, address)
    }

    fn show(&self, tree: Tree) {
        *self.tree.lock().unwrap() = tree;
    }

    fn hesitate(&self, times: u32) {
        self.hesitations.store(times, Ordering::Relaxed);
        self.calls.store(0, Ordering::Relaxed);
    }

    fn checkpoint(&self) -> Vec<u8> {
        let tree = self.tree.lock().unwrap();
        let checkpoint = Checkpoint { origin: Origin::parse(ORIGIN).unwrap(), size: tree.size(), root: tree.root() };
        checkpoint.sign(&signer()).unwrap().into_bytes()
    }

    fn consistency(&self, old: u64, new: u64) -> Result<Vec<Vec<u8>>, Status> {
        let tree = self.tree.lock().unwrap();
        let new = if new == 0 { tree.size() } else { TreeSize::new(new).unwrap() };
        let proof = tree.view().consistency_proof(TreeSize::new(old).unwrap(), new, &NoTiles);
        let proof = proof.map_err(|error| status(Code::OutOfRange, "OUT_OF_RANGE", &error.to_string()))?;
        Ok(bytes(proof.hashes()))
    }

    fn call(&self) -> Result<(), Status> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let left = self.hesitations.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_ok() { Err(status(Code::ResourceExhausted, "QUEUE_FULL", "the queue is full")) } else { Ok(()) }
    }
}

fn bytes(hashes: &[NodeHash]) -> Vec<Vec<u8>> {
    hashes.iter().map(|hash| hash.as_bytes().to_vec()).collect()
}

fn status(code: Code, reason: &str, message: &str) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, "tally.v1", std::collections::HashMap::<String, String>::new());
    details.set_retry_info(Some(std::time::Duration::from_millis(1)));
    Status::with_error_details(code, message, details)
}

#[tonic::async_trait]
impl LogService for Server {
    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        self.call()?;
        let consistency = match request.into_inner().kept_size {
            0 => Vec::new(),
            kept_size => self.consistency(kept_size, 0)?,
        };
        let log_key = signer().verifier().to_string();
        Ok(Response::new(v1::GetCheckpointResponse { checkpoint: self.checkpoint(), consistency, log_key }))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<v1::GetInclusionProofRequest>,
    ) -> Result<Response<v1::GetInclusionProofResponse>, Status> {
        self.call()?;
        let tree = self.tree.lock().unwrap().clone();
        let position = LogPosition::new(request.into_inner().position).unwrap();
        let proof = tree.view().inclusion_proof(position, tree.size(), &NoTiles).unwrap();
        let leaves = tree.view().tile(TileId { level: 0, index: 0 }, 1).unwrap();
        let leaf = leaves.get(usize::try_from(position.get()).unwrap()).unwrap();
        Ok(Response::new(v1::GetInclusionProofResponse {
            leaf_hash: leaf.as_bytes().to_vec(),
            inclusion: bytes(proof.hashes()),
            tree_size: tree.size().get(),
            checkpoint: self.checkpoint(),
        }))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<v1::GetConsistencyProofRequest>,
    ) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
        self.call()?;
        let v1::GetConsistencyProofRequest { old_size, new_size } = request.into_inner();
        let consistency = self.consistency(old_size, new_size)?;
        Ok(Response::new(v1::GetConsistencyProofResponse { consistency, new_size, checkpoint: self.checkpoint() }))
    }

    type FollowEntriesStream = ReceiverStream<Result<v1::FollowEntriesResponse, Status>>;

    async fn follow_entries(
        &self,
        _: Request<v1::FollowEntriesRequest>,
    ) -> Result<Response<Self::FollowEntriesStream>, Status> {
        Err(Status::unimplemented("follows nothing"))
    }
}

fn trust() -> Trust {
    Trust::new(signer().verifier().clone()).unwrap()
}

fn is_older(error: &ClientError, found: u64, kept: u64) -> bool {
    let (found, kept) = (TreeSize::new(found).unwrap(), TreeSize::new(kept).unwrap());
    matches!(error, ClientError::Verify(error) if *error == VerifyError::OlderThanKept { found, kept })
}

#[tokio::test]
async fn a_server_that_went_back_is_found_out_by_every_way_of_asking() {
    let (server, address) = Server::start(tree(0, 0, 13)).await;
    let client = Client::connect(&address, trust(), Options::default()).await.unwrap();
    assert_eq!(client.checkpoint().await.unwrap().size().get(), 13);
    server.show(tree(0, 0, 9));
    // Named the kept size: the server can only say that it has no such tree.
    let error = client.checkpoint().await.unwrap_err();
    assert!(is_older(&error, 9, 13) && error.is_misbehaviour(), "{error}");
    // Did not name it: the answer itself is too old.
    let error = client.inclusion(LogPosition::FIRST, None).await.unwrap_err();
    assert!(is_older(&error, 9, 13), "{error}");
    server.show(tree(0, 0, 15));
    assert_eq!(client.checkpoint().await.unwrap().size().get(), 15, "one that caught up is believed again");
}

#[tokio::test]
async fn a_fork_is_found_out_whether_it_is_longer_or_of_the_same_size() {
    let (server, address) = Server::start(tree(0, 0, 13)).await;
    let client = Client::connect(&address, trust(), Options::default()).await.unwrap();
    client.checkpoint().await.unwrap();
    for fork in [tree(1, 6, 13), tree(1, 6, 20), tree(1, 12, 13)] {
        server.show(fork);
        for error in
            [client.checkpoint().await.unwrap_err(), client.inclusion(LogPosition::FIRST, None).await.unwrap_err()]
        {
            assert!(matches!(error, ClientError::Verify(VerifyError::Forked { .. })), "{error}");
        }
    }
    assert_eq!(client.kept_checkpoint().unwrap().size().get(), 13);
}

#[tokio::test]
async fn what_was_kept_outlives_the_client() {
    let state = tempfile::tempdir().unwrap();
    let options = || Options { state_dir: Some(state.path().join("kept")), ..Options::default() };
    let (server, address) = Server::start(tree(0, 0, 13)).await;
    Client::connect(&address, trust(), options()).await.unwrap().checkpoint().await.unwrap();
    server.show(tree(0, 0, 9));
    let client = Client::connect(&address, trust(), options()).await.unwrap();
    let error = client.inclusion(LogPosition::FIRST, None).await.unwrap_err();
    assert!(is_older(&error, 9, 13), "{error}");
    let forgetful = Client::connect(&address, trust(), Options::default()).await.unwrap();
    forgetful.inclusion(LogPosition::FIRST, None).await.unwrap();
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_not_for_ever() {
    let (server, address) = Server::start(tree(0, 0, 13)).await;
    let options = Options { tries_max: 3, ..Options::default() };
    let client = Client::connect(&address, trust(), options).await.unwrap();
    server.hesitate(2);
    client.checkpoint().await.unwrap();
    assert_eq!(server.calls.load(Ordering::Relaxed), 3);
    server.hesitate(100);
    let error = client.checkpoint().await.unwrap_err();
    assert_eq!(server.calls.load(Ordering::Relaxed), 3);
    assert_eq!(error.server().unwrap().reason, "QUEUE_FULL");
    let words = "no answer to GetCheckpoint in 3 tries: QUEUE_FULL: the queue is full";
    assert_eq!(error.to_string(), words, "a read changes nothing, so nothing is in doubt");
    let options = Options { deadline: std::time::Duration::from_millis(50), ..Options::default() };
    let impatient = Client::connect(&address, trust(), options).await.unwrap();
    let error = impatient.checkpoint().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { tries: 1, .. }), "{error}");
}
