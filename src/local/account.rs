//! The account behind the server: its state, clock, ids, settings, faults and call log, under one lock.
//!
//! A call is handled entirely under the lock: this is a control plane, and calls are short. What changed is on
//! disk before the answer leaves. Connections are the server's business.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::http::request::Parts;
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;

use super::agent::Agents;
use super::api::{self, Context};
use super::authority::Authority;
use super::blobs::{Blobs, Draft};
use super::body::Arrived;
use super::clock::Clock;
use super::data_plane::Listening;
use super::faults::{Effect, Faults};
use super::health::HealthTable;
use super::ids::Ids;
use super::server::ServerError;
use super::settings::Settings;
use super::state::State;
use super::state::store::{Store, StoreError};
use super::wire::error::ApiError;
use super::wire::render::{self, Rendered};
use super::wire::routing::{self, Call, Protocol, Service};
use super::wire::s3;

/// What is remembered of past calls; older ones are forgotten.
const CALLS_KEPT: usize = 100_000;

/// One line of the call log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CallRecord {
    /// Whose operation it is.
    pub(crate) service: Service,
    /// The operation.
    pub(crate) operation: String,
    /// The region.
    pub(crate) region: String,
    /// The HTTP status that was answered, or would have been if the connection had not been closed.
    pub(crate) status: Option<u16>,
    /// The error's code, if it was one.
    pub(crate) code: Option<String>,
    /// Whether the connection was closed without an answer.
    pub(crate) dropped: bool,
}

/// What goes back to the client.
pub(crate) enum Answer {
    /// A response.
    Response {
        /// Its status, body and headers.
        rendered: Rendered,
        /// The request's id, for its header.
        request_id: String,
    },
    /// Nothing: the connection is to be closed.
    Dropped,
}

/// The account.
pub(crate) struct Account {
    agents: Agents,
    inner: Mutex<Inner>,
    changed: watch::Sender<()>,
}

/// What the account holds.
pub(crate) struct Inner {
    pub(crate) state: State,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) faults: Faults,
    pub(crate) calls: VecDeque<CallRecord>,
    pub(crate) health: HealthTable,
    pub(crate) listening: Listening,
    /// How many names were resolved, so that weighted records take turns.
    pub(crate) resolved: u64,
    /// Whether instances can be isolated here, as far as anybody has asked.
    isolates: bool,
    ids: Ids,
    blobs: Blobs,
    store: Option<Store>,
    /// The domains of the certificates that every region starts with.
    issued: Vec<String>,
    initial_settings: Settings,
    initial_clock: Clock,
}

impl Account {
    /// An account that holds `state`, and keeps it in `store` if there is one.
    pub(crate) fn new(
        state: State,
        store: Option<Store>,
        settings: Settings,
        clock: Clock,
        ids: Ids,
        issued: Vec<String>,
        agents: Agents,
    ) -> Self {
        let inner = Inner {
            state,
            clock,
            settings,
            faults: Faults::default(),
            calls: VecDeque::new(),
            health: HealthTable::default(),
            listening: Listening::default(),
            resolved: 0,
            isolates: false,
            ids,
            blobs: store.as_ref().map_or_else(|| Blobs::Unnamed(BTreeMap::new()), Store::blobs),
            store,
            issued,
            initial_settings: settings,
            initial_clock: clock,
        };
        Self { agents, inner: Mutex::new(inner), changed: watch::Sender::default() }
    }

    /// The account's insides. A panic of another thread leaves them usable: operations check, then change.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request of an AWS client.
    pub(crate) async fn answer(&self, parts: &Parts, body: Arrived) -> Answer {
        let (body, draft, object) = match body {
            Arrived::Whole(body) => (body, None, None),
            Arrived::Object { draft, whole } => {
                let object = s3::Content { sha256: draft.sha256(), size: draft.size(), whole };
                (Bytes::new(), Some(draft), Some(object))
            }
        };
        let call = match routing::route(parts, &body, object) {
            Ok(call) => call,
            Err(refused) => {
                let request_id = self.lock().ids.uuid();
                return refusal(refused.protocol, &refused.error, request_id);
            }
        };
        let strike = self.lock().faults.strike(call.service, &call.operation);
        if !strike.delay.is_zero() {
            tokio::time::sleep(strike.delay).await;
        }
        if call.service == Service::Ssm {
            let isolates = self.isolates().await;
            self.lock().isolates = isolates;
        }
        let answer = self.lock().run(&call, draft, strike.effect.as_ref());
        if !is_read(&call.operation) {
            self.tell_change();
        }
        answer
    }

    /// Whether instances can be isolated here; finding out blocks the first time.
    async fn isolates(&self) -> bool {
        let agents = self.agents.clone();
        tokio::task::spawn_blocking(move || agents.managed().is_ok()).await.unwrap_or_default()
    }

    /// Wakes who waits for changes.
    pub(crate) fn tell_change(&self) {
        self.changed.send_replace(());
    }

    /// Tells a task of every change from now on, after the fact; several changes may be told as one.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

impl Inner {
    fn run(&mut self, call: &Call, draft: Option<Draft>, effect: Option<&Effect>) -> Answer {
        let request_id = self.ids.uuid();
        let mut record = CallRecord::new(call);
        let result = match effect {
            Some(Effect::DropBefore | Effect::Halt) => {
                record.dropped = true;
                self.remember(record);
                return Answer::Dropped;
            }
            Some(Effect::Throttle) => Err(call.service.throttled()),
            Some(Effect::Error { code, status, message }) => Err(ApiError::new(*status, code, message)),
            Some(Effect::DropAfter | Effect::Delay(_)) | None => self.execute(call, draft),
        };
        let (status, code) = match &result {
            Ok(routing::Output::Rest(output)) => (output.status, None),
            Ok(routing::Output::S3(output)) => (output.status, None),
            Ok(routing::Output::Xml(_) | routing::Output::Json(_)) => (200, None),
            Err(error) => (error.status, Some(error.code.clone())),
        };
        record.status = Some(status);
        record.code = code;
        record.dropped = effect == Some(&Effect::DropAfter);
        let dropped = record.dropped;
        self.remember(record);
        if dropped {
            return Answer::Dropped;
        }
        match result {
            Ok(output) => {
                let rendered = render::render(call, output, &request_id);
                Answer::Response { rendered, request_id }
            }
            Err(error) => refusal(call.service.protocol(), &error, request_id),
        }
    }

    fn execute(&mut self, call: &Call, draft: Option<Draft>) -> Result<routing::Output, ApiError> {
        self.open_region(&call.region)?;
        let output = self.handle(call, draft)?;
        if !is_read(&call.operation) {
            self.save().map_err(|error| ApiError::internal(error.to_string()))?;
        }
        Ok(output)
    }

    /// A region has its default network and the certificates that every region starts with from its first call
    /// on, whatever that call is.
    fn open_region(&mut self, region: &str) -> Result<(), ApiError> {
        if self.state.regions.contains_key(region) {
            return Ok(());
        }
        self.state.region_mut(region);
        for domain in self.issued.clone() {
            let call = Call {
                service: Service::Acm,
                region: region.to_owned(),
                operation: "RequestCertificate".to_owned(),
                input: routing::Input::Json(json!({ "DomainName": domain })),
            };
            self.handle(&call, None)?;
        }
        Ok(())
    }

    fn handle(&mut self, call: &Call, draft: Option<Draft>) -> Result<routing::Output, ApiError> {
        if let routing::Input::S3(request) = &call.input {
            let (blobs, now) = (&mut self.blobs, self.clock.now());
            let mut context =
                api::s3::Context { state: &mut self.state, blobs, draft, region: &call.region, now };
            return api::s3::handle(&mut context, &call.operation, request).map(routing::Output::S3);
        }
        let mut context = Context {
            state: &mut self.state,
            region: &call.region,
            now: self.clock.now(),
            ids: &mut self.ids,
            settings: &self.settings,
            health: &self.health,
            isolates: self.isolates,
        };
        api::handle(&mut context, call)
    }

    /// A place for what is to become an object.
    pub(crate) fn draft(&self) -> io::Result<Draft> {
        self.blobs.draft()
    }

    /// Empties the account, and puts clock, settings, faults and call log back to where they began.
    pub(crate) fn reset(&mut self) -> Result<(), StoreError> {
        for object in self.state.buckets.values().flat_map(|bucket| bucket.objects.values()) {
            self.blobs.forget(&object.sha256);
        }
        // The authority stays: clients go on trusting it.
        self.state = State { authority: self.state.authority.take(), ..State::default() };
        self.clock = self.initial_clock;
        self.settings = self.initial_settings;
        self.faults.clear();
        self.calls.clear();
        self.save()
    }

    /// Makes the authority if there is none yet, so that clients can be told of its certificate beforehand.
    pub(crate) fn make_authority(&mut self) -> Result<(), ServerError> {
        if self.state.authority.is_none() {
            self.state.authority = Some(Authority::generate(self.clock.now())?);
            self.save()?;
        }
        Ok(())
    }

    /// Puts on disk what has changed.
    pub(crate) fn save(&self) -> Result<(), StoreError> {
        self.store.as_ref().map_or(Ok(()), |store| store.save(&self.state))
    }

    fn remember(&mut self, record: CallRecord) {
        if self.calls.len() == CALLS_KEPT {
            self.calls.pop_front();
        }
        self.calls.push_back(record);
    }
}

impl CallRecord {
    fn new(call: &Call) -> Self {
        Self {
            service: call.service,
            operation: call.operation.clone(),
            region: call.region.clone(),
            status: None,
            code: None,
            dropped: false,
        }
    }
}

/// Whether an operation only reads. What a read settles on the way (an instance that has come up by now) is
/// settled again by the next one, so it need not be saved.
pub(crate) fn is_read(operation: &str) -> bool {
    ["Describe", "Get", "Head", "List"].iter().any(|verb| operation.starts_with(verb))
}

fn refusal(protocol: Protocol, error: &ApiError, request_id: String) -> Answer {
    let rendered = render::render_error(protocol, error, &request_id);
    Answer::Response { rendered, request_id }
}
